import { limits } from '../../model/limits.js';
import { closeCodes, type ClientMessage } from '../../protocol/messages.js';
import { createCloseError } from '../../transport/wire.js';

/** What a connection says before a token of it was checked: a little of it is dealt with, and a little more waits. */
export interface HandshakeLimit {
  /** Whether the message is dealt with now; else it waits. Throws a `ConnectionError` when that is too much. */
  readonly takeOrQueue: (message: ClientMessage) => boolean;
  /** The user is known: all that waited, in its order. */
  readonly end: () => readonly ClientMessage[];
  /** The connection is gone. */
  readonly close: () => void;
}

export interface WaitingMessages {
  /** Messages that wait on all connections. */
  count: number;
}

const createTooMuchError = (text: string): Error => createCloseError(closeCodes.tooMuch, text);

export const createHandshakeLimit = (all: WaitingMessages): HandshakeLimit => {
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
      throw createTooMuchError(`too many messages before a token was checked: ${waiting.length} wait`);
    waiting.push(message);
    all.count += 1;
  };
  return {
    takeOrQueue: (message) => {
      const isBind = message.type === 'bind';
      if (isBind && binds < unboundBindsMax && waiting.length === 0) {
        binds += 1;
        return true;
      }
      if (!isBind && isNow(message)) {
        others += 1;
        if (others <= unboundMessagesMax) return true;
        throw createTooMuchError(`more than ${unboundMessagesMax} messages besides binds before a token was checked`);
      }
      wait(message);
      return false;
    },
    end: () => {
      const due = waiting;
      leave();
      return due;
    },
    close: leave,
  };
};
