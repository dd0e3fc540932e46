import { defer, filter, map, type Observable, take, throwError, throwIfEmpty } from 'rxjs';
import { SessionClosedError } from '../model/errors.js';
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

export const over = (): SessionClosedError => new SessionClosedError('The session is over.');

/**
 * Emits the client version reached, once, and completes, when everything written before the subscription is durable on
 * the server and the acknowledgement is stored here; at once when it already is. Cold: each subscription is its own wait.
 */
export const uploadComplete = (machine: Machine): Observable<Version> =>
  defer(() => {
    const { outbox: before, broken } = machine.present();
    const { written } = before;
    return wait(machine, broken.times, ({ outbox }) => (outbox.acknowledged >= written ? outbox.acknowledged : null));
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
