import { WebSocket } from 'ws';
import { isLeft } from '../../lib/model/result.js';
import { decodeServer, encodeClient } from '../../lib/protocol/codec.js';
import { subprotocol, type ClientMessage, type ServerMessage } from '../../lib/protocol/messages.js';

/** A client that is nothing but a socket and the codec. */
export interface RawClient {
  readonly heard: readonly ServerMessage[];
  readonly say: (message: ClientMessage) => void;
  readonly send: (frame: Uint8Array | string) => void;
  /** The first message of this kind that is not older than the last one waited for. Rejects when the socket closes before. */
  readonly until: (is: (message: ServerMessage) => boolean) => Promise<ServerMessage>;
  /** Its close code. */
  readonly closed: Promise<number>;
  readonly hear: (listener: (message: ServerMessage) => void) => void;
  readonly drop: () => void;
  /** Reads nothing more. */
  readonly pause: () => void;
}

const messageOf = (frame: Uint8Array): ServerMessage => {
  const message = decodeServer(frame);
  if (isLeft(message)) throw new Error(`the server said what is no message: ${message.left}`);
  if (message.right.type === 'part') throw new Error('the server sent a part');
  return message.right;
};

/** Rejects when the port does not answer. */
export const rawClient = async (port: number, host = '127.0.0.1'): Promise<RawClient> => {
  const socket = new WebSocket(`ws://${host}:${port}`, subprotocol);
  const heard: ServerMessage[] = [];
  const listeners = new Set<(message: ServerMessage) => void>();
  let looked = 0;
  socket.on('message', (data: Buffer) => {
    const message = messageOf(new Uint8Array(data));
    heard.push(message);
    listeners.forEach((listener) => listener(message));
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.on('error', () => undefined);

  const found = (is: (message: ServerMessage) => boolean): ServerMessage | undefined => {
    const at = heard.findIndex((message, index) => index >= looked && is(message));
    if (at >= 0) looked = at + 1;
    return heard[at];
  };
  return {
    heard,
    say: (message) => socket.send(encodeClient(message)),
    send: (frame) => socket.send(frame),
    until: (is) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const message = found(is);
          if (message === undefined) return;
          listeners.delete(look);
          resolve(message);
        };
        listeners.add(look);
        void closed.then((code) => reject(new Error(`closed with ${code} while it was waited for a message`)));
        look();
      }),
    closed,
    hear: (listener) => listeners.add(listener),
    drop: () => socket.terminate(),
    pause: () => socket.pause(),
  };
};
