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

/**
 * Everything that is said on a wire. docs/PROTOCOL.md specifies it; `codec.ts` turns it into frames and back. A message
 * is a value: no store, no time. Sessions are numbered by the client and share the socket.
 */

/** Opens a session on this connection. */
export interface Bind {
  readonly type: 'bind';
  readonly session: number;
  readonly realm: string;
  /** Made by the client, random, kept with the data; the server ties it to the user at first sight. */
  readonly replica: string;
  /** `null`: as last said on this connection, by a bind or a `token`. */
  readonly token: string | null;
  /** The history this replica knows; `null` before its first bind. */
  readonly history: string | null;
  /** The server version up to which this replica has everything. */
  readonly downloadedTo: Version;
  /** The client version up to which it knows that the server has everything. */
  readonly acknowledged: Version;
  /**
   * Whether downloads bring what this replica wrote itself, too, until nothing remains for the first time: it has begun
   * with a snapshot, and what it uploaded before that may be later than the snapshot, and in its outbox no more.
   */
  readonly includeOwn: boolean;
  /**
   * The runs in which this replica wrote what is not acknowledged, with the run that wrote the last acknowledged
   * changeset before them, and the present run last. The server compares them with what it has accepted, and so notices
   * a copy of a replica.
   */
  readonly runs: readonly Run[];
}

/** A page of changesets, in the order of their versions, without a gap. */
export interface Upload {
  readonly type: 'upload';
  readonly session: number;
  readonly changesets: readonly Changeset[];
}

/** All downloads up to this server version are stored; the server may send on. */
export interface Received {
  readonly type: 'received';
  readonly session: number;
  readonly version: Version;
}

/** Asks for a `mark` when everything has been sent that the server has at this moment. Numbers rise. */
export interface MarkRequest {
  readonly type: 'mark';
  readonly session: number;
  readonly request: number;
}

/** A fresh access token for all sessions of the connection, without a rebind. */
export interface Token {
  readonly type: 'token';
  readonly token: string;
}

export interface Unbind {
  readonly type: 'unbind';
  readonly session: number;
}

/** Reports that this client could not apply or show a downloaded changeset. The session goes on. */
export interface Fault {
  readonly type: 'fault';
  readonly session: number;
  readonly version: Version;
  /** Why, as a word such as `unreadable`: no text, because the server logs it. */
  readonly code: string;
}

/**
 * Stands in the order of uploads for a changeset that cannot be uploaded, because it is over a limit. The server treats
 * the version as refused, and answers with `refused`.
 */
export interface Withdraw {
  readonly type: 'withdraw';
  readonly session: number;
  readonly version: Version;
  /** Why, as a word such as `too-large`. */
  readonly code: string;
  /** The objects that the changeset touched. */
  readonly objects: readonly ObjectName[];
}

/** Asks for a page of the snapshot that `bound` named: the objects after one of them, or the first. One at a time. */
export interface Fetch {
  readonly type: 'fetch';
  readonly session: number;
  /** The server version that it is a snapshot of. */
  readonly version: Version;
  readonly after: ObjectName | null;
}

/** Answered at once with the same `sentAt`. */
export interface Ping {
  readonly type: 'ping';
  readonly sentAt: number;
}

export type ClientMessage = Bind | Upload | Received | MarkRequest | Token | Unbind | Fault | Fetch | Withdraw | Ping;

/** Answers `bind`. */
export interface Bound {
  readonly type: 'bound';
  readonly session: number;
  readonly history: string;
  /** The last server version of the history. */
  readonly head: Version;
  /** Bytes of the whole history: each changeset counts its body and 32 for the rest. */
  readonly headBytes: number;
  /** The client version up to which this replica's changesets are in the history: upload goes on after it. */
  readonly accepted: Version;
  /** The server's clock, milliseconds since the epoch. */
  readonly serverTime: number;
  /** The largest frame the server takes, in bytes. */
  readonly frameBytesMax: number;
  /**
   * The server version of the snapshot that this replica begins with, because the changesets after what it has seen are
   * gone, or more than the objects that they come to; `null`: it goes on after what it has seen.
   */
  readonly snapshot: Version | null;
  /**
   * The stamp of this replica's changeset `accepted`; `null`: there is none, or the server does not know it any more.
   */
  readonly stamp: Instant | null;
  /** What the server takes at most of one changeset and of one object. */
  readonly limits: WriteLimits;
  /** From when on changesets are taken; `null`: of any time. */
  readonly retentionCutoff: RetentionCutoff | null;
  /**
   * The client version up to which the server has taken or refused this replica's changesets: they keep their stamps,
   * also those after `accepted`, which are uploaded again because the replica may not know of a refusal before them.
   */
  readonly decided: Version;
}

/**
 * Ends the session: the replica is a copy. Another device, or an earlier life of this one, has uploaded other
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
  /** Whether the frame is whole with this part. */
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

/** All changesets up to this client version are durable in the history. */
export interface Accepted {
  readonly type: 'accepted';
  readonly session: number;
  readonly version: Version;
}

/** A page of the history, without what this replica wrote itself. */
export interface Download {
  readonly type: 'download';
  readonly session: number;
  readonly changesets: readonly ServerChangeset[];
  /** The server version up to which this page covers everything: the replica's own changesets are skipped in it. */
  readonly upTo: Version;
  /** What is left after this page, own changesets included. */
  readonly remaining: number;
  /** Bytes of the history up to `upTo`, counted like `headBytes`. */
  readonly bytes: number;
  /** Bytes of what `remaining` counts. */
  readonly remainingBytes: number;
}

/** Answers `mark`: every change the server had when it read the request has been sent, up to `version`. */
export interface Marked {
  readonly type: 'mark';
  readonly session: number;
  readonly request: number;
  readonly version: Version;
}

/**
 * A changeset was refused, all of it; everything before it is durable. Sent again after each bind until the client
 * knows of it.
 */
export interface WriteRejected {
  readonly type: 'refused';
  readonly session: number;
  /** The client version that was refused, and is dealt with. */
  readonly version: Version;
  readonly writes: readonly RejectedWrite[];
  /** What stands instead, for every object that the changeset touched. */
  readonly serverStates: readonly ServerObjectState[];
  /** Why, as a word: `not-permitted`, `permission-denied`, `too-large`, `schema` and others. */
  readonly code: string;
}

/** Answers `fetch`: a page of a snapshot, in an order that is always the same. */
export interface Snapshot {
  readonly type: 'snapshot';
  readonly session: number;
  readonly version: Version;
  readonly objects: readonly StoredObject[];
  /** How many objects follow; 0: this was the last page. */
  readonly remaining: number;
  /** How far this is, counted like `headBytes`: the share of the history that the objects up to here stand for. */
  readonly bytes: number;
}

export interface Unbound {
  readonly type: 'unbound';
  readonly session: number;
}

export interface Pong {
  readonly type: 'pong';
  readonly sentAt: number;
}

/** Whether and when to try again: `never`, `later` (by the client's own backoff), or after so many milliseconds. */
export type Retry = 'never' | 'later' | { readonly after: number };

/**
 * The codes of an `error`, and which of them end the whole connection (`session` is `null` then). docs/PROTOCOL.md says
 * when each comes.
 */
export const wireErrorCodes = [
  'token-expired',
  'token-refused',
  'user-refused',
  'no-such-realm',
  'permission-denied',
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

/** Ends the session, or with `session: null` the connection, whose socket the server closes next. */
export interface WireError {
  readonly type: 'error';
  readonly session: number | null;
  /** One of `wireErrorCodes`, or a code of a later server: then `unknown` to us, and shown with its text. */
  readonly code: string;
  readonly text: string;
  readonly retry: Retry;
}

export type ServerMessage =
  Bound | Accepted | Download | Marked | WriteRejected | Snapshot | Unbound | Pong | Copied | WireError;

/** What a frame of a server holds: a message, or a part of a frame that is larger than `partBytesMax`. */
export type ServerFrame = ServerMessage | MessagePart;

/** Close codes of ours (docs/PROTOCOL.md); everything else is RFC 6455's. */
export const closeCodes = {
  /** A frame that is no message, or a message that makes no sense where it came. */
  protocolViolation: 4400,
  /** Nothing was bound in time. */
  notBound: 4408,
  /** A frame over the limit. */
  tooLarge: 4413,
  /** Read too slowly, or said too much at once. */
  tooMuch: 4429,
  /** The server failed. */
  internal: 4500,
  /** The server is going away: 1001 of RFC 6455. */
  restarting: 1001,
  /** Done: 1000 of RFC 6455. */
  normal: 1000,
} as const;

/** The WebSocket subprotocol. */
export const subprotocol = 'tidemark.1';
