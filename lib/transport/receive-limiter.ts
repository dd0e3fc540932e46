import type { SchedulerLike, Subscription } from 'rxjs';
import { createFrameMeter, type FrameMeter } from './frame-meter.js';
import { socketCloseCodes, type WebSocketLike } from './socket.js';

/** The limits of the data that one socket receives. */
export interface ReceiveBounds {
  /** Bytes of one message. */
  readonly messageBytesMax: number;
  /** The total of frames that do not begin a message: pings, pongs and continuations. */
  readonly otherFramesMax: number;
  readonly allowance: {
    /** Counts received frames and bytes. Returns the milliseconds for which the socket is then not read. */
    spend(frames: number, bytes: number): number;
  };
}

export interface ReceiveLimiterOptions {
  readonly socket: Pick<WebSocketLike, 'pause' | 'resume'>;
  readonly scheduler: SchedulerLike;
  readonly bounds: ReceiveBounds;
  readonly owner: ReceiveLimiterOwner;
}

/** The owner of a limited socket. */
export interface ReceiveLimiterOwner {
  /**
   * Called once, when a limit is exceeded that waiting cannot restore: the socket must be closed with this code and
   * text.
   */
  exceeded(code: number, text: string): void;
}

/** Limits the data that one socket receives, before it is read. */
export interface ReceiveLimiter {
  /** Takes the bytes of the socket as they arrive, before the WebSocket does. */
  feed(chunk: Uint8Array): void;
  /** Changes the limits. A socket that waits is read again. */
  setBounds(bounds: ReceiveBounds): void;
  /** Stops reading the socket until `release` is called as often as `hold`. */
  hold(): void;
  release(): void;
  /** Ends a wait. May be called again. */
  stop(): void;
}

const firstControlOpcode = 8;

/**
 * Limits a socket. A socket that exceeds its rate is not read for a while, so that the network slows its sender down. A
 * socket whose message is too large is closed as soon as the frame header is read: the WebSocket then holds only the
 * bytes that arrived together with the header. A class, because a server has one for each socket.
 */
class SocketLimiter implements ReceiveLimiter {
  private readonly meter: FrameMeter;
  private bounds: ReceiveBounds;
  private frames = 0;
  private otherFrames = 0;
  private messageBytes = 0;
  private isStopped = false;
  private holds = 0;
  private waiting: Subscription | null = null;

  private readonly socket: ReceiveLimiterOptions['socket'];
  private readonly scheduler: SchedulerLike;
  private readonly owner: ReceiveLimiterOwner;

  constructor({ socket, scheduler, bounds, owner }: ReceiveLimiterOptions) {
    this.socket = socket;
    this.scheduler = scheduler;
    this.owner = owner;
    this.bounds = bounds;
    this.meter = createFrameMeter(this);
  }

  feed(chunk: Uint8Array): void {
    if (this.isStopped) return;
    this.frames = 0;
    this.meter.read(chunk);
    const waitMs = this.bounds.allowance.spend(this.frames, chunk.byteLength);
    if (waitMs <= 0 || this.waiting !== null) return;
    const { socket, scheduler } = this;
    socket.pause?.(); // Has no further effect on a socket that was closed just now.
    this.waiting = scheduler.schedule(() => this.resume(), waitMs);
  }

  setBounds(bounds: ReceiveBounds): void {
    this.bounds = bounds;
    this.resume();
  }

  stop(): void {
    this.resume(); // The socket must also receive the close of the other end.
    this.isStopped = true;
    this.endWait();
  }

  hold(): void {
    this.holds += 1;
    if (this.holds === 1 && !this.isStopped) this.socket.pause?.();
  }

  release(): void {
    this.holds -= 1;
    if (this.holds === 0 && this.waiting === null && !this.isStopped) this.socket.resume?.();
  }

  /** Takes the header of a frame. Returns whether further ones are wanted. */
  frameStarted(opcode: number, bytes: number): boolean {
    this.frames += 1;
    const isControl = opcode >= firstControlOpcode;
    if (isControl || opcode === 0) this.otherFrames += 1;
    if (!isControl) this.messageBytes = (opcode === 0 ? this.messageBytes : 0) + bytes;
    const { messageBytes, otherFrames } = this;
    const { messageBytesMax, otherFramesMax } = this.bounds;
    if (messageBytes > messageBytesMax)
      this.exceed(socketCloseCodes.tooLarge, `The message has ${messageBytes} bytes; the limit is ${messageBytesMax}.`);
    if (otherFrames > otherFramesMax)
      this.exceed(socketCloseCodes.tooMuch, `More than ${otherFramesMax} frames do not begin a message.`);
    return !this.isStopped;
  }

  private exceed(code: number, text: string): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.owner.exceeded(code, text);
    this.socket.pause?.(); // Nothing more is read or buffered until the close times out.
  }

  private endWait(): void {
    this.waiting?.unsubscribe();
    this.waiting = null;
  }

  private resume(): void {
    if (this.waiting === null || this.isStopped) return;
    this.endWait();
    if (this.holds === 0) this.socket.resume?.();
  }
}

export const createReceiveLimiter = (options: ReceiveLimiterOptions): ReceiveLimiter => new SocketLimiter(options);
