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
  /** Only of `ws`: listens without event objects. */
  on?(type: string, listener: (...given: never[]) => void): void;
  /** Only of `ws`: removes a listener of `on`. */
  off?(type: string, listener: (...given: never[]) => void): void;
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

export const ignoreError = (): void => undefined;

/** Adds a listener for errors, because `ws` throws an error without a listener, also after the socket was closed. */
export const ignoreErrors = <Socket extends WebSocketLike>(socket: Socket): Socket => {
  if (socket.on) socket.on('error', ignoreError);
  else socket.addEventListener('error', ignoreError);
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

const isTooLarge = (error: unknown): boolean =>
  (error as { code?: unknown } | undefined)?.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

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

/** Takes the events of a socket. */
interface SocketListener {
  /** `null` stands for a text frame. */
  onFrame(frame: Uint8Array | null): void;
  onClose(code: number, reason: string): void;
  onError(error: unknown): void;
}

/**
 * Listens to a socket, and returns the function that ends that. A socket whose `binaryType` is `bufferType` is listened
 * to without event objects: they cost more than copying the bytes, and each of their listeners takes 200 bytes more.
 */
const listenToSocket = (socket: WebSocketLike, listener: SocketListener): (() => void) => {
  if (socket.binaryType === bufferType && socket.on && socket.off) {
    const onBuffer = (data: Uint8Array, isBinary: boolean): void => listener.onFrame(isBinary ? frameOf(data) : null);
    const onEnd = (code: number, reason: Uint8Array): void => listener.onClose(code, utf8Decoder.decode(reason));
    const onFailure = (error: unknown): void => listener.onError(error);
    socket.on('message', onBuffer);
    socket.on('close', onEnd);
    socket.on('error', onFailure);
    return () => {
      socket.off?.('message', onBuffer);
      socket.off?.('close', onEnd);
      socket.off?.('error', onFailure);
    };
  }
  const onMessage = ({ data }: { readonly data: unknown }): void =>
    listener.onFrame(typeof data === 'string' ? null : new Uint8Array(data as ArrayBuffer));
  const onClose = ({ code, reason }: ClosedEvent): void => listener.onClose(code, reason);
  const onError = (event: { readonly error?: unknown }): void => listener.onError(event.error);
  socket.addEventListener('message', onMessage);
  socket.addEventListener('close', onClose);
  socket.addEventListener('error', onError);
  return () => {
    socket.removeEventListener('message', onMessage);
    socket.removeEventListener('close', onClose);
    socket.removeEventListener('error', onError);
  };
};

/** A connection over an open socket. */
export interface SocketConnection {
  /** Sends a frame. Returns whether more may be sent. */
  send(frame: Uint8Array): boolean;
  /** Closes the connection with the code and text of an error, and passes the error to the observer. */
  end(thrown: unknown): void;
  /** Closes the connection with 1000. Nothing is received afterwards. */
  close(): void;
}

/** Sends frames on a socket. */
export interface FrameSender {
  /** Sends a frame like `send` of the socket, which is the default. */
  sendFrame?(frame: Uint8Array): void;
}

/** A class, because a server has one for each socket. */
class OpenConnection implements SocketConnection, SocketListener {
  private stopListening: (() => void) | null = null;

  constructor(
    private readonly socket: WebSocketLike,
    private readonly backlogBytesMax: number,
    private readonly observer: Observer<Uint8Array>,
    private readonly sender: FrameSender,
  ) {
    if (socket.readyState >= closingState)
      observer.error(createCloseError(1006, 'The socket closed before it was used.'));
    else this.stopListening = listenToSocket(socket, this);
  }

  send(frame: Uint8Array): boolean {
    const { socket, sender, backlogBytesMax } = this;
    if (sender.sendFrame) sender.sendFrame(frame);
    else socket.send(frame as Uint8Array<ArrayBuffer>);
    if (socket.bufferedAmount <= backlogBytesMax) return true;
    const text = `${socket.bufferedAmount} bytes are unsent; the limit is ${backlogBytesMax}.`;
    this.end(createCloseError(socketCloseCodes.tooMuch, text));
    return false;
  }

  end(thrown: unknown): void {
    const { code, text } = closeReasonOf(thrown);
    closeSocket(this.socket, code, text); // First, because an observer that then unsubscribes would close with 1000.
    this.observer.error(thrown);
  }

  close(): void {
    this.stopListening?.();
    this.stopListening = null;
    closeSocket(this.socket);
  }

  onFrame(frame: Uint8Array | null): void {
    if (frame !== null) this.observer.next(frame);
    else
      this.end(createCloseError(socketCloseCodes.notFrames, 'A text frame was received; every frame must be binary.'));
  }

  onClose(code: number, reason: string): void {
    if ((code === 1000 || code === 1005) && reason === '') this.observer.complete();
    else this.observer.error(createCloseError(code, reason));
  }

  onError(error: unknown): void {
    if (isTooLarge(error)) this.end(createCloseError(socketCloseCodes.tooLarge, 'A frame is over the limit.'));
  }
}

/**
 * Makes a connection of an open socket, in the event-loop turn in which the socket opened. Each received frame has its
 * own bytes, or shares memory of its own size. The observer completes when the socket was closed with 1000 or without a
 * code, and without a text; it errors with a `ConnectionError` for every other end.
 *
 * Frames are sent with `sender`, by default with `send` of the socket. A socket with more than `backlogBytesMax`
 * unsent bytes is closed with 4429: the caller cannot wait for it, and the windows of the protocol stay far below this
 * limit.
 */
export const openSocketConnection = (
  socket: WebSocketLike,
  backlogBytesMax: number,
  observer: Observer<Uint8Array>,
  sender: FrameSender = {},
): SocketConnection => new OpenConnection(socket, backlogBytesMax, observer, sender);

/**
 * Makes a wire of an open socket, for one subscriber. When the sent stream errors, so does the received stream, and the
 * socket is closed with the code of the error. When the sent stream completes, the connection stays open. Unsubscribing
 * closes the socket with 1000. Subscribes to the sent stream while the received stream is subscribed.
 */
export const socketWireOf =
  (socket: WebSocketLike, backlogBytesMax: number): Wire<Uint8Array, Uint8Array> =>
  (sent$) =>
    new Observable((subscriber) => {
      const connection = openSocketConnection(socket, backlogBytesMax, subscriber);
      subscriber.add(() => connection.close());
      const send = (frame: Uint8Array): boolean => connection.send(frame);
      const end = (thrown: unknown): void => connection.end(thrown);
      if (!subscriber.closed) subscriber.add(sent$.pipe(takeWhile(send)).subscribe({ error: end }));
    });
