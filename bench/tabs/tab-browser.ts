import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page as Opened } from 'playwright-core';
import { createPageControls, leftPath, type PageControls } from '../../spec/browser/page-controls.js';
import { type KillBrowser, startChromium } from '../../spec/browser/start-chromium.js';
import { bundlePage } from '../indexeddb/browser-page.js';
import type { Calls } from './tabs-page.js';

/** A tab of the benchmark. It is visible until it is hidden. */
export interface Tab extends PageControls {
  /** Calls a function of `tabs-page.ts` in the tab. */
  readonly call: <Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ) => Promise<Awaited<ReturnType<Calls[Name]>>>;
  /** Bytes of the objects and buffers of JavaScript in the tab, after garbage collections. */
  readonly measureHeap: () => Promise<number>;
}

export interface TabBrowser {
  readonly origin: string;
  readonly version: string;
  readonly openTab: () => Promise<Tab>;
  readonly close: () => Promise<void>;
}

const createTab = async (opened: Opened, url: string): Promise<Tab> => {
  opened.setDefaultTimeout(120_000);
  const controls = await createPageControls(opened);
  await opened.goto(url);
  await opened.waitForFunction('globalThis.calls');
  const devtools = await opened.context().newCDPSession(opened);
  return {
    ...controls,
    call: (name, ...args) =>
      opened.evaluate(
        ([method, given]) =>
          (globalThis as unknown as { calls: Record<string, (...args: unknown[]) => never> }).calls[method]!(...given),
        [name, args] as const,
      ),
    measureHeap: async () => {
      for (let left = 3; left > 0; left -= 1) await devtools.send('HeapProfiler.collectGarbage');
      const heap: Record<string, number> = { ...(await devtools.send('Runtime.getHeapUsage')) };
      return heap['usedSize']! + (heap['backingStorageSize'] ?? 0);
    },
  };
};

/** Opens a headless Chromium with a new profile, and a server of its page. */
export const openTabBrowser = async (): Promise<TabBrowser> => {
  const code = await bundlePage(fileURLToPath(new URL('./tabs-page.js', import.meta.url)));
  const server = createServer(({ url }, response) => {
    response.setHeader('content-type', url === '/page.js' ? 'text/javascript' : 'text/html');
    const script = url === leftPath ? '' : '<script type="module" src="/page.js"></script>';
    response.end(url === '/page.js' ? code : `<!doctype html>${script}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const profile = mkdtempSync(join(tmpdir(), 'tidemark-tabs-'));
  let end: KillBrowser = () => Promise.resolve();
  const browser = await startChromium(profile, (kill) => {
    end = kill;
    process.once('exit', () => void kill());
  });
  const [context] = browser.contexts();
  return {
    origin,
    version: browser.version(),
    openTab: async () => createTab(await context!.newPage(), `${origin}/`),
    close: async () => {
      await end();
      server.closeAllConnections();
      server.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
};
