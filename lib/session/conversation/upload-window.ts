import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';

/**
 * How many pages of one session may be on their way up: as many as the line carries without queueing, so that others
 * are not kept waiting.
 */
export interface UploadWindow {
  /** A page up to this version was said. */
  readonly recordSent: (version: Version) => void;
  /** Everything up to this version is acknowledged. */
  readonly recordAccepted: (version: Version) => void;
  /** Pages that may be unacknowledged now: 2 to `limits.pagesInFlightMax`. */
  readonly pagesMax: () => number;
}

/** One page on the line and one behind it: fewer would leave the line idle between a page and the next. */
const windowMin = 2;

/** Milliseconds by which an answer may be late without anything queueing: a disk that syncs, a busy server. */
const jitterMs = 20;

/**
 * Opens its window while answers come about as soon as the quickest one did, and closes it when they come later: then
 * pages queue on the line, and another session's small write would wait behind all of them. After TCP Vegas (Brakmo and
 * Peterson, 1994), which tells a full line from its delays and not from its losses. Belongs to one conversation.
 */
export const createUploadWindow = ({ scheduler }: Pick<Clock, 'scheduler'>): UploadWindow => {
  const onTheirWay: { readonly version: Version; readonly at: number }[] = []; // At most a window of them.
  let quickest = Infinity;
  let window = windowMin;

  return {
    recordSent: (version) => void onTheirWay.push({ version, at: scheduler.now() }),
    recordAccepted: (version) => {
      let took: number | null = null;
      while (onTheirWay[0] !== undefined && onTheirWay[0].version <= version) {
        took = scheduler.now() - (onTheirWay.shift()?.at ?? 0);
      }
      if (took === null) return;
      quickest = Math.min(quickest, took);
      const isFree = took <= quickest + Math.max(jitterMs, quickest / 16);
      window = isFree ? Math.min(limits.pagesInFlightMax, window + 1) : Math.max(windowMin, window - 1);
    },
    pagesMax: () => window,
  };
};
