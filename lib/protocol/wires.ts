import { defer, filter, map } from 'rxjs';
import { limits } from '../model/limits.js';
import { isRight } from '../model/result.js';
import { hangUp, hostOf, wireOf, type Host, type Wire } from '../transport/wire.js';
import { decodeClientWithin, encodeClient, encodeServer } from './codec.js';
import { closeCodes, type ClientMessage, type ServerMessage } from './messages.js';
import { createPartReader, sendInParts } from './parts.js';

/**
 * A wire of frames, as a dial gives it, as a wire of messages. Heard errors with a `LineError` 4400 when a frame is no
 * message of a server; the line is let go of then.
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
const frames = new WeakMap<ServerMessage, Uint8Array>();

const framed = (message: ServerMessage): Uint8Array => {
  if (message.type !== 'download') return encodeServer(message);
  const known = frames.get(message);
  if (known) return known;
  const made = encodeServer(message);
  frames.set(message, made);
  return made;
};

/**
 * A server as a host of frames, as a socket takes it. A frame that is no message of a client ends the line with a
 * `LineError` 4400; the server does not hear of it, it is only let go of. `valuesMax` is asked for each frame.
 */
export const serverHost =
  (
    host: Host<ClientMessage, ServerMessage>,
    valuesMax: () => number = () => limits.frameValuesMax,
  ): Host<Uint8Array, Uint8Array> =>
  (mouth) => {
    const ear = host({
      next: (message) => sendInParts(framed(message), (frame) => mouth.next(frame)),
      error: (thrown) => mouth.error(thrown),
      complete: () => mouth.complete(),
    });
    return {
      hear: (frame) => {
        const message = decodeClientWithin(frame, valuesMax());
        if (isRight(message)) {
          ear.hear(message.right);
          return;
        }
        ear.leave();
        mouth.error(hangUp(closeCodes.protocolViolation, message.left));
      },
      leave: ear.leave,
    };
  };

/** The same for a server that is a wire of messages. */
export const serverWire = (wire: Wire<ClientMessage, ServerMessage>): Wire<Uint8Array, Uint8Array> =>
  wireOf(serverHost(hostOf(wire)));
