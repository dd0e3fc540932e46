import type { Version } from '../../model/version.js';
import type { OutboxState } from '../../model/sync-port.js';

/**
 * Effect of client resets on the client versions of writes.
 *
 * A client version plus `shift` is the version that the write would have without resets. Writes with such versions over
 * `lostFrom`, up to `lostTo`, were discarded by the last reset that discarded changes.
 */
export interface VersionShift {
  readonly shift: Version;
  readonly lostFrom: Version;
  readonly lostTo: Version;
}

export const noShift: VersionShift = { shift: 0, lostFrom: 0, lostTo: 0 };

/**
 * Returns the shift after a change of the outbox, and the same object when there was no client reset.
 *
 * A realm numbers its writes from 1 after a client reset. Unsent writes keep their order, unless they were discarded.
 */
export const updateVersionShift = (before: VersionShift, outbox: OutboxState, next: OutboxState): VersionShift => {
  if (next.acknowledged >= outbox.acknowledged && next.written >= outbox.written) return before;
  const from = before.shift + outbox.acknowledged;
  const to = before.shift + outbox.written;
  return next.written >= outbox.changesets ? { ...before, shift: from } : { shift: to, lostFrom: from, lostTo: to };
};
