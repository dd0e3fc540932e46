import { type ErrorRecord, errorOf, toErrorRecord } from '../../model/error-record.js';
import type { CompensatingWriteError, SyncError } from '../../model/errors.js';
import { isRecord } from '../../model/value.js';
import { isCount } from '../../model/version.js';
import type { SessionEndError } from '../state/session-events.js';
import type { SessionState } from '../state/session-state.js';
import { transitions } from '../state/transitions.js';

/** The state of a session as a record that can be cloned. */
export type SessionRecord = Readonly<Record<string, unknown>>;

const toErrorOrNull = (error: Error | null): ErrorRecord | null => error && toErrorRecord(error);

export const toSessionRecord = (state: SessionState): SessionRecord => ({
  ...state,
  rejected: state.rejected.map(toErrorRecord),
  interruption: { times: state.interruption.times, by: toErrorOrNull(state.interruption.by) },
  trouble: toErrorOrNull(state.trouble),
});

const connectionStates = ['disconnected', 'connecting', 'connected'];

const hasCounts = (record: unknown, ...names: readonly string[]): boolean =>
  isRecord(record) && names.every((name) => isCount(record[name]));

/** Whether a transfer has its numbers. `ofChangesets` may be unknown. */
const isTransfer = (record: unknown): boolean => hasCounts(record, 'bytes', 'ofBytes', 'changesets', 'from');

/** Unanswered waits for downloads of one realm. Each is asked for again when the leader changes. */
const waitsMax = 100_000;

const hasMarks = (record: unknown): boolean =>
  isRecord(record) &&
  hasCounts(record, 'wanted', 'answered') &&
  Number(record['wanted']) - Number(record['answered']) <= waitsMax;

/** Whether a value from another tab is the record of a state. */
export const isSessionRecord = (record: unknown): record is SessionRecord => {
  if (!isRecord(record)) return false;
  const { sync, connection, outbox, downloaded, transfers, marks, interruption, versionShift, stall, rejected } =
    record;
  return (
    Object.hasOwn(transitions, String(sync)) &&
    isRecord(connection) &&
    connectionStates.includes(String(connection['state'])) &&
    (connection['state'] !== 'disconnected' || isRecord(connection['reason'])) &&
    hasCounts(outbox, 'written', 'acknowledged', 'acknowledgedBytes', 'changesets', 'bytes') &&
    hasCounts(downloaded, 'version') &&
    isRecord(transfers) &&
    isTransfer(transfers['upload']) &&
    (transfers['download'] === null || isTransfer(transfers['download'])) &&
    hasMarks(marks) &&
    hasCounts(interruption, 'times') &&
    hasCounts(versionShift, 'shift', 'lostFrom', 'lostTo') &&
    hasCounts(stall, 'times') &&
    hasCounts(record, 'sent', 'largestSentBytes', 'leaveCount') &&
    Array.isArray(rejected)
  );
};

/** The error of a record. A leader of the same version sends only errors of the class that the caller names. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a cast, which names what it assumes
export const errorAs = <E extends Error>(record: unknown): E => errorOf(record) as unknown as E;

/** Returns the state of a record that was checked. */
export const sessionStateOf = (record: SessionRecord): SessionState => {
  const state = record as unknown as SessionState;
  const { times, by } = state.interruption;
  return {
    ...state,
    rejected: state.rejected.map((each) => errorAs<CompensatingWriteError>(each)),
    interruption: { times, by: by && errorAs<SessionEndError>(by) },
    trouble: state.trouble && errorAs<SyncError>(state.trouble),
  };
};
