import { defer, filter, map, mergeMap, Subject, takeUntil, tap, throwError } from 'rxjs';
import { isLeft, isRight } from '../model/result.js';
import { hangUp, type Wire } from '../transport/wire.js';
import { decodeClient, decodeServer, encodeClient, encodeServer } from './codec.js';
import { closeCodes, type ClientMessage, type ServerMessage } from './messages.js';

/**
 * A wire of frames, as a dial gives it, as a wire of messages. Heard errors with a `LineError` 4400 when a frame is no
 * message of a server; the line is let go of then.
 */
export const clientWire =
  (wire: Wire<Uint8Array, Uint8Array>): Wire<ClientMessage, ServerMessage> =>
  (said) =>
    wire(said.pipe(map(encodeClient))).pipe(
      map((frame) => {
        const message = decodeServer(frame);
        if (isLeft(message)) throw hangUp(closeCodes.protocolViolation, message.left);
        return message.right;
      }),
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
 * A server as a wire of frames, as a socket takes it. A frame that is no message of a client ends the wire with a
 * `LineError` 4400; the server does not hear of it, it is only let go of.
 */
export const serverWire =
  (wire: Wire<ClientMessage, ServerMessage>): Wire<Uint8Array, Uint8Array> =>
  (said) =>
    defer(() => {
      const wrong = new Subject<string>();
      const heard = said.pipe(
        map(decodeClient),
        tap((message) => isLeft(message) && wrong.next(message.left)),
        filter(isRight),
        map(({ right }) => right),
      );
      const violated = wrong.pipe(mergeMap((text) => throwError(() => hangUp(closeCodes.protocolViolation, text))));
      return wire(heard).pipe(map(framed), takeUntil(violated));
    });
