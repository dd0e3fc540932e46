import { Observable } from 'rxjs';
import { WebSocket } from 'ws';
import { isLeft } from '../../lib/model/result.js';
import { decodeServer, encodeClient } from '../../lib/protocol/codec.js';
import { subprotocol, type ClientMessage, type ServerMessage } from '../../lib/protocol/messages.js';
import { waitForValue } from '../wait-for.js';

/** A client of only a socket and the codec. */
export interface RawClient {
  readonly received: readonly ServerMessage[];
  readonly sendMessage: (message: ClientMessage) => void;
  readonly send: (frame: Uint8Array | string) => void;
  /**
   * Waits for the first message of a kind after the last awaited one. Rejects when the socket closes before, or when
   * the message does not come in time.
   */
  readonly until: (is: (message: ServerMessage) => boolean) => Promise<ServerMessage>;
  /** Emits the close code of the socket. */
  readonly closed: Promise<number>;
  readonly onMessage: (listener: (message: ServerMessage) => void) => void;
  readonly disconnect: () => void;
  /** Stops reading. */
  readonly pause: () => void;
}

const messageOf = (frame: Uint8Array): ServerMessage => {
  const message = decodeServer(frame);
  if (isLeft(message)) throw new Error(`the server sent an invalid message: ${message.left}`);
  if (message.right.type === 'part') throw new Error('the server sent a part');
  return message.right;
};

/** Connects to a port. Rejects when the port does not answer. */
export const connectRawClient = async (port: number, host = '127.0.0.1'): Promise<RawClient> => {
  const socket = new WebSocket(`ws://${host}:${port}`, subprotocol);
  const messages: ServerMessage[] = [];
  const listeners = new Set<(message: ServerMessage) => void>();
  let looked = 0;
  socket.on('message', (data: Buffer) => {
    const message = messageOf(new Uint8Array(data));
    messages.push(message);
    listeners.forEach((listener) => listener(message));
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.on('error', () => undefined);

  /** Returns the messages since the last awaited one, up to the one awaited now. */
  const upTo = (is: (message: ServerMessage) => boolean) =>
    new Observable<ServerMessage>((subscriber) => {
      let at = looked;
      const look = (): void => {
        for (let message = messages[at]; message && !subscriber.closed; message = messages[at]) {
          at += 1;
          if (is(message)) looked = at;
          subscriber.next(message);
        }
      };
      listeners.add(look);
      void closed.then((code) =>
        subscriber.error(new Error(`closed with ${code} while it was waited for ${String(is)}`)),
      );
      look();
      return () => listeners.delete(look);
    });
  return {
    received: messages,
    sendMessage: (message) => socket.send(encodeClient(message)),
    send: (frame) => socket.send(frame),
    until: (is) => waitForValue(upTo(is), is),
    closed,
    onMessage: (listener) => listeners.add(listener),
    disconnect: () => socket.terminate(),
    pause: () => socket.pause(),
  };
};
