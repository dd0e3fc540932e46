import type { SchedulerLike } from 'rxjs';
import { InvariantError } from './invariants.js';

/** Milliseconds for which a device may have two connections, while its tabs hand over the lead. */
const overlapMs = 1_000;

export interface OverlapOptions {
  readonly scheduler: SchedulerLike;
  /** The number of open connections of a device. */
  readonly count: (device: number) => number;
  readonly broken: (broken: InvariantError) => void;
}

/** Checks that a device has one connection, however many tabs it has. Call it when a connection opens or ends. */
export const createOverlapWatch = ({ scheduler, count, broken }: OverlapOptions): ((device: number) => void) => {
  const since = new Map<number, number>();
  return (device) => {
    if (count(device) < 2) {
      since.delete(device);
      return;
    }
    if (since.has(device)) return;
    const start = scheduler.now();
    since.set(device, start);
    scheduler.schedule(() => {
      if (since.get(device) !== start) return;
      const detail = `device ${device} has ${count(device)} connections for ${overlapMs} ms`;
      broken(new InvariantError('tabs share one connection', detail));
    }, overlapMs + 1);
  };
};
