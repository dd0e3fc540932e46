/** An allowance of traffic. */
export interface Allowance {
  /** Counts traffic and returns the milliseconds to wait before reading more. */
  spend(frames: number, bytes: number): number;
}

export interface AllowanceOptions {
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly now: () => number;
}

/** Seconds of unused allowance that are saved up for a burst. */
const burstSeconds = 2;
/** Longest wait in milliseconds. Traffic above the allowance was received already. */
const waitMsMax = 10_000;

/**
 * An allowance that fills steadily. Its levels may become negative, because received traffic cannot be sent back. A
 * class, because a server has one for each user.
 */
class TrafficAllowance implements Allowance {
  private frames: number;
  private bytes: number;
  private at: number;

  constructor(private readonly options: AllowanceOptions) {
    const { framesPerSecond, bytesPerSecond, now } = options;
    this.frames = framesPerSecond * burstSeconds;
    this.bytes = bytesPerSecond * burstSeconds;
    this.at = now();
  }

  spend(frames: number, bytes: number): number {
    const { framesPerSecond, bytesPerSecond, now } = this.options;
    const time = now();
    const ms = Math.max(0, time - this.at);
    this.at = time;
    this.frames = fill(this.frames, framesPerSecond, ms) - frames;
    this.bytes = fill(this.bytes, bytesPerSecond, ms) - bytes;
    const waitMs = Math.max(waitMsOf(this.frames, framesPerSecond), waitMsOf(this.bytes, bytesPerSecond));
    return Math.min(waitMsMax, Math.ceil(waitMs));
  }
}

const fill = (left: number, perSecond: number, ms: number): number =>
  Math.min(perSecond * burstSeconds, left + (ms * perSecond) / 1_000);

const waitMsOf = (left: number, perSecond: number): number => (left >= 0 ? 0 : (-left * 1_000) / perSecond);

/**
 * Creates an allowance of frames and bytes per second, with twice as many in a burst. A clock that is set back costs
 * nothing. Many allowances may share their options.
 */
export const createAllowance = (options: AllowanceOptions): Allowance => new TrafficAllowance(options);
