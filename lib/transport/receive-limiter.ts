import type { SchedulerLike, Subscription } from 'rxjs';
import { createFrameMeter } from './frame-meter.js';
import { socketCloseCodes, type WebSocketLike } from './socket.js';

/** The limits of the data that one socket receives. */
export interface ReceiveBounds {
  /** Bytes of one message. */
  readonly messageBytesMax: number;
  /** The total of frames that do not begin a message: pings, pongs and continuations. */
  readonly otherFramesMax: number;
  /** Counts received frames and bytes. Returns the milliseconds for which the socket is then not read. */
  readonly spend: (frames: number, bytes: number) => number;
}

export interface ReceiveLimiterOptions {
  readonly socket: Pick<WebSocketLike, 'pause' | 'resume'>;
  readonly scheduler: SchedulerLike;
  readonly bounds: ReceiveBounds;
  /**
   * Called once, when a limit is exceeded that waiting cannot restore: the socket must be closed with this code and
   * text.
   */
  readonly onExceeded: (code: number, text: string) => void;
}

/** Limits the data that one socket receives, before it is read. */
export interface ReceiveLimiter {
  /** Takes the bytes of the socket as they arrive, before the WebSocket does. */
  readonly feed: (chunk: Uint8Array) => void;
  /** Changes the limits. A socket that waits is read again. */
  readonly setBounds: (bounds: ReceiveBounds) => void;
  /** Stops reading the socket until `release` is called as often as `hold`. */
  readonly hold: () => void;
  readonly release: () => void;
  /** Ends a wait. May be called again. */
  readonly stop: () => void;
}

const firstControlOpcode = 8;

/**
 * Limits a socket. A socket that exceeds its rate is not read for a while, so that the network slows its sender down. A
 * socket whose message is too large is closed as soon as the frame header is read: the WebSocket then holds only the
 * bytes that arrived together with the header.
 */
export const createReceiveLimiter = (options: ReceiveLimiterOptions): ReceiveLimiter => {
  const { socket, scheduler, onExceeded } = options;
  let { bounds } = options;
  let [frames, otherFrames, messageBytes] = [0, 0, 0];
  let [isStopped, holds] = [false, 0];
  let waiting: Subscription | null = null;

  const exceed = (code: number, text: string): void => {
    if (isStopped) return;
    isStopped = true;
    onExceeded(code, text);
    socket.pause?.(); // Nothing more is read or buffered until the close times out.
  };
  const meter = createFrameMeter((opcode, bytes) => {
    frames += 1;
    const isControl = opcode >= firstControlOpcode;
    if (isControl || opcode === 0) otherFrames += 1;
    if (!isControl) messageBytes = (opcode === 0 ? messageBytes : 0) + bytes;
    const { messageBytesMax, otherFramesMax } = bounds;
    if (messageBytes > messageBytesMax)
      exceed(socketCloseCodes.tooLarge, `The message has ${messageBytes} bytes; the limit is ${messageBytesMax}.`);
    if (otherFrames > otherFramesMax)
      exceed(socketCloseCodes.tooMuch, `More than ${otherFramesMax} frames do not begin a message.`);
    return !isStopped;
  });
  const endWait = (): void => void (waiting = waiting?.unsubscribe() ?? null);
  const resume = (): void => {
    if (waiting === null || isStopped) return;
    endWait();
    if (holds === 0) socket.resume?.();
  };

  return {
    feed: (chunk) => {
      if (isStopped) return;
      frames = 0;
      meter(chunk);
      const waitMs = bounds.spend(frames, chunk.byteLength);
      if (waitMs <= 0 || waiting !== null) return;
      socket.pause?.(); // Has no further effect on a socket that was closed just now.
      waiting = scheduler.schedule(resume, waitMs);
    },
    setBounds: (next) => {
      bounds = next;
      resume();
    },
    stop: () => {
      resume(); // The socket must also receive the close of the other end.
      isStopped = true;
      endWait();
    },
    hold: () => {
      holds += 1;
      if (holds === 1 && !isStopped) socket.pause?.();
    },
    release: () => {
      holds -= 1;
      if (holds === 0 && waiting === null && !isStopped) socket.resume?.();
    },
  };
};
