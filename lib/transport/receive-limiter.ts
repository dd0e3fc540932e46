import type { SchedulerLike, Subscription } from 'rxjs';
import { createFrameMeter } from './frame-meter.js';
import { socketCloseCodes, type WebSocketLike } from './socket.js';

/** What may come in on one socket. */
export interface ReceiveBounds {
  /** Bytes of one message. */
  readonly messageBytesMax: number;
  /** Frames that begin no message, in all: pings and pongs of the WebSocket, and continuations. */
  readonly otherFramesMax: number;
  /** Counts frames and bytes that have come; how many milliseconds the socket is not read after that. */
  readonly spend: (frames: number, bytes: number) => number;
}

export interface ReceiveLimiterOptions {
  readonly socket: Pick<WebSocketLike, 'pause' | 'resume'>;
  readonly scheduler: SchedulerLike;
  readonly bounds: ReceiveBounds;
  /**
   * Called once, when a bound is exceeded that waiting does not help: the socket has to be closed with this code and
   * text.
   */
  readonly onExceeded: (code: number, text: string) => void;
}

/** Bounds what one socket takes in, before it is read. */
export interface ReceiveLimiter {
  /** Is given the bytes of the socket as they come, before the WebSocket is. */
  readonly feed: (chunk: Uint8Array) => void;
  /** Other bounds from now on; a socket that waits is read again. */
  readonly setBounds: (bounds: ReceiveBounds) => void;
  /** The socket is not read until it is released as often. */
  readonly hold: () => void;
  readonly release: () => void;
  /** Ends a wait. May be called again. */
  readonly stop: () => void;
}

const firstControlOpcode = 8;

/**
 * A socket that exceeds its rate is not read for a while: the network holds its sender up. One whose message is larger
 * than it may be is given up as soon as the head of the frame is there: what the WebSocket has of it by then is what
 * came in one piece.
 */
export const createReceiveLimiter = (options: ReceiveLimiterOptions): ReceiveLimiter => {
  const { socket, scheduler, onExceeded } = options;
  let { bounds } = options;
  let [frames, otherFrames, messageBytes] = [0, 0, 0];
  let [isOver, holds] = [false, 0];
  let waiting: Subscription | null = null;

  const giveUp = (code: number, text: string): void => {
    if (isOver) return;
    isOver = true;
    onExceeded(code, text);
    socket.pause?.(); // Nothing more of it is read, nor kept, until its closing has timed out.
  };
  const meter = createFrameMeter((opcode, bytes) => {
    frames += 1;
    const isControl = opcode >= firstControlOpcode;
    if (isControl || opcode === 0) otherFrames += 1;
    if (!isControl) messageBytes = (opcode === 0 ? messageBytes : 0) + bytes;
    const { messageBytesMax, otherFramesMax } = bounds;
    if (messageBytes > messageBytesMax)
      giveUp(socketCloseCodes.tooLarge, `a message of ${messageBytes} bytes; ${messageBytesMax} may be sent`);
    if (otherFrames > otherFramesMax)
      giveUp(socketCloseCodes.tooMuch, `more than ${otherFramesMax} frames that begin no message`);
    return !isOver;
  });
  const endWait = (): void => void (waiting = waiting?.unsubscribe() ?? null);
  const resume = (): void => {
    if (waiting === null || isOver) return;
    endWait();
    if (holds === 0) socket.resume?.();
  };

  return {
    feed: (chunk) => {
      if (isOver) return;
      frames = 0;
      meter(chunk);
      const waitMs = bounds.spend(frames, chunk.byteLength);
      if (waitMs <= 0 || waiting !== null) return;
      socket.pause?.(); // Again, when it was given up just now: that is the same.
      waiting = scheduler.schedule(resume, waitMs);
    },
    setBounds: (next) => {
      bounds = next;
      resume();
    },
    stop: () => {
      resume(); // It has to hear that the other end closes, too.
      isOver = true;
      endWait();
    },
    hold: () => {
      holds += 1;
      if (holds === 1 && !isOver) socket.pause?.();
    },
    release: () => {
      holds -= 1;
      if (holds === 0 && waiting === null && !isOver) socket.resume?.();
    },
  };
};
