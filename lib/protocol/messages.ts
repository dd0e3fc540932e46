import type {
  Changeset,
  RetentionCutoff,
  Instant,
  ObjectName,
  RejectedWrite,
  Run,
  ServerChangeset,
  ServerObjectState,
  StoredObject,
  WriteLimits,
} from '../model/changeset.js';
import type { Version } from '../model/version.js';
import type { PlacedView } from '../model/view.js';
import type { BoundView, Members, NextMembers, Parts, Subscribe, ViewStart } from './view-messages.js';

/**
 * All messages of a wire. docs/PROTOCOL.md specifies them; `codec.ts` encodes and decodes frames. Messages are plain
 * values. The client numbers its sessions, which share one connection.
 */

/** Opens a session on this connection. */
export interface Bind {
  readonly type: 'bind';
  readonly session: number;
  readonly realm: string;
  /** A random id, made by the client and stored with the data. The server assigns it to the user at the first bind. */
  readonly replica: string;
  /** `null`: the token that was last sent on this connection, by a bind or a `token`. */
  readonly token: string | null;
  /** The history that this replica knows; `null` before its first bind. */
  readonly history: string | null;
  /** The server version up to which this replica has everything. */
  readonly downloadedTo: Version;
  /** The client version up to which the replica knows that its changesets are durable on the server. */
  readonly acknowledged: Version;
  /**
   * Whether downloads include this replica's own changesets, until nothing remains for the first time. Needed after a
   * start from a snapshot: changesets uploaded earlier may be newer than the snapshot, and are no longer in the outbox.
   */
  readonly includeOwn: boolean;
  /**
   * The runs of the replica's unacknowledged changesets. Before them comes the run of the last acknowledged changeset,
   * and the current run is last. The server compares them with what it has accepted, and so notices a copy of a
   * replica.
   */
  readonly runs: readonly Run[];
  /** The view of which the replica's objects are. Absent: the replica has the whole realm. */
  readonly view?: PlacedView;
}

/** A page of changesets with consecutive versions. */
export interface Upload {
  readonly type: 'upload';
  readonly session: number;
  readonly changesets: readonly Changeset[];
}

/** Confirms that all downloads up to this server version are stored, so that the server may send more. */
export interface Received {
  readonly type: 'received';
  readonly session: number;
  readonly version: Version;
}

/** Asks for a `mark` when the server has sent all changes that it has at this moment. Request numbers increase. */
export interface MarkRequest {
  readonly type: 'mark';
  readonly session: number;
  readonly request: number;
}

/** A new access token for all sessions of the connection, without another bind. */
export interface Token {
  readonly type: 'token';
  readonly token: string;
}

/** Closes a session. The connection stays open. */
export interface Unbind {
  readonly type: 'unbind';
  readonly session: number;
}

/** Reports that this client could not apply or show a downloaded changeset. The session continues. */
export interface Fault {
  readonly type: 'fault';
  readonly session: number;
  readonly version: Version;
  /** The reason as a code such as `unreadable`. Not a text, because the server logs it. */
  readonly code: string;
}

/**
 * Replaces a changeset that is over a limit and cannot be uploaded. The server rejects the version and answers with
 * `refused`.
 */
export interface Withdraw {
  readonly type: 'withdraw';
  readonly session: number;
  readonly version: Version;
  /** The reason as a code such as `too-large`. */
  readonly code: string;
  /** The objects that the changeset touched. */
  readonly objects: readonly ObjectName[];
}

/**
 * Asks for a page of the snapshot that `bound` announced: the objects after `after`, or the first ones. One request at
 * a time.
 */
export interface Fetch {
  readonly type: 'fetch';
  readonly session: number;
  /** The server version of the snapshot. */
  readonly version: Version;
  readonly after: ObjectName | null;
}

/** Asks for a `pong` with the same `sentAt`, which the server sends at once. */
export interface Ping {
  readonly type: 'ping';
  readonly sentAt: number;
}

/** A message of a client: switch on its `type`. docs/PROTOCOL.md specifies each. */
export type ClientMessage =
  Bind | Upload | Received | MarkRequest | Token | Unbind | Fault | Fetch | Withdraw | Ping | Subscribe | NextMembers;

/** Answers `bind`. */
export interface Bound {
  readonly type: 'bound';
  readonly session: number;
  readonly history: string;
  /** The last server version of the history. */
  readonly head: Version;
  /** Bytes of the whole history: the body of each changeset and 32 more. */
  readonly headBytes: number;
  /** The client version up to which this replica's changesets are in the history. Uploads continue after it. */
  readonly accepted: Version;
  /** The server's clock, milliseconds since the epoch. */
  readonly serverTime: number;
  /** The largest frame that the server accepts, in bytes. */
  readonly frameBytesMax: number;
  /**
   * The server version of the snapshot with which this replica starts, because the changesets that it lacks are trimmed
   * or larger than the objects. `null`: the replica continues from `downloadedTo`.
   */
  readonly snapshot: Version | null;
  /**
   * The stamp of this replica's changeset `accepted`. `null`: there is no such changeset, or the server no longer knows
   * its stamp.
   */
  readonly stamp: Instant | null;
  /** The limits of one changeset and of one object. */
  readonly limits: WriteLimits;
  /** The oldest changesets that the server accepts; `null`: changesets of any time. */
  readonly retentionCutoff: RetentionCutoff | null;
  /**
   * The client version up to which the server has accepted or rejected this replica's changesets. These keep their
   * stamps. The ones after `accepted` are uploaded again, because the replica may not know of a rejected one before
   * them.
   */
  readonly decided: Version;
  /** The way in which a replica with a view goes on. Absent: no view, or a server that does not know views. */
  readonly view?: BoundView;
}

/**
 * Ends the session: the replica is a copy. Another device, or an earlier state of this one, has uploaded other
 * changesets under the same versions. Both agree up to `version`.
 */
export interface Copied {
  readonly type: 'copied';
  readonly session: number;
  readonly version: Version;
}

/** A piece of a server's frame that is larger than `partBytesMax`. */
export interface MessagePart {
  readonly type: 'part';
  /** Whether this part completes the frame. */
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

/** All changesets up to this client version are durable in the history. */
export interface Accepted {
  readonly type: 'accepted';
  readonly session: number;
  readonly version: Version;
}

/** A page of the history, without the replica's own changesets. */
export interface Download {
  readonly type: 'download';
  readonly session: number;
  readonly changesets: readonly ServerChangeset[];
  /**
   * The server version up to which the replica has everything after this page. The replica's own changesets are skipped
   * in it.
   */
  readonly upTo: Version;
  /** Number of changesets after this page, own ones included. */
  readonly remaining: number;
  /** Bytes of the history up to `upTo`, counted like `headBytes`. */
  readonly bytes: number;
  /** Bytes of the remaining changesets. */
  readonly remainingBytes: number;
}

/**
 * Answers a `mark` request: all changes that the server had when it read the request have been sent, up to `version`.
 */
export interface Marked {
  readonly type: 'mark';
  readonly session: number;
  readonly request: number;
  readonly version: Version;
}

/**
 * A changeset was rejected as a whole, and all earlier ones are durable. Sent again after each bind until the client
 * confirms it.
 */
export interface WriteRejected {
  readonly type: 'refused';
  readonly session: number;
  /** The client version of the rejected changeset, which counts as processed. */
  readonly version: Version;
  readonly writes: readonly RejectedWrite[];
  /** The server state of every object that the changeset touched. */
  readonly serverStates: readonly ServerObjectState[];
  /** The reason as a code: `not-permitted`, `permission-denied`, `too-large`, `schema` and others. */
  readonly code: string;
  /** The server version of these states, in a session whose view was sent up to an earlier version. */
  readonly upTo?: Version;
}

/** Answers `fetch`: a page of a snapshot. The order of objects never changes. */
export interface Snapshot {
  readonly type: 'snapshot';
  readonly session: number;
  readonly version: Version;
  readonly objects: readonly StoredObject[];
  /** Number of objects after this page; 0: this is the last page. */
  readonly remaining: number;
  /** Progress, counted like `headBytes`: the share of the history that the objects up to here represent. */
  readonly bytes: number;
}

/** Answers `unbind`. No message of this session follows. */
export interface Unbound {
  readonly type: 'unbound';
  readonly session: number;
}

/** Answers `ping`. */
export interface Pong {
  readonly type: 'pong';
  readonly sentAt: number;
}

/** Whether and when to try again: `never`, `later` (by the client's own backoff), or after this many milliseconds. */
export type Retry = 'never' | 'later' | { readonly after: number };

/**
 * The codes of an `error`. Some of them end the whole connection: `session` is `null` then. docs/PROTOCOL.md describes
 * each.
 */
export const wireErrorCodes = [
  'token-expired',
  'token-refused',
  'user-refused',
  'no-such-realm',
  'permission-denied',
  'needs-subscriptions',
  'bad-changeset',
  'bad-cursor',
  'history-changed',
  'replica-taken',
  'replaced',
  'too-many-sessions',
  'too-many-refused',
  'snapshot-gone',
  'stamped-ahead',
  'restarting',
  'internal',
] as const;
export type WireErrorCode = (typeof wireErrorCodes)[number];

/** Ends the session, or with `session: null` the connection, whose socket the server then closes. */
export interface WireError {
  readonly type: 'error';
  readonly session: number | null;
  /** One of `wireErrorCodes`, or a code of a newer server, which the client reports as `unknown` with its text. */
  readonly code: string;
  readonly text: string;
  readonly retry: Retry;
}

/** A message of a server: switch on its `type`. docs/PROTOCOL.md specifies each. */
export type ServerMessage =
  | Bound
  | Accepted
  | Download
  | Marked
  | WriteRejected
  | Snapshot
  | Unbound
  | Pong
  | Copied
  | WireError
  | ViewStart
  | Members
  | Parts;

/** A frame of a server: a message, or a part of a frame that is larger than `partBytesMax`. */
export type ServerFrame = ServerMessage | MessagePart;

/** Our close codes (docs/PROTOCOL.md). All others are those of RFC 6455. */
export const closeCodes = {
  /** A frame that is not a message, or a message that is invalid at this moment. */
  protocolViolation: 4400,
  /** No session was bound in time. */
  notBound: 4408,
  /** A frame over the limit. */
  tooLarge: 4413,
  /** The client read too slowly, or sent too much at once. */
  tooMuch: 4429,
  /** The server failed. */
  internal: 4500,
  /** The server is shutting down: 1001 of RFC 6455. */
  restarting: 1001,
  /** Normal end: 1000 of RFC 6455. */
  normal: 1000,
} as const;

/** The WebSocket subprotocol. */
export const subprotocol = 'tidemark.1';
