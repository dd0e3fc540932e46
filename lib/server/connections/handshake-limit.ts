import { serverLimits } from '../server-limits.js';
import { closeCodes, type ClientMessage } from '../../protocol/messages.js';
import { createCloseError } from '../../transport/wire.js';

/** Limits the messages of a connection before its token is checked: a few are handled, and a few more wait. */
export interface HandshakeLimit {
  /** Whether the message is handled now; otherwise it waits. Throws a `ConnectionError` when too many messages wait. */
  readonly takeOrQueue: (message: ClientMessage) => boolean;
  /** The user is known. Returns the waiting messages in their order. */
  readonly end: () => readonly ClientMessage[];
  /** The connection is closed. */
  readonly close: () => void;
}

export interface WaitingMessages {
  /** Messages that wait on all connections. */
  count: number;
}

const createTooMuchError = (text: string): Error => createCloseError(closeCodes.tooMuch, text);

export const createHandshakeLimit = (all: WaitingMessages): HandshakeLimit => {
  const { unboundBindsMax, unboundMessagesMax, unboundWaitingMax } = serverLimits;
  let [binds, others] = [0, 0];
  let waiting: ClientMessage[] = [];

  const clear = (): void => {
    all.count -= waiting.length;
    waiting = [];
  };
  const isNow = ({ type }: ClientMessage): boolean => type === 'ping' || type === 'token' || waiting.length === 0;
  const enqueue = (message: ClientMessage): void => {
    if (waiting.length >= serverLimits.unboundWaitingPerConnectionMax || all.count >= unboundWaitingMax)
      throw createTooMuchError(`Too many messages came before a token was checked: ${waiting.length} are waiting.`);
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
        throw createTooMuchError(
          `More than ${unboundMessagesMax} messages besides binds came before a token was checked.`,
        );
      }
      enqueue(message);
      return false;
    },
    end: () => {
      const messages = waiting;
      clear();
      return messages;
    },
    close: clear,
  };
};
