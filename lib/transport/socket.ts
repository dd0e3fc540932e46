import { utf8Decoder, utf8Encoder } from '../model/built-ins.js';
import { Observable, takeWhile, type Observer } from 'rxjs';
import { createCloseError, ConnectionError, type Wire } from './wire.js';

/** The part of a WebSocket that this library uses: that of the web platform and of `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, text?: string): void;
  /** Only of `ws`: ends the socket without a close frame. */
  terminate?(): void;
  /** Only of `ws`: stops reading. */
  pause?(): void;
  /** Only of `ws`: reads again. */
  resume?(): void;
  /** Only of `ws`: listens without an event object for each message. */
  on?(type: 'message', listener: (data: Uint8Array, isBinary: boolean) => void): void;
  /** Only of `ws`: removes a listener of `on`. */
  off?(type: 'message', listener: (data: Uint8Array, isBinary: boolean) => void): void;
  addEventListener(type: string, listener: (event: never) => void): void;
  removeEventListener(type: string, listener: (event: never) => void): void;
}

/** A WebSocket class of any platform. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** The close codes that a connection sets itself; docs/PROTOCOL.md describes the reaction of the other end. */
export const socketCloseCodes = {
  normal: 1000,
  /** The connection broke without a close frame: 1006 of RFC 6455 is never sent. */
  cut: 1006,
  /** A frame over the limit: 1009 of RFC 6455. */
  tooLarge: 1009,
  /** A text frame; every frame must be binary. */
  notFrames: 4400,
  /** The other end reads too slowly, or sends too many frames. */
  tooMuch: 4429,
  /** The wire behind the socket failed. */
  failed: 4500,
} as const;

/**
 * Bytes of UTF-8 in the text of a close frame: RFC 6455 section 5.5 allows a control frame 125, of which the code takes
 * two.
 */
const closeTextBytesMax = 123;

/** Shortens a text to the length of a close frame, without splitting a character. */
export const toCloseText = (text: string): string => {
  const bytes = utf8Encoder.encode(text);
  if (bytes.byteLength <= closeTextBytesMax) return text;
  let end = closeTextBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return utf8Decoder.decode(bytes.subarray(0, end));
};

const closingState = 2;

/** Whether a code may be sent in a close frame; other codes only report. */
const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);

/**
 * Closes a socket in any state. A browser accepts no code of RFC 6455 but 1000, and is then closed without a code. With
 * 1006 the socket is ended without a close frame, where the platform can.
 */
export const closeSocket = (socket: WebSocketLike, code: number = socketCloseCodes.normal, text = ''): void => {
  if (socket.readyState >= closingState) return;
  try {
    if (code === socketCloseCodes.cut && socket.terminate) socket.terminate();
    else if (isSendable(code)) socket.close(code, toCloseText(text));
    else socket.close();
  } catch {
    socket.close();
  }
};

/** Adds a listener for errors, because `ws` throws an error without a listener, also after the socket was closed. */
export const ignoreErrors = <Socket extends WebSocketLike>(socket: Socket): Socket => {
  socket.addEventListener('error', () => undefined);
  return socket;
};

interface ClosedEvent {
  readonly code: number;
  readonly reason: string;
}

/**
 * The text of an `error` event, if it has one: those of browsers do not. Replaces OpenSSL's unclear text for a port
 * without TLS.
 */
export const detailOf = (event: { readonly message?: unknown; readonly error?: unknown }): string => {
  if (typeof event.message === 'string' && event.message !== '')
    return /wrong.version.number/.test(event.message) ? 'the port has no TLS: use ws: instead of wss:' : event.message;
  // When all of several addresses failed, the error of Node has no text of its own.
  const { errors, code } = (event.error ?? {}) as { errors?: unknown; code?: unknown };
  if (Array.isArray(errors))
    return errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  return typeof code === 'string' ? code : 'The connection failed.';
};

const isTooLarge = (event: { readonly error?: unknown }): boolean =>
  (event.error as { code?: unknown } | undefined)?.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

const closeReasonOf = (thrown: unknown): { readonly code: number; readonly text: string } =>
  thrown instanceof ConnectionError && thrown.failure.kind === 'closed'
    ? thrown.failure
    : { code: socketCloseCodes.failed, text: 'failed' };

/** The `binaryType` with which a socket of `ws` emits views of the bytes that it read. No other WebSocket knows it. */
export const bufferType = 'nodebuffer';

/**
 * Returns the bytes of a received frame without copying, unless they are less than half of the memory that they would
 * keep. Node shares that memory between frames that arrive together; a live change mostly arrives alone.
 */
const frameOf = (data: Uint8Array): Uint8Array =>
  data.byteLength * 2 < data.buffer.byteLength
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/**
 * Adds a listener for frames, and returns the function that removes it. `null` stands for a text frame. A socket whose
 * `binaryType` is `bufferType` is listened to without event objects: they cost more than copying the bytes.
 */
const listenForFrames = (socket: WebSocketLike, listener: (frame: Uint8Array | null) => void): (() => void) => {
  if (socket.binaryType === bufferType) {
    const onBuffer = (data: Uint8Array, isBinary: boolean): void => listener(isBinary ? frameOf(data) : null);
    socket.on?.('message', onBuffer);
    return () => socket.off?.('message', onBuffer);
  }
  const onMessage = ({ data }: { readonly data: unknown }): void =>
    listener(typeof data === 'string' ? null : new Uint8Array(data as ArrayBuffer));
  socket.addEventListener('message', onMessage);
  return () => socket.removeEventListener('message', onMessage);
};

/** A connection over an open socket. */
export interface SocketConnection {
  /** Sends a frame. Returns whether more may be sent. */
  readonly send: (frame: Uint8Array) => boolean;
  /** Closes the connection with the code and text of an error, and passes the error to the observer. */
  readonly end: (thrown: unknown) => void;
  /** Closes the connection with 1000. Nothing is received afterwards. */
  readonly close: () => void;
}

/**
 * Makes a connection of an open socket, in the event-loop turn in which the socket opened. Each received frame has its
 * own bytes, or shares memory of its own size. The observer completes when the socket was closed with 1000 or without a
 * code, and without a text; it errors with a `ConnectionError` for every other end.
 *
 * Frames are sent with `sendFrame`, by default with `send` of the socket. A socket with more than `backlogBytesMax`
 * unsent bytes is closed with 4429: the caller cannot wait for it, and the windows of the protocol stay far below this
 * limit.
 */
export const openSocketConnection = (
  socket: WebSocketLike,
  backlogBytesMax: number,
  observer: Observer<Uint8Array>,
  sendFrame = (frame: Uint8Array): void => socket.send(frame as Uint8Array<ArrayBuffer>),
): SocketConnection => {
  const end = (thrown: unknown): void => {
    const { code, text } = closeReasonOf(thrown);
    closeSocket(socket, code, text); // First, because an observer that then unsubscribes would close with 1000.
    observer.error(thrown);
  };
  let stopListening = (): void => undefined;
  const onFrame = (frame: Uint8Array | null): void =>
    frame === null
      ? end(createCloseError(socketCloseCodes.notFrames, 'A text frame was received; every frame must be binary.'))
      : observer.next(frame);
  const onClose = ({ code, reason }: ClosedEvent): void =>
    (code === 1000 || code === 1005) && reason === ''
      ? observer.complete()
      : observer.error(createCloseError(code, reason));
  const onError = (event: { readonly error?: unknown }): void => {
    if (isTooLarge(event)) end(createCloseError(socketCloseCodes.tooLarge, 'A frame is over the limit.'));
  };
  if (socket.readyState >= closingState)
    observer.error(createCloseError(1006, 'The socket closed before it was used.'));
  else {
    stopListening = listenForFrames(socket, onFrame);
    socket.addEventListener('close', onClose);
    socket.addEventListener('error', onError);
  }
  return {
    end,
    send: (frame) => {
      sendFrame(frame);
      if (socket.bufferedAmount <= backlogBytesMax) return true;
      end(
        createCloseError(
          socketCloseCodes.tooMuch,
          `${socket.bufferedAmount} bytes are unsent; the limit is ${backlogBytesMax}.`,
        ),
      );
      return false;
    },
    close: () => {
      stopListening();
      socket.removeEventListener('close', onClose);
      socket.removeEventListener('error', onError);
      closeSocket(socket);
    },
  };
};

/**
 * Makes a wire of an open socket, for one subscriber. When the sent stream errors, so does the received stream, and the
 * socket is closed with the code of the error. When the sent stream completes, the connection stays open. Unsubscribing
 * closes the socket with 1000. Subscribes to the sent stream while the received stream is subscribed.
 */
export const socketWireOf =
  (socket: WebSocketLike, backlogBytesMax: number): Wire<Uint8Array, Uint8Array> =>
  (sent$) =>
    new Observable((subscriber) => {
      const { send, end, close } = openSocketConnection(socket, backlogBytesMax, subscriber);
      subscriber.add(close);
      if (!subscriber.closed) subscriber.add(sent$.pipe(takeWhile(send)).subscribe({ error: end }));
    });
