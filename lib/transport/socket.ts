import { utf8Decoder, utf8Encoder } from '../model/built-ins.js';
import { Observable, takeWhile, type Observer } from 'rxjs';
import { createCloseError, ConnectionError, type Wire } from './wire.js';

/** What this library asks of a WebSocket: the part of the web platform's that `ws` has too. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, text?: string): void;
  /** Of `ws`: ends without a close frame. */
  terminate?(): void;
  /** Of `ws`: reads nothing from now on. */
  pause?(): void;
  /** Of `ws`: reads again. */
  resume?(): void;
  addEventListener(type: string, listener: (event: never) => void): void;
  removeEventListener(type: string, listener: (event: never) => void): void;
}

/** A WebSocket of any platform: the web's own, or one that is made like it. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** The close codes that a line of frames gives itself; docs/PROTOCOL.md says what the other end does then. */
export const socketCloseCodes = {
  normal: 1000,
  /** Broken, and nobody said so: 1006 of RFC 6455 is in no close frame. */
  cut: 1006,
  /** A frame over the limit: 1009 of RFC 6455. */
  tooLarge: 1009,
  /** A text frame where only binary ones are said. */
  notFrames: 4400,
  /** What was said is not read. */
  tooMuch: 4429,
  /** The wire behind the socket failed. */
  failed: 4500,
} as const;

/** Bytes of UTF-8 in a close frame's text: RFC 6455 section 5.5 gives a control frame 125, the code takes two. */
const closeTextBytesMax = 123;

/** The longest beginning of a text that a close frame takes, never half a character. */
export const toCloseText = (text: string): string => {
  const bytes = utf8Encoder.encode(text);
  if (bytes.byteLength <= closeTextBytesMax) return text;
  let end = closeTextBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return utf8Decoder.decode(bytes.subarray(0, end));
};

const closingState = 2;

/** Codes that may be put into a close frame; the others only report. */
const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);

/**
 * Closes a socket in whatever state it is; a browser's takes no code of RFC 6455 but 1000, and then gets none. With
 * 1006 it is cut, without a close frame, where it can be.
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

/** A socket may fail after everybody has let go of it; without a listener `ws` would throw that into the void. */
export const ignoreErrors = <Socket extends WebSocketLike>(socket: Socket): Socket => {
  socket.addEventListener('error', () => undefined);
  return socket;
};

interface ClosedEvent {
  readonly code: number;
  readonly reason: string;
}

/** What an `error` event says, where it says something: browsers keep it to themselves. */
export const detailOf = (event: { readonly message?: unknown; readonly error?: unknown }): string => {
  if (typeof event.message === 'string' && event.message !== '') return event.message;
  // Several addresses were tried and all failed: Node's error has no text of its own then.
  const { errors, code } = (event.error ?? {}) as { errors?: unknown; code?: unknown };
  if (Array.isArray(errors))
    return errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  return typeof code === 'string' ? code : 'the connection failed';
};

const isTooLarge = (event: { readonly error?: unknown }): boolean =>
  (event.error as { code?: unknown } | undefined)?.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

const closeReasonOf = (thrown: unknown): { readonly code: number; readonly text: string } =>
  thrown instanceof ConnectionError && thrown.failure.kind === 'closed'
    ? thrown.failure
    : { code: socketCloseCodes.failed, text: 'failed' };

/** An open socket as something to talk with. */
export interface SocketConnection {
  /** Whether more may be said. */
  readonly send: (frame: Uint8Array) => boolean;
  /** Ends it with an error's code and text, and tells whoever hears. */
  readonly end: (thrown: unknown) => void;
  /** Lets go of it: closes with 1000, and nothing is heard any more. */
  readonly close: () => void;
}

/**
 * Talks over a socket that is open, in the turn of the event loop in which it opened. Every frame heard is a view of
 * bytes of its own. Heard completes when the socket was closed with 1000 or no code and without a text, and errors with
 * a `ConnectionError` for every other end.
 *
 * A socket that holds more than `backlogBytesMax` unsent bytes ends with 4429: nothing above can wait for it, and the
 * windows of the protocol keep far below.
 */
export const openSocketConnection = (
  socket: WebSocketLike,
  backlogBytesMax: number,
  heard: Observer<Uint8Array>,
): SocketConnection => {
  const end = (thrown: unknown): void => {
    const { code, text } = closeReasonOf(thrown);
    closeSocket(socket, code, text); // Before anybody hears of it: who let go of the dial then would close with 1000.
    heard.error(thrown);
  };
  const onMessage = ({ data }: { readonly data: unknown }): void =>
    typeof data === 'string'
      ? end(createCloseError(socketCloseCodes.notFrames, 'a text frame; every frame is binary'))
      : heard.next(new Uint8Array(data as ArrayBuffer));
  const onClose = ({ code, reason }: ClosedEvent): void =>
    (code === 1000 || code === 1005) && reason === '' ? heard.complete() : heard.error(createCloseError(code, reason));
  const onError = (event: { readonly error?: unknown }): void => {
    if (isTooLarge(event)) end(createCloseError(socketCloseCodes.tooLarge, 'a frame over the limit'));
  };
  if (socket.readyState >= closingState) heard.error(createCloseError(1006, 'closed before it was listened to'));
  else {
    socket.addEventListener('message', onMessage);
    socket.addEventListener('close', onClose);
    socket.addEventListener('error', onError);
  }
  return {
    end,
    send: (frame) => {
      socket.send(frame as Uint8Array<ArrayBuffer>);
      if (socket.bufferedAmount <= backlogBytesMax) return true;
      end(
        createCloseError(
          socketCloseCodes.tooMuch,
          `${socket.bufferedAmount} bytes wait to be read; ${backlogBytesMax} may`,
        ),
      );
      return false;
    },
    close: () => {
      socket.removeEventListener('message', onMessage);
      socket.removeEventListener('close', onClose);
      socket.removeEventListener('error', onError);
      closeSocket(socket);
    },
  };
};

/**
 * The same as a wire, for one subscriber. When `said` errors, so does heard, and the socket is closed with the error's
 * code; when it completes there is only nothing more to say. Letting go closes with 1000.
 *
 * An edge: `said` runs here.
 */
export const socketWireOf =
  (socket: WebSocketLike, backlogBytesMax: number): Wire<Uint8Array, Uint8Array> =>
  (said) =>
    new Observable((heard) => {
      const { send, end, close } = openSocketConnection(socket, backlogBytesMax, heard);
      heard.add(close);
      if (!heard.closed) heard.add(said.pipe(takeWhile(send)).subscribe({ error: end }));
    });
