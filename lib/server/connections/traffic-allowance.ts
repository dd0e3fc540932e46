/** Counts what somebody takes; how many milliseconds he has to wait after that. */
export type Allowance = (frames: number, bytes: number) => number;

export interface AllowanceOptions {
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly now: () => number;
}

/** Seconds of rest that are saved up: this much may come at once. */
const burstSeconds = 2;
/** Milliseconds that nobody waits longer for: what came in one piece has been taken already. */
const waitMsMax = 10_000;

/** Takes from what fills up steadily; may end below zero, because what has come cannot be sent back. */
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
 * So many frames and bytes a second, and twice as many at once after a rest. A clock that is put back costs nobody
 * anything.
 */
export const createAllowance = ({ framesPerSecond, bytesPerSecond, now }: AllowanceOptions): Allowance => {
  const [frameTank, byteTank] = [createTokenBucket(framesPerSecond), createTokenBucket(bytesPerSecond)];
  let at = now();
  return (frames, bytes) => {
    const time = now();
    const ms = Math.max(0, time - at);
    at = time;
    frameTank.fill(ms);
    byteTank.fill(ms);
    return Math.min(waitMsMax, Math.ceil(Math.max(frameTank.take(frames), byteTank.take(bytes))));
  };
};
