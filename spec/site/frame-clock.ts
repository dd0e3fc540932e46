import type { Page } from 'playwright-core';

/** One change of another device, from the arrival of its message at the WebSocket until it is painted. */
export interface ShownChange {
  readonly device: string;
  readonly title: string;
  /** Frames of the browser: 1 is the first frame that begins after the arrival. */
  readonly frames: number;
  /** Milliseconds until the change is in the page, before the frame is painted. */
  readonly ms: number;
}

interface FrameClock {
  expected: string;
  arrival: { readonly at: number; readonly frame: number } | null;
  readonly shown: ShownChange[];
}

/** Counts frames in a page, and notes when messages arrive. Runs before the scripts of the page. */
const installInPage = (): void => {
  let frame = 0;
  let isInFrame = false;
  const clock: FrameClock = { expected: '', arrival: null, shown: [] };
  // A message of this channel is received after the frame in which it was sent was painted.
  const painted = new MessageChannel();
  painted.port1.onmessage = () => (isInFrame = false);
  const count = (): void => {
    frame += 1;
    isInFrame = true;
    painted.port2.postMessage(null);
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);

  const Socket = globalThis.WebSocket;
  globalThis.WebSocket = class extends Socket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('message', () => (clock.arrival ??= { at: performance.now(), frame }));
    }
  };

  const look = (): void => {
    const { expected, arrival, shown } = clock;
    if (expected === '' || !arrival) return;
    for (const element of document.querySelectorAll<HTMLElement>('board-device')) {
      const device = element.dataset['device'] ?? '';
      const isCounted = shown.some((change) => change.device === device && change.title === expected);
      if (isCounted || !element.querySelector(`[data-task="${expected}"]`)) continue;
      // A change that is made within a frame, before it is painted, belongs to that frame.
      const frames = frame - arrival.frame + (isInFrame ? 0 : 1);
      shown.push({ device, title: expected, frames, ms: performance.now() - arrival.at });
    }
  };
  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
  });
  Object.assign(globalThis, { frameClock: clock });
};

export const installFrameClock = (page: Page): Promise<unknown> => page.addInitScript(installInPage);

/** Waits for the next change, which another device makes. The key of the new task is `title`. */
export const measureChange = async (
  page: Page,
  title: string,
  devices: number,
  makeChange: () => Promise<unknown>,
): Promise<readonly ShownChange[]> => {
  const useClock = (expected: string) => {
    Object.assign((globalThis as unknown as { frameClock: FrameClock }).frameClock, { expected, arrival: null });
  };
  const readShown = ([expected, count]: readonly [string, number]) => {
    const { shown } = (globalThis as unknown as { frameClock: FrameClock }).frameClock;
    const found = shown.filter((change) => change.title === expected);
    return found.length === count && found;
  };
  await page.evaluate(useClock, title);
  await makeChange();
  const handle = await page.waitForFunction(readShown, [title, devices] as const, { timeout: 10_000 });
  return (await handle.jsonValue()) as readonly ShownChange[];
};

/** The value below which a part of all values is. */
export const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))] ?? NaN;
