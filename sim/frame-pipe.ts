import type { Observer, SchedulerLike } from 'rxjs';

/** One way of a line: frames arrive in order, each after a while of its own. */
export interface Pipe {
  readonly send: (frame: Uint8Array) => void;
  readonly end: () => void;
  readonly fail: (thrown: unknown) => void;
  /**
   * Breaks here: of the bytes that are under way a part still arrives, after `heldMs` more, and the frame in which it
   * ends never does. Says how many milliseconds that takes. What is said from now on is lost.
   */
  readonly cut: (part: number, heldMs: number) => number;
  /** Nothing arrives any more. */
  readonly shut: () => void;
}

export interface PipeOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Milliseconds that a frame takes at most. */
  readonly slowest: () => number;
  readonly to: Observer<Uint8Array>;
  /** Hears how many bytes are under way. */
  readonly onQueued: (bytes: number) => void;
  /** Told when a frame was cut in its middle. */
  readonly onCutFrame: () => void;
}

/** What is under way: a frame, or with no bytes the end. */
interface FrameInFlight {
  readonly bytes: number;
  isLost: boolean;
}

export const createPipe = ({ scheduler, random, slowest, to, onQueued, onCutFrame }: PipeOptions): Pipe => {
  const flying = new Set<FrameInFlight>();
  let bytes = 0;
  let last = 0; // When the last of it arrives.
  let held = 0; // Until when nothing does.
  let isOpen = true;

  const pass = (flight: FrameInFlight, tell: () => void): void => {
    if (!isOpen) return;
    last = Math.max(last, scheduler.now() + Math.floor(random() * slowest()));
    flying.add(flight);
    onQueued((bytes += flight.bytes));
    const arrive = (): void => {
      if (held > scheduler.now()) {
        scheduler.schedule(arrive, held - scheduler.now());
        return;
      }
      flying.delete(flight);
      bytes -= flight.bytes;
      if (!flight.isLost) tell();
    };
    scheduler.schedule(arrive, last - scheduler.now());
  };
  const lose = (part: number): void => {
    let left = Math.floor(bytes * part);
    let isTorn = false;
    for (const flight of flying) {
      flight.isLost = flight.bytes === 0 || flight.bytes > left;
      if (!flight.isLost) {
        left -= flight.bytes;
        continue;
      }
      if (left > 0) isTorn = true;
      left = 0;
    }
    if (isTorn) onCutFrame();
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
      for (const flight of flying) flight.isLost = true;
    },
  };
};
