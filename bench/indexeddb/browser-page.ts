import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { findChromium } from '../../spec/browser/start-chromium.js';

/** A page in a browser, and the calls that it answers. */
export interface BrowserPage<Calls> {
  readonly origin: string;
  readonly version: string;
  readonly call: <Name extends keyof Calls & string>(
    name: Name,
    ...args: Calls[Name] extends (...args: infer Given) => unknown ? Given : never
  ) => Promise<Calls[Name] extends (...args: never[]) => infer Result ? Awaited<Result> : never>;
  readonly close: () => Promise<void>;
}

const flags = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'];

/** Returns the bundle of a compiled program for browsers. */
export const bundlePage = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({
    ...{ entryPoints: [entry], bundle: true, minify: true, write: false, logLevel: 'error' },
    ...{ platform: 'browser', format: 'esm' },
    tsconfigRaw: {}, // The paths of tsconfig.json lead to the sources for Node.
  });
  return outputFiles[0]?.text ?? '';
};

/** Runs in the page. */
const callPage = ([name, args]: readonly [string, readonly unknown[]]): unknown =>
  (globalThis as unknown as { calls: Record<string, (...args: unknown[]) => unknown> }).calls[name]?.(...args);

/**
 * Serves a page with a bundle of a compiled program of this folder, and opens it in a headless Chromium with a new
 * profile. Rejects when Chromium is missing or does not start.
 */
export const openBrowserPage = async <Calls>(program: string): Promise<BrowserPage<Calls>> => {
  const code = await bundlePage(fileURLToPath(new URL(program, import.meta.url)));
  const server = createServer(({ url }, response) => {
    response.setHeader('content-type', url === '/page.js' ? 'text/javascript' : 'text/html');
    response.end(url === '/page.js' ? code : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const browser = await chromium.launch({ executablePath: findChromium(), args: flags, timeout: 30_000 });
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(origin);
  await page.waitForFunction('globalThis.calls');
  return {
    origin,
    version: browser.version(),
    call: (name, ...args) => page.evaluate(callPage, [name, args] as const) as never,
    close: async () => {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
};
