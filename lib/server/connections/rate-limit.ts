/** Whether another event may pass. Counts it if so. */
export type RateLimit = () => boolean;

/** Creates a limit of `perSecond` events, with as many in a burst. A clock that is set back costs nothing. */
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
