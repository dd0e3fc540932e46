import { type Clock } from '../clock.js';
import type { ClientMessage, ServerMessage } from '../protocol/messages.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import type { Wire } from '../transport/wire.js';
import { type Authenticate, type Authorize } from './auth/access.js';
import type { ScopeOf } from './scope/scope.js';
import type { Permit } from './uploads/permit.js';
import { type RealmSchemas } from './uploads/server-schemas.js';
import type { WriteLimits } from '../model/changeset.js';
import { type ServerEvent } from './http/server-events.js';

/**
 * The bounds of a server. Each is an option with a default.
 *
 * @example
 * ```ts
 * const server = createSyncServer({ storage: './data', limits: { realmsOpenMax: 200 } });
 * ```
 *
 * @see docs/hosting.md, "Limits"
 */
export interface ServerLimits extends WriteLimits {
  /**
   * Bytes of one frame that a client may send. The server announces them in `bound`.
   *
   * @defaultValue 8 388 608 (8 MiB)
   */
  readonly frameBytesMax: number;
  /**
   * Sessions on one connection. A further session ends with `too-many-sessions`.
   *
   * @defaultValue 1 000
   */
  readonly sessionsPerConnectionMax: number;
  /**
   * Uploads that one session may have in flight without an answer.
   *
   * @defaultValue 8
   */
  readonly pagesInFlightMax: number;
  /**
   * Bytes of downloads that one session may have in flight until the client confirms them. A client confirms after at
   * most 256 KiB or one second.
   *
   * @defaultValue 1 048 576 (1 MiB)
   */
  readonly downloadBytesInFlightMax: number;
  /**
   * Milliseconds that a stamp may be ahead of the server's clock.
   *
   * @defaultValue 86 400 000 (one day)
   */
  readonly stampAheadMsMax: number;
  /**
   * Realms that the server has open at once. For a further one it closes an idle realm, or rejects the session.
   *
   * @defaultValue 1 000
   */
  readonly realmsOpenMax: number;
  /**
   * Milliseconds in which a new connection must have bound a session.
   *
   * @defaultValue 10 000
   */
  readonly bindMsMax: number;
  /**
   * Milliseconds without a frame from a client after which the server closes its socket (4408). Must be longer than the
   * interval of the client's pings, which is 25 seconds.
   *
   * @defaultValue 150 000
   */
  readonly silenceMsMax: number;
  /**
   * Bytes that may wait until one client reads them. The server ends the socket when there are more (4429).
   *
   * @defaultValue 67 108 864 (64 MiB)
   */
  readonly socketBacklogBytesMax: number;
  /**
   * Connections from one address. Further connections are rejected with 429.
   *
   * @defaultValue 5 000
   */
  readonly connectionsPerAddressMax: number;
  /**
   * Upgrades per second from one address, with as many in a burst. Further upgrades are rejected with 429.
   *
   * @defaultValue 1 000
   */
  readonly upgradesPerSecondMax: number;
  /**
   * Binds per second on one connection, with as many in a burst. More binds end the connection (4429).
   *
   * @defaultValue 1 000
   */
  readonly bindsPerSecondMax: number;
  /**
   * Connections from one address whose token is not checked yet. Further connections are rejected with 429.
   *
   * @defaultValue 1 000
   */
  readonly unboundPerAddressMax: number;
  /**
   * Connections of one user. The sessions of a further connection end with `too-many-sessions`.
   *
   * @defaultValue 250
   */
  readonly connectionsPerUserMax: number;
  /**
   * Sessions of one user, on all connections of the user. A further session ends with `too-many-sessions`.
   *
   * @defaultValue 5 000
   */
  readonly sessionsPerUserMax: number;
  /**
   * Realms that one user has open. A session of a further realm ends with `too-many-sessions`.
   *
   * @defaultValue 250
   */
  readonly realmsPerUserMax: number;
  /**
   * Frames per second of all connections of one user; a burst may have twice as many. Above this rate the server pauses
   * reading these sockets.
   *
   * @defaultValue 5 000
   */
  readonly framesPerUserPerSecondMax: number;
  /**
   * Bytes per second of all connections of one user; a burst may have twice as many. Above this rate the server pauses
   * reading these sockets.
   *
   * @defaultValue 16 777 216 (16 MiB)
   */
  readonly bytesPerUserPerSecondMax: number;
  /**
   * Milliseconds that clients wait, at least, before they reconnect to a server that is shutting down.
   *
   * @defaultValue 1 000
   */
  readonly restartMs: number;
  /**
   * Milliseconds over which these reconnects are spread at random, after `restartMs`.
   *
   * @defaultValue 5 000
   */
  readonly restartSpreadMs: number;
  /**
   * Bytes of history by which the stored objects of a realm may lag behind it. A first download carries up to this many
   * bytes besides the objects.
   *
   * @defaultValue 1 048 576 (1 MiB)
   */
  readonly projectionLagBytesMax: number;
  /**
   * Milliseconds without a `fetch` after which the server no longer keeps a snapshot for a replica.
   *
   * @defaultValue 60 000
   */
  readonly snapshotLeaseMs: number;
  /**
   * Milliseconds that the server keeps one snapshot, however many replicas fetch it.
   *
   * @defaultValue 2 700 000 (45 minutes)
   */
  readonly snapshotHoldMsMax: number;
  /**
   * Milliseconds in which `permit` must answer. After that the client must upload again later.
   *
   * @defaultValue 10 000
   */
  readonly permitMsMax: number;
  /**
   * Rejected changesets that one replica has not acknowledged. With more, the replica must bind again.
   *
   * @defaultValue 1 000
   */
  readonly rejectionsPendingMax: number;
  /**
   * Milliseconds that an absent replica can still continue from the history. After a longer absence a replica starts
   * from a snapshot, and its unsent changes may have to be written again. Deleted objects are kept as long.
   *
   * @defaultValue 2 592 000 000 (30 days)
   */
  readonly retentionMs: number;
  /**
   * Milliseconds between two compactions of an open realm.
   *
   * @defaultValue 60 000
   */
  readonly compactionMs: number;
}

/** The server's side of one connection: maps the client's messages to the server's messages. */
export type ServerWire = Wire<ClientMessage, ServerMessage>;

/**
 * Options of `createSyncServer`.
 *
 * @example
 * ```ts
 * const options: ServerOptions = {
 *   storage: './data',
 *   authenticate: jwt({ jwks: './keys.json', audience: 'sync', issuer: 'https://login.example.com' }),
 *   authorize: (user, realm) => (realm === `user-${userPart(user.id)}` ? 'write' : 'none'),
 * };
 * ```
 */
export interface ServerOptions {
  /**
   * The storage of all data of the server. A string is a folder, in which LevelDB keeps the data. The server opens and
   * closes an `OpenStorage`; a `Storage` is already open and stays open when the server is closed.
   */
  readonly storage: string | OpenStorage | Storage;
  /**
   * Returns the user of a token. Without this option all clients are one user, and the server listens on loopback
   * addresses only.
   *
   * @defaultValue `allowAnyone`, restricted to this machine
   * @see {@link jwt} for JSON Web Tokens
   */
  readonly authenticate?: Authenticate;
  /**
   * Returns the access of a user to a realm. Required when `authenticate` is given.
   *
   * @defaultValue `() => 'write'`, if `authenticate` is omitted or is `allowAnyone`
   */
  readonly authorize?: Authorize;
  /**
   * Returns the objects of a realm that a user may see, as filters. A user with a part of a realm needs a client that
   * opens it with subscriptions. The server rejects writes of existing objects that the user may not see. `permit`
   * decides which objects a user may create, and how an object may be after a write.
   *
   * @defaultValue every user with access to a realm may see all of its objects
   * @see docs/subscriptions.md, "What a user may see"
   */
  readonly scope?: ScopeOf;
  /**
   * Decides for each object of a write whether the user may write it. If `permit` throws or errors, nothing is
   * accepted, the server logs the error, and the client tries again later.
   *
   * @defaultValue every user with `'write'` access may write every object of the realm
   */
  readonly permit?: Permit;
  /**
   * Schemas by patterns of realm names. The server rejects writes that contradict the schema of their realm.
   *
   * @defaultValue no schemas: writes are not checked against one
   */
  readonly schemas?: RealmSchemas;
  /**
   * Middleware around each connection: receives the server's `Wire` and returns a replacement, which may observe, delay
   * or end messages. Called once per connection. An error of the replacement ends the connection; a `ConnectionError`
   * with code 1006 ends it without a close frame. Middleware must bound its own buffers.
   *
   * @defaultValue none
   *
   * @param wire - The wire of the connection.
   * @returns The wire that replaces it.
   *
   * @example
   * ```ts
   * const middleware = (wire: ServerWire): ServerWire => (sent$) => wire(sent$.pipe(tap(console.log)));
   * ```
   */
  readonly middleware?: (wire: ServerWire) => ServerWire;
  /**
   * Bounds that differ from their defaults.
   *
   * @defaultValue the default of each bound
   */
  readonly limits?: Partial<ServerLimits>;
  /**
   * Source of time and chance, for tests.
   *
   * @defaultValue `systemClock`
   */
  readonly clock?: Clock;
  /**
   * Receives the server's log events. An error that it throws is ignored.
   *
   * @param event - The event: switch on its `event`.
   *
   * @defaultValue events of the level `error` are printed with `console.error`, at most one per second
   */
  readonly log?: (event: ServerEvent) => void;
}
