import fc from 'fast-check';
import { EMPTY, NEVER, type Observable } from 'rxjs';
import {
  ClientResetError,
  CompensatingWriteError,
  StalledError,
  SyncError,
  type AnySyncError,
} from '../../../lib/model/errors.js';
import { syncErrors, type SyncErrorCode } from '../../../lib/model/error-catalogue.js';
import { wireErrorCodes } from '../../../lib/protocol/messages.js';
import type { Progress } from '../../../lib/session/api/progress.js';
import type { Recordable } from '../../../lib/session/recording/record.js';
import type {
  ConnectionState,
  ConnectionStatus,
  Reason,
  SyncState,
  SyncStatus,
} from '../../../lib/session/state/status.js';
import type { MarbleHelpers } from '../../../lib/testing/marbles.js';

/* Sessions to record: scripted ones, and random ones with any values. */
export const idleConnection: ConnectionStatus = {
  state: 'disconnected',
  reason: { kind: 'idle' },
  attempt: 0,
  retryAt: null,
};

export const createStatus = (differing: Partial<SyncStatus> = {}): SyncStatus => ({
  sync: 'active',
  connection: idleConnection,
  pending: { changesets: 0, bytes: 0 },
  downloaded: { version: 0, behind: null },
  lastSyncedAt: null,
  stalledSince: null,
  ...differing,
});

/** Creates a session with only these streams; the others are silent. */
export const createRecordable = (streams: Partial<Recordable>): Recordable => ({
  connectionState$: NEVER,
  syncState$: NEVER,
  status$: NEVER,
  progress$: () => NEVER,
  errors$: NEVER,
  ...streams,
});

/** A stream of a random session: values, each with the milliseconds before it, and the end. */
export interface Script<T> {
  readonly steps: readonly (readonly [wait: number, value: T])[];
  readonly end: 'complete' | 'error' | 'never';
}

export interface RandomSession {
  readonly connection: Script<ConnectionState>;
  readonly sync: Script<SyncState>;
  readonly status: Script<SyncStatus>;
  readonly upload: Script<Progress>;
  readonly download: Script<Progress>;
  readonly errors: Script<AnySyncError>;
}

/** Many values at one moment, consecutive moments, and moments far apart: the difficult cases for diagrams. */
const anyWait = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 7 }) },
  { weight: 2, arbitrary: fc.integer({ min: 8, max: 5_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(6_000, 60_000, 66_000, 61_234, 3_600_000) },
);

const anyScript = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Script<T>> =>
  fc.record({
    steps: fc.array(fc.tuple(anyWait, value), { maxLength: 40 }),
    end: fc.constantFrom('complete', 'error', 'never', 'never'),
  });

const count = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.maxSafeNat());
/** Milliseconds since the epoch, before and after the beginning of a test. */
const time = fc.integer({ min: -10_000_000, max: 10_000_000 });

const serverCode = fc.constantFrom(...wireErrorCodes, 'other');
const reason: fc.Arbitrary<Reason> = fc.oneof(
  fc.constantFrom('idle', 'paused', 'closed', 'logged-out', 'token-expired').map((kind): Reason => ({ kind })),
  fc.constant<Reason>({ kind: 'unreachable', detail: '' }),
  fc.constantFrom('connect', 'bind', 'read', 'probe', 'stall').map((what): Reason => ({ kind: 'timed-out', what })),
  fc.integer({ min: 1000, max: 4999 }).map((code): Reason => ({ kind: 'closed-by-server', code, text: '' })),
  serverCode.map((code): Reason => ({ kind: 'server-error', code, text: '' })),
  serverCode.map((code): Reason => ({ kind: 'suspended', code, text: '' })),
  fc.constantFrom(...(Object.keys(syncErrors) as SyncErrorCode[])).map((code): Reason => ({ kind: 'failed', code })),
);

const connection: fc.Arbitrary<ConnectionStatus> = fc.oneof(
  fc.record({ state: fc.constant('disconnected'), reason, attempt: count, retryAt: fc.option(time) }),
  fc.record({ state: fc.constant('connecting'), attempt: count }),
  fc.record({ state: fc.constant('connected'), since: time, roundTripMs: fc.option(fc.nat(100_000)) }),
);

const syncs = fc.constantFrom<SyncState[]>('active', 'dying', 'inactive', 'waitingForAccessToken', 'paused');

const status: fc.Arbitrary<SyncStatus> = fc.record({
  sync: syncs,
  connection,
  pending: fc.record({ changesets: count, bytes: count }),
  downloaded: fc.record({ version: count, behind: fc.option(count) }),
  lastSyncedAt: fc.option(time),
  stalledSince: fc.option(time),
});

const progress: fc.Arbitrary<Progress> = fc.record({
  transferredBytes: count,
  transferableBytes: count,
  transferredChangesets: count,
  transferableChangesets: fc.option(count),
  estimate: fc.oneof(
    fc.constantFrom(0, 1),
    fc.integer({ min: 0, max: 9_999 }).map((share) => share / 10_000),
  ),
});

const error: fc.Arbitrary<AnySyncError> = fc.oneof(
  fc
    .constantFrom('connection-failed' as const, 'suspended' as const, 'storage' as const)
    .map((code): AnySyncError => new SyncError(code, '')),
  time.map((since) => new StalledError(since)),
  count.map((version) => new CompensatingWriteError(version, [])),
  fc.constantFrom('manual' as const, 'again' as const).map((why) => new ClientResetError('', why, () => EMPTY)),
);

export const anySession: fc.Arbitrary<RandomSession> = fc.record({
  connection: anyScript(fc.constantFrom<ConnectionState[]>('disconnected', 'connecting', 'connected')),
  sync: anyScript(syncs),
  status: anyScript(status),
  upload: anyScript(progress),
  download: anyScript(progress),
  errors: anyScript(error),
});

/** Returns the time of the last event of a script. */
export const durationOf = ({ steps }: Script<unknown>): number => steps.reduce((sum, [ms]) => sum + ms, 0);

const streamOf = <T>({ cold }: MarbleHelpers, { steps, end }: Script<T>): Observable<T> => {
  let at = 0;
  const messages = steps.map(([ms, value]) => {
    at += ms;
    return { frame: at, notification: { kind: 'N' as const, value } };
  });
  const stream = cold<T>('');
  stream.messages.push(...messages);
  if (end === 'complete') stream.messages.push({ frame: at, notification: { kind: 'C' } });
  if (end === 'error') stream.messages.push({ frame: at, notification: { kind: 'E', error: new Error('secret') } });
  return stream;
};

export const createRandomSession = (m: MarbleHelpers, random: RandomSession): Recordable => {
  const progress$ = { upload: streamOf(m, random.upload), download: streamOf(m, random.download) };
  return {
    connectionState$: streamOf(m, random.connection),
    syncState$: streamOf(m, random.sync),
    status$: streamOf(m, random.status),
    progress$: ({ direction }) => progress$[direction],
    errors$: streamOf(m, random.errors),
  };
};
