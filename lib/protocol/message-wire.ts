import { defer, filter, map } from 'rxjs';
import { limits } from '../model/limits.js';
import { isRight } from '../model/result.js';
import { createCloseError, acceptorOf, wireOf, type Acceptor, type Wire } from '../transport/wire.js';
import { decodeClientWithin, encodeClient, encodeServer } from './codec.js';
import { closeCodes, type ClientMessage, type ServerMessage } from './messages.js';
import { createPartReader, sendInParts } from './message-parts.js';

/**
 * A wire of frames, as a dial gives it, as a wire of messages. Heard errors with a `ConnectionError` 4400 when a frame
 * is no message of a server; the line is let go of then.
 */
export const clientWire =
  (wire: Wire<Uint8Array, Uint8Array>): Wire<ClientMessage, ServerMessage> =>
  (said) =>
    defer(() =>
      wire(said.pipe(map(encodeClient))).pipe(
        map(createPartReader()),
        filter((message) => message !== null),
      ),
    );

/** Frames of downloads: a server gives many who follow one realm the same message. */
const frameCache = new WeakMap<ServerMessage, Uint8Array>();

const encodeFrame = (message: ServerMessage): Uint8Array => {
  if (message.type !== 'download') return encodeServer(message);
  const known = frameCache.get(message);
  if (known) return known;
  const made = encodeServer(message);
  frameCache.set(message, made);
  return made;
};

/**
 * A server as a host of frames, as a socket takes it. A frame that is no message of a client ends the line with a
 * `ConnectionError` 4400; the server does not hear of it, it is only let go of. `valuesMax` is asked for each frame.
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
      close: receiver.close,
    };
  };

/** The same for a server that is a wire of messages. */
export const serverWire = (wire: Wire<ClientMessage, ServerMessage>): Wire<Uint8Array, Uint8Array> =>
  wireOf(serverAcceptor(acceptorOf(wire)));
