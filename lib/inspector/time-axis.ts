/** Pixels between two ticks at least, so that their labels do not touch. */
const tickGap = 84;
const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1_440].map((minutes) => minutes * 60_000),
);

/** Returns the milliseconds between two ticks. */
export const tickStep = (scale: number): number =>
  steps.find((step) => step * scale >= tickGap) ?? Math.ceil(tickGap / scale / 86_400_000) * 86_400_000;

/** Returns the times of the ticks between two times, in the order of time. */
export const ticksBetween = (from: number, to: number, step: number): readonly number[] => {
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, index) => (first + index) * step);
};

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

/** Writes a time of day in the time zone of the reader, with milliseconds if the ticks need them. */
export const formatTime = (at: number, withMilliseconds: boolean): string => {
  const date = new Date(at);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => pad(part, 2)).join(':');
  return withMilliseconds ? `${time}.${pad(date.getMilliseconds(), 3)}` : time;
};
