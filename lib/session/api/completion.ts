import { defer, filter, map, type Observable, of, take, throwError, throwIfEmpty } from 'rxjs';
import { SessionClosedError, SyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { SessionStore } from '../state/session-store.js';
import type { SessionState } from '../state/session-state.js';

/**
 * Emits the first answer that is not `null`, and completes.
 *
 * Errors with the error that ended the waits, when they were ended more often than `times`.
 */
const waitForAnswer = (
  { state$ }: SessionStore,
  times: number,
  answer: (state: SessionState) => Version | null,
): Observable<Version> =>
  state$.pipe(
    map((state) => {
      const answered = answer(state);
      if (answered === null) throwIfInterrupted(state, times);
      return answered;
    }),
    filter((answered) => answered !== null),
    take(1),
    throwIfEmpty(createSessionOverError),
  );

/** Throws the error that ended the waits, when they were ended more often than `times`. */
export const throwIfInterrupted = ({ interruption }: SessionState, times: number): void => {
  if (interruption.by !== null && interruption.times > times) throw interruption.by;
};

/** Throws when a client reset discarded a write. `counted`: the version that the write would have without resets. */
export const throwIfDiscarded = ({ versionShift }: SessionState, counted: Version): void => {
  if (counted > versionShift.lostFrom && counted <= versionShift.lostTo)
    throw new SyncError(
      'history-changed',
      'A client reset discarded the changes, because the server has another history.',
    );
};

export const createSessionOverError = (): SessionClosedError =>
  new SessionClosedError('The session has ended. Open the realm again.');

/**
 * Emits the client version reached, when the server has stored everything that was written before the subscription.
 *
 * The acknowledgement is then stored on this device, too. Emits once and completes, synchronously when there is nothing
 * to wait for. A client reset that recovers does not end the wait, and numbers the writes from 1. A client reset that
 * discards ends the wait with a `SyncError`. Cold: each subscription is its own wait.
 */
export const waitForUpload = (store: SessionStore): Observable<Version> =>
  defer(() => {
    const { outbox: before, interruption, versionShift: shiftBefore } = store.getState();
    const goal = shiftBefore.shift + before.written;
    if (before.acknowledged >= before.written) return of(before.acknowledged);
    return waitForAnswer(store, interruption.times, (state) => {
      const { outbox, versionShift } = state;
      throwIfDiscarded(state, goal);
      return versionShift.shift + outbox.acknowledged >= goal ? outbox.acknowledged : null;
    });
  });

/**
 * Emits the server version reached, when everything the server had when it read a mark is stored and visible here.
 *
 * The mark is sent after the subscription, which takes one round trip. Emits once and completes. Cold: each
 * subscription is its own wait.
 */
export const waitForDownload = (store: SessionStore): Observable<Version> =>
  defer(() => {
    const { released, interruption } = store.getState();
    if (released) return throwError(() => createSessionOverError());
    store.dispatch({ type: 'markWanted' }); // The answer, or the end of the session, may come synchronously.
    const { wanted } = store.getState().marks;
    return waitForAnswer(store, interruption.times, ({ marks, downloaded }) =>
      marks.answered >= wanted ? downloaded.version : null,
    );
  });
