/** Whether one more may pass. */
export type RateLimit = () => boolean;

/**
 * Lets `perSecond` pass a second, and as many at once after a second of rest. A clock that is put back costs nobody
 * anything.
 */
export const createRateLimit = (perSecond: number, now: () => number): RateLimit => {
  let left = perSecond;
  let at = now();
  return () => {
    const time = now();
    left = Math.min(perSecond, left + (Math.max(0, time - at) * perSecond) / 1_000);
    at = time;
    if (left < 1) return false;
    left -= 1;
    return true;
  };
};
