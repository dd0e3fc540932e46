import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';

/**
 * The limit of unacknowledged pages of one session.
 *
 * It is as large as the connection can carry without queueing, so that other sessions do not wait.
 */
export interface UploadWindow {
  /** A page up to this version was sent. */
  readonly recordSent: (version: Version) => void;
  /** Everything up to this version is acknowledged. */
  readonly recordAccepted: (version: Version) => void;
  /** Returns the pages that may be unacknowledged now: 2 to `limits.pagesInFlightMax`. */
  readonly pagesMax: () => number;
}

/** One page in transfer and one behind it. With fewer the connection would be idle between two pages. */
const windowMin = 2;

/** Milliseconds that an answer may be late without a queue: a disk that syncs, or a busy server. */
const jitterMs = 20;

/**
 * Creates a window that grows while answers are about as fast as the fastest one, and shrinks when they are slower.
 *
 * Slow answers mean that pages queue on the connection, and a small write of another session would wait behind all of
 * them. After TCP Vegas (Brakmo and Peterson, 1994), which detects congestion by delay and not by loss. Belongs to one
 * conversation.
 */
export const createUploadWindow = ({ scheduler }: Pick<Clock, 'scheduler'>): UploadWindow => {
  const inFlight: { readonly version: Version; readonly at: number }[] = []; // At most one window of pages.
  let fastestMs = Infinity;
  let window = windowMin;

  return {
    recordSent: (version) => void inFlight.push({ version, at: scheduler.now() }),
    recordAccepted: (version) => {
      let answerMs: number | null = null;
      while (inFlight[0] !== undefined && inFlight[0].version <= version) {
        answerMs = scheduler.now() - (inFlight.shift()?.at ?? 0);
      }
      if (answerMs === null) return;
      fastestMs = Math.min(fastestMs, answerMs);
      const isUncongested = answerMs <= fastestMs + Math.max(jitterMs, fastestMs / 16);
      window = isUncongested ? Math.min(limits.pagesInFlightMax, window + 1) : Math.max(windowMin, window - 1);
    },
    pagesMax: () => window,
  };
};
