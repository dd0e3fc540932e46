import { limits } from '../model/limits.js';
import { closeCodes, type ClientMessage } from '../protocol/messages.js';
import { hangUp } from '../transport/wire.js';

/** What a connection says before a token of it was checked: a little of it is dealt with, and a little more waits. */
export interface Probation {
  /** Whether the message is dealt with now; else it waits. Throws a `LineError` when that is too much. */
  readonly take: (message: ClientMessage) => boolean;
  /** The user is known: all that waited, in its order. */
  readonly end: () => readonly ClientMessage[];
  /** The connection is gone. */
  readonly leave: () => void;
}

export interface Waiting {
  /** Messages that wait on all connections. */
  count: number;
}

const tooMuch = (text: string): Error => hangUp(closeCodes.tooMuch, text);

export const createProbation = (all: Waiting): Probation => {
  const { unboundBindsMax, unboundMessagesMax, unboundWaitingMax } = limits;
  let [binds, others] = [0, 0];
  let waiting: ClientMessage[] = [];

  const leave = (): void => {
    all.count -= waiting.length;
    waiting = [];
  };
  const isNow = ({ type }: ClientMessage): boolean => type === 'ping' || type === 'token' || waiting.length === 0;
  const wait = (message: ClientMessage): void => {
    if (waiting.length >= limits.unboundWaitingPerConnectionMax || all.count >= unboundWaitingMax)
      throw tooMuch(`too many messages before a token was checked: ${waiting.length} wait`);
    waiting.push(message);
    all.count += 1;
  };
  return {
    take: (message) => {
      const isBind = message.type === 'bind';
      if (isBind && binds < unboundBindsMax && waiting.length === 0) {
        binds += 1;
        return true;
      }
      if (!isBind && isNow(message)) {
        others += 1;
        if (others <= unboundMessagesMax) return true;
        throw tooMuch(`more than ${unboundMessagesMax} messages besides binds before a token was checked`);
      }
      wait(message);
      return false;
    },
    end: () => {
      const due = waiting;
      leave();
      return due;
    },
    leave,
  };
};
