import type { Clock } from '../clock.js';

/**
 * Calls of one turn of the event loop: what some milliseconds are enough for, and a thousand sockets a tenth of a
 * second.
 */
const callsMax = 16;

/**
 * Spreads what comes together over turns of the event loop: the first calls of a turn are made at once, the others in
 * their order in the turns after it. Hundreds of sockets that arrive in one moment do not hold up those that are there.
 */
export const spreadOverTurns = <A extends readonly unknown[]>(
  call: (...args: A) => void,
  { scheduler }: Pick<Clock, 'scheduler'>,
): ((...args: A) => void) => {
  const waiting: A[] = [];
  /** Calls made in this turn; above 0, the next turn is waited for. */
  let made = 0;

  const wait = (): void => {
    const turn = scheduler.schedule(() => {
      turn.unsubscribe(); // What is scheduled is held until then.
      nextTurn();
    });
  };
  const nextTurn = (): void => {
    const next = waiting.splice(0, callsMax);
    made = next.length;
    if (made > 0) wait();
    for (const args of next) call(...args);
  };
  return (...args) => {
    if (made === 0) wait();
    if (made >= callsMax) {
      waiting.push(args);
      return;
    }
    made += 1;
    call(...args);
  };
};
