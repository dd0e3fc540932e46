import type { Version } from '../../model/version.js';
import type { OutboxState } from '../sync-port.js';

/**
 * What resets did to the numbers of writes: added to one, `shift` makes it the number that it would have without them;
 * those over `lostFrom` up to `lostTo`, counted so, were thrown away by the last one that discarded.
 */
export interface VersionShift {
  readonly shift: Version;
  readonly lostFrom: Version;
  readonly lostTo: Version;
}

export const noShift: VersionShift = { shift: 0, lostFrom: 0, lostTo: 0 };

/**
 * A realm that has started over counts its writes from 1: what is unsent keeps its order, unless it was discarded. The
 * very same object for one that has not.
 */
export const updateVersionShift = (before: VersionShift, outbox: OutboxState, next: OutboxState): VersionShift => {
  if (next.acknowledged >= outbox.acknowledged && next.written >= outbox.written) return before;
  const from = before.shift + outbox.acknowledged;
  const to = before.shift + outbox.written;
  return next.written >= outbox.changesets ? { ...before, shift: from } : { shift: to, lostFrom: from, lostTo: to };
};
