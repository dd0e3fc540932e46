import type { Clock } from '../clock.js';

/** Calls in one event-loop turn: they take a few milliseconds, and those of a thousand sockets a tenth of a second. */
const callsMax = 16;

/**
 * Spreads simultaneous calls over event-loop turns: the first calls run immediately, the others in their order in later
 * turns. Hundreds of sockets that connect at once do not delay those that are connected.
 */
export const spreadOverTurns = <A extends readonly unknown[]>(
  call: (...args: A) => void,
  { scheduler }: Pick<Clock, 'scheduler'>,
): ((...args: A) => void) => {
  const waiting: A[] = [];
  /** The calls in this turn. While above 0, the next turn is scheduled. */
  let made = 0;

  const wait = (): void => {
    const turn = scheduler.schedule(() => {
      turn.unsubscribe(); // The scheduler would hold the action until then.
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
