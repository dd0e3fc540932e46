import { openFolder } from '#server/folder-storage';
import { isObservable } from 'rxjs';
import { systemClock } from '../clock.js';
import { checkClock, checkFunction, createStorageArgumentError } from '../model/check-arguments.js';
import { InvalidArgumentError } from '../model/errors.js';
import { serverLimits } from './server-limits.js';
import { checkNumber, checkOptions, limits as defaults } from '../model/limits.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import { allowAnyone, type Authorize } from './auth/access.js';
import type { ScopeOf } from './scope/scope.js';
import type { Permit } from './uploads/permit.js';
import { checkSchemas, type SchemaOf } from './uploads/server-schemas.js';
import { catchLogErrors, createDefaultLog, type ServerLog } from './http/server-events.js';
import type { ServerLimits, ServerWire, ServerOptions } from './server-options.js';

/** Options after the check: every default is filled in. */
export interface CheckedServerOptions extends Required<
  Omit<ServerOptions, 'limits' | 'storage' | 'scope' | 'permit' | 'middleware' | 'schemas'>
> {
  /** `null` if the option was omitted: all objects of a realm are visible. */
  readonly scope: ScopeOf | null;
  /** `null` if the option was omitted. */
  readonly permit: Permit | null;
  readonly schemaOf: SchemaOf;
  readonly middleware: ((wire: ServerWire) => ServerWire) | null;
  readonly storage: OpenStorage | Storage;
  readonly limits: ServerLimits;
  /** Whether clients on other machines may connect. */
  readonly isRemoteAllowed: boolean;
}

const optionNames = [
  'storage',
  'authenticate',
  'authorize',
  'scope',
  'permit',
  'schemas',
  'middleware',
  'limits',
  'clock',
  'log',
] as const;

/** Smallest and largest accepted value of each limit. A frame must hold a page. */
const limitRanges = {
  frameBytesMax: [2 * defaults.pageBytesMax, 2 ** 30],
  changesetBytesMax: [1_024, defaults.changesetBytesMax],
  operationsMax: [1, defaults.operationsMax],
  valuesMax: [100, defaults.valuesMax],
  elementsMax: [1, defaults.elementsMax],
  objectBytesMax: [1_024, defaults.objectBytesMax],
  sessionsPerConnectionMax: [1, 1_000_000],
  pagesInFlightMax: [1, 1_000],
  downloadBytesInFlightMax: [2 * defaults.receiptBytesMax, 2 ** 30],
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
  rejectionsPendingMax: [1, 1_000_000],
  retentionMs: [60_000, Number.MAX_SAFE_INTEGER],
  compactionMs: [1, defaults.timerMsMax],
} as const satisfies Record<keyof ServerLimits, readonly [number, number]>;

const limitNames = Object.keys(limitRanges) as (keyof ServerLimits)[];

/** Bytes of a frame that are reserved for the parts of a message around a changeset. */
const frameOverheadBytes = 64 * 1024;

const checkLimits = (given: Partial<ServerLimits>): ServerLimits => {
  checkOptions('limits', given, limitNames);
  const allDefaults = { ...defaults, ...serverLimits };
  const limit = (name: keyof ServerLimits): number => {
    const [least, most] = limitRanges[name];
    return given[name] === undefined ? allDefaults[name] : checkNumber(`limits.${name}`, given[name], least, most);
  };
  const all = Object.fromEntries(limitNames.map((name) => [name, limit(name)])) as Record<keyof ServerLimits, number>;
  const fittingBytes = all.frameBytesMax - frameOverheadBytes;
  return { ...all, changesetBytesMax: Math.min(all.changesetBytesMax, fittingBytes) };
};

const isStorage = (value: unknown): value is Storage => {
  const { range, batch, close } = (value ?? {}) as Partial<Record<keyof Storage, unknown>>;
  return typeof range === 'function' && typeof batch === 'function' && typeof close === 'function';
};

const checkStorage = (storage: unknown, log: ServerLog): OpenStorage | Storage => {
  if (typeof storage === 'string' && storage.trim() !== '') return openFolder(storage, log);
  if (isStorage(storage)) return storage;
  if (isObservable(storage)) return storage as OpenStorage;
  throw createStorageArgumentError('a folder, a Storage or an OpenStorage', storage);
};

const checkOptionalFunction = <F>(argument: string, value: F | undefined, fallback: F): F =>
  value === undefined ? fallback : checkFunction(argument, value);

/**
 * Checks all options and fills in defaults, before anything is opened.
 *
 * @throws {@link InvalidArgumentError} for the first invalid option
 */
export const checkServerOptions = (options: ServerOptions): CheckedServerOptions => {
  checkOptions('options of createSyncServer', options, optionNames);
  const {
    authenticate,
    authorize,
    scope,
    permit,
    schemas,
    middleware,
    clock = systemClock,
    limits = {},
    log,
  } = options;
  if (authorize === undefined && authenticate !== undefined && authenticate !== allowAnyone) {
    throw new InvalidArgumentError(
      'authorize',
      "a function when authenticate is given (to let all users write: () => 'write')",
      authorize,
    );
  }
  const safeLog = catchLogErrors(
    checkOptionalFunction(
      'log',
      log,
      createDefaultLog(() => clock.now()),
    ),
  );
  return {
    storage: checkStorage(options.storage, safeLog),
    authenticate: checkOptionalFunction('authenticate', authenticate, allowAnyone),
    authorize: checkOptionalFunction<Authorize>('authorize', authorize, () => 'write'),
    schemaOf: checkSchemas(schemas),
    scope: scope === undefined ? null : checkFunction('scope', scope),
    permit: permit === undefined ? null : checkFunction('permit', permit),
    middleware: middleware === undefined ? null : checkFunction('middleware', middleware),
    limits: checkLimits(limits),
    clock: checkClock(clock),
    log: safeLog,
    isRemoteAllowed: authenticate !== undefined,
  };
};
