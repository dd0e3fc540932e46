import { VirtualTimeScheduler } from 'rxjs';
import { TabWatch } from '../../../lib/client/tabs/tab-watch.js';

const hour = 3_600_000;

/** Watches a leader that never answers. Returns the milliseconds until it is replaced. `setBy`: sets the clock once. */
const replaceAfter = (setBy: number, at: number): number => {
  const scheduler = new VirtualTimeScheduler();
  const pings: number[] = [];
  scheduler.now = () => scheduler.frame + 10 * hour + (scheduler.frame > at ? setBy : 0);
  scheduler.maxFrames = 10_000;
  let silentAt = Infinity;
  const watch = new TabWatch(
    { scheduler },
    () => pings.push(scheduler.frame),
    () => {
      silentAt = Math.min(silentAt, scheduler.frame);
      watch.stop();
    },
  );
  watch.start();
  scheduler.flush();
  expect(pings.length).toBeGreaterThan(0);
  return silentAt;
};

describe('the watch of a leader', () => {
  it('replaces a leader that does not answer for half a second', () => {
    expect(replaceAfter(0, 0)).toBe(750);
  });

  it.each([-hour, hour])('replaces it in the same time again after the clock of the device was set by %d ms', (by) => {
    for (const at of [100, 300, 600]) expect(replaceAfter(by, at)).toBeLessThanOrEqual(750 + 750);
  });
});
