import { defer, filter, map } from 'rxjs';
import { limits } from '../model/limits.js';
import { isRight } from '../model/result.js';
import { createCloseError, acceptorOf, wireOf, type Acceptor, type Wire } from '../transport/wire.js';
import { decodeClientWithin, encodeClient, encodeServer } from './codec.js';
import { closeCodes, type ClientMessage, type ServerMessage } from './messages.js';
import { createPartReader, sendInParts } from './message-parts.js';

/**
 * Turns a wire of frames, as a dial emits it, into a wire of messages.
 *
 * @param wire - The wire of frames.
 * @returns A wire whose received messages error with a `ConnectionError` 4400 when a frame is not a server message. The
 * connection is then released.
 *
 * @example
 * ```ts
 * const dial: Dial<ClientMessage, ServerMessage> = frames.pipe(map(clientWire));
 * ```
 */
export const clientWire =
  (wire: Wire<Uint8Array, Uint8Array>): Wire<ClientMessage, ServerMessage> =>
  (sent$) =>
    defer(() =>
      wire(sent$.pipe(map(encodeClient))).pipe(
        map(createPartReader()),
        filter((message) => message !== null),
      ),
    );

/** Encoded downloads: sessions that follow the same realm are sent the same message object. */
const frameCache = new WeakMap<ServerMessage, Uint8Array>();

const encodeFrame = (message: ServerMessage): Uint8Array => {
  if (message.type !== 'download') return encodeServer(message);
  const cached = frameCache.get(message);
  if (cached) return cached;
  const encoded = encodeServer(message);
  frameCache.set(message, encoded);
  return encoded;
};

/**
 * Turns an acceptor of messages into an acceptor of frames, for a socket. A frame that is not a client message ends the
 * connection with a `ConnectionError` 4400; the server only sees that it was closed.
 *
 * @param host - The acceptor of messages.
 * @param valuesMax - Returns the largest number of values in the next frame.
 */
export const serverAcceptor =
  (
    host: Acceptor<ClientMessage, ServerMessage>,
    valuesMax: () => number = () => limits.frameValuesMax,
  ): Acceptor<Uint8Array, Uint8Array> =>
  (sink) => {
    const receiver = host({
      next: (message) => sendInParts(encodeFrame(message), (frame) => sink.next(frame)),
      error: (thrown) => sink.error(thrown),
      complete: () => sink.complete(),
    });
    return {
      receive: (frame) => {
        const message = decodeClientWithin(frame, valuesMax());
        if (isRight(message)) {
          receiver.receive(message.right);
          return;
        }
        receiver.close();
        sink.error(createCloseError(closeCodes.protocolViolation, message.left));
      },
      close: () => receiver.close(),
    };
  };

/** Turns a server that is a wire of messages into a wire of frames. */
export const serverWire = (wire: Wire<ClientMessage, ServerMessage>): Wire<Uint8Array, Uint8Array> =>
  wireOf(serverAcceptor(acceptorOf(wire)));
