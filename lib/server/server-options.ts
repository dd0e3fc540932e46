import { isObservable, tap } from 'rxjs';
import { systemClock, type Clock } from '../clock.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkNumber, checkOptions, limits as defaults } from '../model/limits.js';
import { levelStorage } from '../storage/level.js';
import { sharedModeOf } from '../storage/folder-identity.js';
import type { ClientMessage, ServerMessage } from '../protocol/messages.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import type { Wire } from '../transport/wire.js';
import { allowAnyone, type Authenticate, type Authorize } from './auth/access.js';
import type { Permit } from './uploads/permit.js';
import { checkSchemas, type RealmSchemas, type SchemaOf } from './uploads/server-schemas.js';
import type { WriteLimits } from '../model/changeset.js';
import { catchLogErrors, type ServerEvent, type ServerLog } from './http/server-events.js';

/** The bounds of a server; each has a default in `model/limits.ts`, with its reason. */
export interface ServerLimits extends WriteLimits {
  /** Bytes of one frame, as the server tells its clients. */
  readonly frameBytesMax: number;
  readonly sessionsPerConnectionMax: number;
  /** Pages on their way without an answer, each way and session. */
  readonly pagesInFlightMax: number;
  /** Milliseconds that a stamp may be ahead of the server's clock. */
  readonly stampAheadMsMax: number;
  readonly realmsOpenMax: number;
  /** Milliseconds in which a new connection has to have bound a session. */
  readonly bindMsMax: number;
  /**
   * Milliseconds without a frame of a client after which its socket is closed (4408): more than the period of its
   * pings.
   */
  readonly silenceMsMax: number;
  /** Bytes that wait to be read by one client; more end its socket (4429). */
  readonly socketBacklogBytesMax: number;
  /** Connections from one address; one more is refused with 429. */
  readonly connectionsPerAddressMax: number;
  /** Upgrades a second from one address, and as many at once; more are refused with 429. */
  readonly upgradesPerSecondMax: number;
  /** Binds a second on one connection, and as many at once; more end it with 4429. */
  readonly bindsPerSecondMax: number;
  /** Connections from one address whose token was not checked yet; one more is refused with 429. */
  readonly unboundPerAddressMax: number;
  /** Connections of one user; the sessions of one more are told `too-many-sessions`. */
  readonly connectionsPerUserMax: number;
  /** Sessions of one user, on all his connections; one more is told `too-many-sessions`. */
  readonly sessionsPerUserMax: number;
  /** Realms that one user has open; one more is told `too-many-sessions`. */
  readonly realmsPerUserMax: number;
  /** Frames a second of all connections of one user, and twice as many at once; then they are not read for a while. */
  readonly framesPerUserPerSecondMax: number;
  /** Bytes a second of all connections of one user, and twice as many at once; then they are not read for a while. */
  readonly bytesPerUserPerSecondMax: number;
  /** Milliseconds after which clients of a server that goes away call again, at the earliest. */
  readonly restartMs: number;
  /** Milliseconds over which they are spread after that, at random. */
  readonly restartSpreadMs: number;
  /** Bytes of history that the objects of a realm may lag behind it: what a first download carries besides them. */
  readonly projectionLagBytesMax: number;
  /** Milliseconds without a fetch after which a snapshot is not kept for its replica any more. */
  readonly snapshotLeaseMs: number;
  /** Milliseconds that one snapshot is kept for all who fetch it. */
  readonly snapshotHoldMsMax: number;
  /** Milliseconds that `permit` has for an answer; then the upload is told to try again later. */
  readonly permitMsMax: number;
  /** Refused changesets of one replica that it has not acknowledged; with more, it has to bind again. */
  readonly refusalsPendingMax: number;
  /**
   * Milliseconds since it was last seen in which a replica is sent the changes that it lacks. Then it starts from a
   * snapshot, and changes that it wrote before may have to be written again.
   */
  readonly retentionMs: number;
  /** Milliseconds between two looks at what a realm may let go of. */
  readonly upkeepMs: number;
}

/** The server's end of a line: hears what a client says, and answers it. */
export type ServerWire = Wire<ClientMessage, ServerMessage>;

export interface ServerOptions {
  /**
   * Where everything is kept. A directory: LevelDB there. Or something that opens a storage, which the server then
   * closes; or an open storage of your own, which stays open.
   */
  readonly storage: string | OpenStorage | Storage;
  /** Says whose a token is. Left out: everybody is one user, and the server listens on this machine only. */
  readonly authenticate?: Authenticate;
  /**
   * Says what a user may do with a realm. May be left out only together with `authenticate`: then everybody may write.
   */
  readonly authorize?: Authorize;
  /**
   * Says whether a write may be, object by object. Left out: who may write to a realm may write everything in it. What
   * it throws, or errors with, is a failure of the server's: the client tries again later, and nothing was accepted.
   */
  readonly permit?: Permit;
  /**
   * Schemas by patterns of realm names. A write that contradicts its realm's schema is rejected. Left out: every write
   * is taken.
   */
  readonly schemas?: RealmSchemas;
  /**
   * Stands between each socket and the server: is given what answers one line, and gives what answers it instead: it
   * may watch, hold up or end what passes, and is asked once for each line. Errors end the line, a `ConnectionError` of
   * 1006 without a close frame. What it keeps is its own to bound. Left out: nothing.
   */
  readonly middleware?: (wire: ServerWire) => ServerWire;
  readonly limits?: Partial<ServerLimits>;
  readonly clock?: Clock;
  /** Is told what its owner may want to know; silence by default. */
  readonly log?: (event: ServerEvent) => void;
}

/** Options with nothing left open. */
export interface CheckedServerOptions extends Required<
  Omit<ServerOptions, 'limits' | 'storage' | 'permit' | 'middleware' | 'schemas'>
> {
  /** `null`: none was given. */
  readonly permit: Permit | null;
  readonly schemaOf: SchemaOf;
  readonly middleware: ((wire: ServerWire) => ServerWire) | null;
  readonly storage: OpenStorage | Storage;
  readonly limits: ServerLimits;
  /** Whether this server may be called from other machines. */
  readonly isRemoteAllowed: boolean;
}

const optionNames = [
  'storage',
  'authenticate',
  'authorize',
  'permit',
  'schemas',
  'middleware',
  'limits',
  'clock',
  'log',
] as const;

/** The least and the most of each limit. A frame has to hold a page. */
const limitRanges = {
  frameBytesMax: [2 * defaults.pageBytesMax, 2 ** 30],
  changesetBytesMax: [1_024, defaults.changesetBytesMax],
  operationsMax: [1, defaults.operationsMax],
  valuesMax: [100, defaults.valuesMax],
  elementsMax: [1, defaults.elementsMax],
  objectBytesMax: [1_024, defaults.objectBytesMax],
  sessionsPerConnectionMax: [1, 1_000_000],
  pagesInFlightMax: [1, 1_000],
  stampAheadMsMax: [0, Number.MAX_SAFE_INTEGER],
  realmsOpenMax: [1, 1_000_000],
  bindMsMax: [1, defaults.timerMsMax],
  silenceMsMax: [1, defaults.timerMsMax],
  socketBacklogBytesMax: [2 * defaults.pageBytesMax, Number.MAX_SAFE_INTEGER],
  connectionsPerAddressMax: [1, 1_000_000],
  upgradesPerSecondMax: [1, 1_000_000],
  bindsPerSecondMax: [1, 1_000_000],
  unboundPerAddressMax: [1, 1_000_000],
  connectionsPerUserMax: [1, 1_000_000],
  sessionsPerUserMax: [1, 10_000_000],
  realmsPerUserMax: [1, 1_000_000],
  framesPerUserPerSecondMax: [10, 10_000_000],
  bytesPerUserPerSecondMax: [defaults.pageBytesMax, Number.MAX_SAFE_INTEGER],
  restartMs: [0, defaults.timerMsMax],
  restartSpreadMs: [0, defaults.timerMsMax],
  projectionLagBytesMax: [1_024, 2 ** 30],
  snapshotLeaseMs: [1, Number.MAX_SAFE_INTEGER],
  snapshotHoldMsMax: [1, Number.MAX_SAFE_INTEGER],
  permitMsMax: [1, defaults.timerMsMax],
  refusalsPendingMax: [1, 1_000_000],
  retentionMs: [60_000, Number.MAX_SAFE_INTEGER],
  upkeepMs: [1, defaults.timerMsMax],
} as const satisfies Record<keyof ServerLimits, readonly [number, number]>;

const limitNames = Object.keys(limitRanges) as (keyof ServerLimits)[];

/** Room in a frame for what is around a changeset. */
const frameOverheadBytes = 64 * 1024;

const checkLimits = (given: Partial<ServerLimits>): ServerLimits => {
  checkOptions('limits', given, limitNames);
  const limit = (name: keyof ServerLimits): number => {
    const [least, most] = limitRanges[name];
    return given[name] === undefined ? defaults[name] : checkNumber(`limits.${name}`, given[name], least, most);
  };
  const all = Object.fromEntries(limitNames.map((name) => [name, limit(name)])) as Record<keyof ServerLimits, number>;
  const fitting = all.frameBytesMax - frameOverheadBytes;
  return { ...all, changesetBytesMax: Math.min(all.changesetBytesMax, fitting) };
};

const isStorage = (value: unknown): value is Storage => {
  const { range, batch, close } = (value ?? {}) as Partial<Record<keyof Storage, unknown>>;
  return typeof range === 'function' && typeof batch === 'function' && typeof close === 'function';
};

/** A database in a folder, whose owner is told when others may look into it. */
const openFolder = (folder: string, log: ServerLog): OpenStorage =>
  levelStorage(folder).pipe(
    tap(() => {
      const mode = sharedModeOf(folder);
      if (mode !== null) log({ level: 'warn', event: 'readable-by-others', folder, mode });
    }),
  );

const checkStorage = (storage: unknown, log: ServerLog): OpenStorage | Storage => {
  if (typeof storage === 'string' && storage.trim() !== '') return openFolder(storage, log);
  if (isStorage(storage)) return storage;
  if (isObservable(storage)) return storage as OpenStorage;
  throw new InvalidArgumentError('storage', 'a directory, a storage, or something that opens one', storage);
};

const checkFunction = <F>(argument: string, value: F | undefined, fallback: F): F => {
  if (value === undefined) return fallback;
  if (typeof value === 'function') return value;
  throw new InvalidArgumentError(argument, 'a function', value);
};

const isClock = (value: unknown): value is Clock => {
  const { scheduler, random, now } = (value ?? {}) as Partial<Record<keyof Clock, unknown>>;
  const { schedule } = (scheduler ?? {}) as { schedule?: unknown };
  return typeof schedule === 'function' && typeof random === 'function' && typeof now === 'function';
};

const checkClock = (clock: unknown): Clock => {
  if (isClock(clock)) return clock;
  throw new InvalidArgumentError('clock', '{ scheduler, random, now }', clock);
};

/** Refuses options that make no sense, with an `InvalidArgumentError`, before anything is opened. */
export const checkServerOptions = (options: ServerOptions): CheckedServerOptions => {
  checkOptions('options', options, optionNames);
  const { authenticate, authorize, permit, schemas, middleware, clock = systemClock, limits = {}, log } = options;
  if (authorize === undefined && authenticate !== undefined && authenticate !== allowAnyone) {
    throw new InvalidArgumentError(
      'authorize',
      'a function, because authenticate is given (for all to write: () => "write")',
      authorize,
    );
  }
  const tell = catchLogErrors(checkFunction('log', log, () => undefined));
  return {
    storage: checkStorage(options.storage, tell),
    authenticate: checkFunction('authenticate', authenticate, allowAnyone),
    authorize: checkFunction<Authorize>('authorize', authorize, () => 'write'),
    schemaOf: checkSchemas(schemas),
    permit: permit === undefined ? null : checkFunction('permit', permit, permit),
    middleware: middleware === undefined ? null : checkFunction('middleware', middleware, middleware),
    limits: checkLimits(limits),
    clock: checkClock(clock),
    log: tell,
    isRemoteAllowed: authenticate !== undefined,
  };
};
