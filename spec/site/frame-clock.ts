import type { Page } from 'playwright-core';

/** One change of another device, from the arrival of its message at the WebSocket until it is painted. */
export interface ShownChange {
  readonly device: string;
  /** The key of the new task. */
  readonly id: string;
  /** Frames of the browser: 1 is the first frame that begins after the arrival. */
  readonly frames: number;
  /** Milliseconds until that frame is painted. */
  readonly ms: number;
}

interface FrameClock {
  expected: string;
  arrival: { readonly at: number; readonly frame: number } | null;
  readonly shown: ShownChange[];
  onPainted: () => void;
  done: Promise<readonly ShownChange[]>;
}

/** Notes when messages arrive in a page, and when the tasks that they bring are painted. Runs before other scripts. */
const installInPage = (): void => {
  const clock: FrameClock = {
    ...{ expected: '', arrival: null, shown: [] },
    ...{ onPainted: () => undefined, done: Promise.resolve([]) },
  };
  /** The changes that are in the page, and not painted yet. */
  let unpainted: Pick<ShownChange, 'device' | 'id'>[] = [];
  let frame = 0;

  // A message of this channel that is sent at the beginning of a frame is received after the frame was painted.
  const painted = new MessageChannel();
  painted.port1.onmessage = () => {
    const { at, frame: first } = clock.arrival ?? { at: NaN, frame: NaN };
    for (const change of unpainted) clock.shown.push({ ...change, frames: frame - first, ms: performance.now() - at });
    if (unpainted.length > 0) clock.onPainted();
    unpainted = [];
  };
  const beginFrame = (): void => {
    frame += 1;
    painted.port2.postMessage(null);
    requestAnimationFrame(beginFrame);
  };
  requestAnimationFrame(beginFrame);

  const Socket = globalThis.WebSocket;
  globalThis.WebSocket = class extends Socket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('message', () => (clock.arrival ??= { at: performance.now(), frame }));
    }
  };

  const look = (): void => {
    const { expected: id, arrival, shown } = clock;
    if (id === '' || arrival === null) return;
    for (const element of document.querySelectorAll<HTMLElement>('board-device')) {
      const device = element.dataset['device'] ?? '';
      const isNoted = [...shown, ...unpainted].some((change) => change.device === device && change.id === id);
      if (!isNoted && element.querySelector(`[data-task="${id}"]`)) unpainted.push({ device, id });
    }
  };
  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
  });
  Object.assign(globalThis, { frameClock: clock });
};

export const installFrameClock = (page: Page): Promise<unknown> => page.addInitScript(installInPage);

/** Makes a change on another device, a new task with the key `id`, and waits until some devices of the page show it. */
export const measureChange = async (
  page: Page,
  id: string,
  devices: number,
  makeChange: () => Promise<unknown>,
): Promise<readonly ShownChange[]> => {
  // The page resolves a promise: to ask it again and again would cost time in its main thread.
  const begin = ([expected, count]: readonly [string, number]): void => {
    const clock = (globalThis as unknown as { frameClock: FrameClock }).frameClock;
    clock.expected = expected;
    clock.arrival = null;
    clock.done = new Promise((resolve) => {
      clock.onPainted = () => {
        const found = clock.shown.filter((change) => change.id === expected);
        if (found.length === count) resolve(found);
      };
    });
  };
  await page.evaluate(begin, [id, devices] as const);
  await makeChange();
  return page.evaluate(() => (globalThis as unknown as { frameClock: FrameClock }).frameClock.done);
};

/** Begins to measure the time for which the main thread of a page uses a processor, whatever else the machine does. */
export const measureMainThread = async (page: Page): Promise<() => Promise<number>> => {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const readMs = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN);
  };
  const before = await readMs();
  return async () => {
    const ms = (await readMs()) - before;
    await session.detach();
    return ms;
  };
};

/** The value below which a part of all values is. */
export const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))] ?? NaN;
