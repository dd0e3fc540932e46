import { defer, filter, map, type Observer } from 'rxjs';
import { limits } from '../model/limits.js';
import { isRight } from '../model/result.js';
import { createCloseError, acceptorOf, wireOf, type Acceptor, type Receiver, type Wire } from '../transport/wire.js';
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

/** Encoded pages: sessions that follow the same realm, or have the same view, are sent the same message object. */
const frameCache = new WeakMap<ServerMessage, Uint8Array>();

const encodeFrame = (message: ServerMessage): Uint8Array => {
  if (message.type !== 'download' && message.type !== 'parts') return encodeServer(message);
  const cached = frameCache.get(message);
  if (cached) return cached;
  const encoded = encodeServer(message);
  frameCache.set(message, encoded);
  return encoded;
};

/** The largest number of values in the next frame of a client. */
export interface FrameValueLimit {
  readonly frameValuesMax: number;
}

/** Encodes the messages of a server into frames. */
class FrameEncoder implements Observer<ServerMessage> {
  constructor(private readonly sink: Observer<Uint8Array>) {}

  next(message: ServerMessage): void {
    sendInParts(encodeFrame(message), (frame) => this.sink.next(frame));
  }

  error(thrown: unknown): void {
    this.sink.error(thrown);
  }

  complete(): void {
    this.sink.complete();
  }
}

/** Decodes the frames of a client into messages. */
class FrameDecoder implements Receiver<Uint8Array> {
  constructor(
    private readonly receiver: Receiver<ClientMessage>,
    private readonly sink: Observer<Uint8Array>,
    private readonly limit: FrameValueLimit,
  ) {}

  receive(frame: Uint8Array): void {
    const message = decodeClientWithin(frame, this.limit.frameValuesMax);
    if (isRight(message)) {
      this.receiver.receive(message.right);
      return;
    }
    this.receiver.close();
    this.sink.error(createCloseError(closeCodes.protocolViolation, message.left));
  }

  close(): void {
    this.receiver.close();
  }
}

/**
 * Turns an acceptor of messages into an acceptor of frames, for a socket. A frame that is not a client message ends the
 * connection with a `ConnectionError` 4400; the server only sees that it was closed.
 *
 * @param host - The acceptor of messages.
 * @param limit - The largest number of values in a frame, read before each frame.
 */
export const serverAcceptor =
  (host: Acceptor<ClientMessage, ServerMessage>, limit: FrameValueLimit = limits): Acceptor<Uint8Array, Uint8Array> =>
  (sink) =>
    new FrameDecoder(host(new FrameEncoder(sink)), sink, limit);

/** Turns a server that is a wire of messages into a wire of frames. */
export const serverWire = (wire: Wire<ClientMessage, ServerMessage>): Wire<Uint8Array, Uint8Array> =>
  wireOf(serverAcceptor(acceptorOf(wire)));
