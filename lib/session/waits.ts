import { defer, filter, map, type Observable, of, take, throwError, throwIfEmpty } from 'rxjs';
import { SessionClosedError, SyncError } from '../model/errors.js';
import type { Version } from '../model/version.js';
import type { Machine } from './machine.js';
import type { SessionState } from './step.js';

/**
 * A question asked of the state: emits its first answer that is not `null` and completes; errors with what broke the waits
 * since they had been broken so many times.
 */
const wait = (
  { state$ }: Machine,
  times: number,
  answer: (state: SessionState) => Version | null,
): Observable<Version> =>
  state$.pipe(
    map((state) => {
      const answered = answer(state);
      if (answered === null) orBroken(state, times);
      return answered;
    }),
    filter((answered) => answered !== null),
    take(1),
    throwIfEmpty(over),
  );

/** Throws what broke the waits since they had been broken so many times. */
export const orBroken = ({ broken }: SessionState, times: number): void => {
  if (broken.by !== null && broken.times > times) throw broken.by;
};

/** Throws when a write, counted as if there had been no resets, was thrown away by one. */
export const orDiscarded = ({ restarts }: SessionState, counted: Version): void => {
  if (counted > restarts.lostFrom && counted <= restarts.lostTo)
    throw new SyncError(
      'history-changed',
      'What was written was discarded: the realm started over with another history.',
    );
};

export const over = (): SessionClosedError => new SessionClosedError('The session is over.');

/**
 * Emits the client version reached, once, and completes, when everything written before the subscription is durable on
 * the server and the acknowledgement is stored here; at once when it already is. A reset that recovers does not end it, and
 * numbers writes from 1; one that discards does, with a `SyncError`. Cold: each subscription is its own wait.
 */
export const uploadComplete = (machine: Machine): Observable<Version> =>
  defer(() => {
    const { outbox: before, broken, restarts: had } = machine.present();
    const goal = had.shift + before.written;
    if (before.acknowledged >= before.written) return of(before.acknowledged);
    return wait(machine, broken.times, (state) => {
      const { outbox, restarts } = state;
      orDiscarded(state, goal);
      return restarts.shift + outbox.acknowledged >= goal ? outbox.acknowledged : null;
    });
  });

/**
 * Emits the server version reached, once, and completes, when everything the server had when it read a mark sent after
 * the subscription is here and visible. One round trip. Cold: each subscription is its own wait.
 */
export const downloadComplete = (machine: Machine): Observable<Version> =>
  defer(() => {
    const { released, broken } = machine.present();
    if (released) return throwError(() => over());
    machine.dispatch({ type: 'markWanted' }); // What comes of it may come, and break the session, on the spot.
    const { wanted } = machine.present().marks;
    return wait(machine, broken.times, ({ marks, downloaded }) =>
      marks.answered >= wanted ? downloaded.version : null,
    );
  });
