import type { Observer, SchedulerLike } from 'rxjs';

/** One direction of a connection: frames arrive in order, each after a delay of its own. */
export interface Pipe {
  readonly send: (frame: Uint8Array) => void;
  readonly end: () => void;
  readonly fail: (thrown: unknown) => void;
  /**
   * Cuts the connection here: `part` of the bytes in flight still arrives, delayed by `heldMs`, except for the frame at
   * the cut. Returns the milliseconds until the last frame arrives. Later frames are lost.
   */
  readonly cut: (part: number, heldMs: number) => number;
  /** Loses everything that has not arrived. */
  readonly shut: () => void;
}

export interface PipeOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Longest delay of a frame in milliseconds. */
  readonly slowest: () => number;
  readonly to: Observer<Uint8Array>;
  /** Receives 1 for each frame that is sent, and -1 when it arrives or is lost. */
  readonly onCount: (change: 1 | -1) => void;
  /** Receives the number of bytes in flight. */
  readonly onQueued: (bytes: number) => void;
  /** Called when the cut is inside a frame. */
  readonly onCutFrame: () => void;
}

/** A frame in flight. The end of the stream has no bytes. */
interface FrameInFlight {
  readonly bytes: number;
  isLost: boolean;
}

export const createPipe = ({ scheduler, random, slowest, to, onCount, onQueued, onCutFrame }: PipeOptions): Pipe => {
  const inFlight = new Set<FrameInFlight>();
  let bytes = 0;
  let last = 0; // When the last frame arrives.
  let held = 0; // No frame arrives before this time.
  let isOpen = true;

  const pass = (flight: FrameInFlight, deliver: () => void): void => {
    if (!isOpen) return;
    last = Math.max(last, scheduler.now() + Math.floor(random() * slowest()));
    inFlight.add(flight);
    onCount(1);
    onQueued((bytes += flight.bytes));
    const arrive = (): void => {
      if (held > scheduler.now()) {
        scheduler.schedule(arrive, held - scheduler.now());
        return;
      }
      inFlight.delete(flight);
      onCount(-1);
      bytes -= flight.bytes;
      if (!flight.isLost) deliver();
    };
    scheduler.schedule(arrive, last - scheduler.now());
  };
  const lose = (part: number): void => {
    let left = Math.floor(bytes * part);
    let isFrameCut = false;
    for (const flight of inFlight) {
      flight.isLost = flight.bytes === 0 || flight.bytes > left;
      if (!flight.isLost) {
        left -= flight.bytes;
        continue;
      }
      if (left > 0) isFrameCut = true;
      left = 0;
    }
    if (isFrameCut) onCutFrame();
  };
  return {
    send: (frame) => pass({ bytes: frame.byteLength, isLost: false }, () => to.next(frame)),
    end: () => pass({ bytes: 0, isLost: false }, () => to.complete()),
    fail: (thrown) => pass({ bytes: 0, isLost: false }, () => to.error(thrown)),
    cut: (part, heldMs) => {
      if (!isOpen) return 0;
      isOpen = false;
      lose(part);
      if (heldMs > 0) held = scheduler.now() + heldMs;
      return Math.max(0, last - scheduler.now(), heldMs);
    },
    shut: () => {
      isOpen = false;
      for (const flight of inFlight) flight.isLost = true;
    },
  };
};
