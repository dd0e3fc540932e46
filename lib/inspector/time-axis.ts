/** Pixels between two ticks at least, so that their labels do not touch. */
const tickGap = 84;
const dayMs = 86_400_000;
const steps = [1, 5, 10, 50, 100, 500, 1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 18e5, 36e5, 216e5, dayMs];

/** Returns the milliseconds between two ticks. */
export const tickStep = (scale: number): number =>
  steps.find((step) => step * scale >= tickGap) ?? Math.ceil(tickGap / scale / dayMs) * dayMs;

/** Returns the times of the ticks between two times, in the order of time. */
export const ticksBetween = (from: number, to: number, step: number): readonly number[] => {
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, index) => (first + index) * step);
};

/** Writes a time of day in the time zone of the reader, with milliseconds if the ticks need them. */
export const formatTime = (at: number, withMilliseconds: boolean): string => {
  const time = new Date(at).toTimeString().slice(0, 8); // `14:05:09`, in every language.
  return withMilliseconds ? `${time}.${String(Math.floor(at % 1_000)).padStart(3, '0')}` : time;
};
