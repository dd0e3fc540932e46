import { concat, defer, distinctUntilChanged, filter, map, type Observable, takeWhile, throwError } from 'rxjs';
import { type CompensatingWriteError, InvalidArgumentError } from '../../model/errors.js';
import { isCount, type Version } from '../../model/version.js';
import type { SessionStore } from '../state/session-store.js';
import type { SessionState } from '../state/session-state.js';
import { throwIfInterrupted, throwIfDiscarded, createSessionOverError } from './completion.js';

/** Where a write is on its way up. */
export type WriteStage =
  /** Durable on this device. */
  | { readonly state: 'saved' }
  /** Put on a line since the session began. Nobody has said that it arrived. */
  | { readonly state: 'sent' }
  /** Durable on the server, and the acknowledgement is stored here. */
  | { readonly state: 'accepted' }
  /** The server did not take it, and it has been taken back here. */
  | { readonly state: 'refused'; readonly error: CompensatingWriteError };

const stageOrder: readonly WriteStage['state'][] = ['saved', 'sent', 'accepted', 'refused'];
const isLater = (now: WriteStage, before: WriteStage): boolean =>
  stageOrder.indexOf(now.state) > stageOrder.indexOf(before.state);
const isFinal = ({ state }: WriteStage): boolean => state === 'accepted' || state === 'refused';

const stageOf = (counted: Version, state: SessionState): WriteStage | null => {
  const { outbox, sent, rejected, versionShift } = state;
  const version = counted - versionShift.shift;
  throwIfDiscarded(state, counted);
  if (version <= outbox.acknowledged) {
    const error = rejected.find((each) => each.version === version);
    return error ? { state: 'refused', error } : { state: 'accepted' };
  }
  if (version > outbox.written) return null;
  return version <= sent ? { state: 'sent' } : { state: 'saved' };
};

/**
 * One write on its way up, by the version that `realm.write` gave: where it is now, on subscription, then each stage it
 * reaches, `accepted` or `refused` last; then it completes. Silent for a version that is not written yet. What was sent
 * before a drop stays `sent`. Errors like a wait when the session ends before, and with a `SyncError` when a reset
 * discards it. Cold. Throws an `InvalidArgumentError` for what is no version.
 */
export const observeWrite = (machine: SessionStore, version: Version): Observable<WriteStage> => {
  if (!isCount(version) || version < 1) throw new InvalidArgumentError('version', 'a version from 1', version);
  return defer(() => {
    const { interruption, versionShift } = machine.getState();
    const counted = version + versionShift.shift; // A reset meanwhile gives it another number.
    const all$ = concat(
      machine.state$,
      throwError(() => createSessionOverError()),
    );
    return all$.pipe(
      map((state) => {
        const stage = stageOf(counted, state);
        if (stage === null || !isFinal(stage)) throwIfInterrupted(state, interruption.times);
        return stage;
      }),
      filter((stage) => stage !== null),
      distinctUntilChanged((before, now) => !isLater(now, before)),
      takeWhile((stage) => !isFinal(stage), true),
    );
  });
};
