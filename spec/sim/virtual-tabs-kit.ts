import { defer, type Observable } from 'rxjs';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { createDisk } from '../../sim/simulated-disk.js';
import { createVirtualBrowser } from '../../sim/virtual-tabs.js';
import { createWorldTime } from '../../sim/world-time.js';

export interface TestBrowserOptions {
  readonly random?: () => number;
  /** One millisecond by default. `drawn`: as the browser draws it. */
  readonly latency?: (() => number) | 'drawn';
  /** The random numbers of the disk: 0 makes every request quick, 0.993 makes it take 398 ms. */
  readonly diskRandom?: () => number;
}

/** Creates a browser, its time, and a list of events with their times. */
export const createTestBrowser = ({
  random = createSeededRandom(1),
  latency = () => 1,
  diskRandom = () => 0,
}: TestBrowserOptions = {}) => {
  const time = createWorldTime();
  const disk = createDisk({ scheduler: time, random: diskRandom });
  let opened = 0;
  const open = defer(() => {
    opened += 1;
    return disk.open;
  });
  const browser = createVirtualBrowser({
    ...{ scheduler: time, random, name: 'tasks', storage: () => open },
    ...(latency !== 'drawn' && { latency }),
  });
  const events: string[] = [];
  const note = (event: string): void => void events.push(`${time.frame} ${event}`);
  return {
    time,
    disk,
    browser,
    events,
    note,
    /** The number of times that the disk was opened. */
    openCount: () => opened,
    /** Runs an action at a moment. */
    at: (ms: number, act: () => void): void => void time.schedule(act, ms - time.frame),
    /** Notes everything that a stream emits. */
    watch: <A>(name: string, stream$: Observable<A>, show: (value: A) => string = String) =>
      stream$.subscribe({
        next: (value) => note(value === undefined ? name : `${name} ${show(value)}`),
        error: (thrown: unknown) => note(`${name} fails: ${(thrown as Error).message}`),
        complete: () => note(`${name} completes`),
      }),
    /** Runs everything, and returns the events since the last call. */
    play: (): readonly string[] => {
      time.flush();
      return events.splice(0);
    },
  };
};
