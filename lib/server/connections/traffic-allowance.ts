/** Counts traffic and returns the milliseconds to wait before reading more. */
export type Allowance = (frames: number, bytes: number) => number;

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
 * Creates a bucket that fills steadily. Its level may become negative, because received traffic cannot be sent back.
 */
const createTokenBucket = (perSecond: number) => {
  const most = perSecond * burstSeconds;
  let left = most;
  return {
    fill: (ms: number): void => void (left = Math.min(most, left + (ms * perSecond) / 1_000)),
    take: (amount: number): number => {
      left -= amount;
      return left >= 0 ? 0 : (-left * 1_000) / perSecond;
    },
  };
};

/**
 * Creates an allowance of frames and bytes per second, with twice as many in a burst. A clock that is set back costs
 * nothing.
 */
export const createAllowance = ({ framesPerSecond, bytesPerSecond, now }: AllowanceOptions): Allowance => {
  const [frameBucket, byteBucket] = [createTokenBucket(framesPerSecond), createTokenBucket(bytesPerSecond)];
  let at = now();
  return (frames, bytes) => {
    const time = now();
    const ms = Math.max(0, time - at);
    at = time;
    frameBucket.fill(ms);
    byteBucket.fill(ms);
    return Math.min(waitMsMax, Math.ceil(Math.max(frameBucket.take(frames), byteBucket.take(bytes))));
  };
};
