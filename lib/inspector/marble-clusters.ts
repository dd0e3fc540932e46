import type { RowEvent } from './session-row.js';

/** Consecutive events that are too close to be drawn as marbles of their own: `first` to `last`, by index. */
export interface MarbleCluster {
  readonly first: number;
  readonly last: number;
}

/** Pixels between the beginnings of two clusters at least. */
export const clusterGap = 40;

/**
 * Joins events that would overlap. A cluster begins at the first event that is at least `clusterGap` pixels after the
 * beginning of the cluster before. So clusters stay the same while time passes.
 *
 * @param events - The events of a row, in the order of time.
 * @param scale - Pixels per millisecond.
 * @returns The clusters, in order.
 */
export const clusterEvents = (events: readonly RowEvent[], scale: number): readonly MarbleCluster[] => {
  const clusters: { first: number; last: number }[] = [];
  let current: { first: number; last: number } | null = null;
  let beginsAt = 0;
  events.forEach(({ at }, index) => {
    if (current && (at - beginsAt) * scale < clusterGap) current.last = index;
    else {
      beginsAt = at;
      current = { first: index, last: index };
      clusters.push(current);
    }
  });
  return clusters;
};

/** Returns the text in the marble of a cluster: two letters as a group, the last of several numbers, or a count. */
export const labelOf = (events: readonly RowEvent[], { first, last }: MarbleCluster): string => {
  const text = events[last]?.label ?? '';
  if (first === last) return text;
  if (/\d/.test(text)) return `…${text}`;
  const count = last - first + 1;
  if (count === 2) return `(${events[first]?.label}${text})`;
  return `×${count < 1_000 ? count : `${Math.round(count / 1_000)}k`}`;
};

/** Returns the index of the event that is nearest to a time; -1 for none. */
export const nearestEvent = (events: readonly RowEvent[], at: number): number =>
  events.reduce(
    (best, event, index) =>
      best < 0 || Math.abs(event.at - at) <= Math.abs((events[best]?.at ?? 0) - at) ? index : best,
    -1,
  );
