import { concat, defer, distinctUntilChanged, filter, map, type Observable, takeWhile, throwError } from 'rxjs';
import { type CompensatingWriteError, InvalidArgumentError } from '../../model/errors.js';
import { isCount, type Version } from '../../model/version.js';
import type { SessionStore } from '../state/session-store.js';
import type { SessionState } from '../state/session-state.js';
import { throwIfInterrupted, throwIfDiscarded, createSessionOverError } from './completion.js';

/**
 * A stage of a write on its path to the server.
 *
 * @example
 * ```ts
 * const textOf = (stage: WriteStage) => (stage.state === 'rejected' ? stage.error.message : stage.state);
 * ```
 */
export type WriteStage =
  /** The write is durable on this device. */
  | { readonly state: 'saved' }
  /** The write was sent since the session began. The server has not confirmed it. */
  | { readonly state: 'sent' }
  /** The write is durable on the server, and the acknowledgement is stored on this device. */
  | { readonly state: 'accepted' }
  /** The server rejected the write, and it was rolled back on this device. */
  | { readonly state: 'rejected'; readonly error: CompensatingWriteError };

const stageOrder: readonly WriteStage['state'][] = ['saved', 'sent', 'accepted', 'rejected'];
const isLater = (now: WriteStage, before: WriteStage): boolean =>
  stageOrder.indexOf(now.state) > stageOrder.indexOf(before.state);
const isFinal = ({ state }: WriteStage): boolean => state === 'accepted' || state === 'rejected';

const stageOf = (counted: Version, state: SessionState): WriteStage | null => {
  const { outbox, sent, rejected, versionShift } = state;
  const version = counted - versionShift.shift;
  throwIfDiscarded(state, counted);
  if (version <= outbox.acknowledged) {
    const error = rejected.find((each) => each.version === version);
    return error ? { state: 'rejected', error } : { state: 'accepted' };
  }
  if (version > outbox.written) return null;
  return version <= sent ? { state: 'sent' } : { state: 'saved' };
};

/**
 * Emits the stages of the write with this version.
 *
 * Cold. Emits the current stage on subscription, then each later one, `accepted` or `rejected` last. Emits nothing
 * while the version is not written yet. A write that was sent before a disconnect stays `sent`. Completes after the
 * last stage. Errors when the session ends before, and with a `SyncError` when a client reset discards the write.
 *
 * @throws {InvalidArgumentError} The version is not a whole number from 1.
 */
export const observeWrite = (store: SessionStore, version: Version): Observable<WriteStage> => {
  if (!isCount(version) || version < 1) throw new InvalidArgumentError('version', 'a whole number from 1', version);
  return defer(() => {
    const { interruption, versionShift } = store.getState();
    const counted = version + versionShift.shift; // A client reset gives the write another version.
    const all$ = concat(
      store.state$,
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
