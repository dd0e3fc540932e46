import { defer, filter, map, type Observable, of, take, throwError, throwIfEmpty } from 'rxjs';
import { SessionClosedError, SyncError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { SessionStore } from '../state/session-store.js';
import type { SessionState } from '../state/session-state.js';

/**
 * A question asked of the state: emits its first answer that is not `null` and completes; errors with what broke the
 * waits since they had been broken so many times.
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

/** Throws what broke the waits since they had been broken so many times. */
export const throwIfInterrupted = ({ interruption }: SessionState, times: number): void => {
  if (interruption.by !== null && interruption.times > times) throw interruption.by;
};

/** Throws when a write, counted as if there had been no resets, was thrown away by one. */
export const throwIfDiscarded = ({ versionShift }: SessionState, counted: Version): void => {
  if (counted > versionShift.lostFrom && counted <= versionShift.lostTo)
    throw new SyncError(
      'history-changed',
      'What was written was discarded: the realm started over with another history.',
    );
};

export const createSessionOverError = (): SessionClosedError => new SessionClosedError('The session is over.');

/**
 * Emits the client version reached, once, and completes, when everything written before the subscription is durable on
 * the server and the acknowledgement is stored here; at once when it already is. A reset that recovers does not end it,
 * and numbers writes from 1; one that discards does, with a `SyncError`. Cold: each subscription is its own wait.
 */
export const waitForUpload = (machine: SessionStore): Observable<Version> =>
  defer(() => {
    const { outbox: before, interruption, versionShift: had } = machine.getState();
    const goal = had.shift + before.written;
    if (before.acknowledged >= before.written) return of(before.acknowledged);
    return waitForAnswer(machine, interruption.times, (state) => {
      const { outbox, versionShift } = state;
      throwIfDiscarded(state, goal);
      return versionShift.shift + outbox.acknowledged >= goal ? outbox.acknowledged : null;
    });
  });

/**
 * Emits the server version reached, once, and completes, when everything the server had when it read a mark sent after
 * the subscription is here and visible. One round trip. Cold: each subscription is its own wait.
 */
export const waitForDownload = (machine: SessionStore): Observable<Version> =>
  defer(() => {
    const { released, interruption } = machine.getState();
    if (released) return throwError(() => createSessionOverError());
    machine.dispatch({ type: 'markWanted' }); // What comes of it may come, and break the session, on the spot.
    const { wanted } = machine.getState().marks;
    return waitForAnswer(machine, interruption.times, ({ marks, downloaded }) =>
      marks.answered >= wanted ? downloaded.version : null,
    );
  });
