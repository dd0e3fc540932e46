import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page as Opened } from 'playwright-core';
import { createBundle } from './create-bundle.js';
import { createPageControls, leftPath, type PageControls } from './page-controls.js';
import type { Calls } from './page-script.js';

const executablePaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Returns the path of a Chromium. Throws when Chromium is missing, because a skipped spec guarantees nothing. */
export const executable = (): string => {
  const path = process.env['CHROMIUM'];
  const found = (path === undefined ? executablePaths : [path]).find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new Error(
    `Chromium was not found${path === undefined ? '' : ` at ${path}`}, and these specs need it. Install it with apt-get install chromium, or set CHROMIUM=<path>.`,
  );
};

/** Flags that stop Chromium's own network requests, and allow it to run as root. */
const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  ...['--noerrdialogs', '--hide-crash-restore-bubble', '--disable-breakpad', '--disable-extensions'],
  ...['--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--remote-debugging-port=0',
];

export interface Page extends PageControls {
  /** Calls a function of `page-script.ts` in the page. */
  readonly call: <Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ) => Promise<Awaited<ReturnType<Calls[Name]>>>;
  readonly opened: Opened;
  /** Errors that the page did not handle. */
  readonly errors: readonly string[];
}

export interface Browser {
  /** Opens a new tab with the page. */
  readonly page: () => Promise<Page>;
  /** Sends SIGKILL to all processes of the browser. Resolves when all have ended. */
  readonly kill: () => Promise<void>;
}

const createPage = async (opened: Opened, url: string): Promise<Page> => {
  const errors: string[] = [];
  opened.on('pageerror', ({ message }) => errors.push(message));
  const controls = await createPageControls(opened);
  await opened.goto(url);
  await opened.waitForFunction('globalThis.calls');
  return {
    ...controls,
    opened,
    errors,
    call: async (name, ...args) =>
      opened.evaluate(
        ([method, given]) =>
          (globalThis as unknown as { calls: Record<string, (...args: unknown[]) => never> }).calls[method]!(...given),
        [name, args] as const,
      ),
  };
};

type Kill = Browser['kill'];

/** Milliseconds that a browser may take to start. On a busy machine some never start, and the next one does. */
const startMs = 15_000;
const startsMost = 3;

const startBrowser = async (profile: string, url: string, running: Kill[]): Promise<Browser> => {
  // Chromium gets a process group of its own, so that its child processes end with it.
  const child = spawn(executable(), [...flags, `--user-data-dir=${profile}`], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL');
    await over;
  };
  running.push(kill);
  let output = '';
  const address = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const [, found] = /DevTools listening on (ws:\S+)/.exec(output) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('error', reject);
    void over.then(() => reject(new Error(`Chromium ended before it listened: ${output.slice(-2_000)}`)));
  });
  // Otherwise Playwright would keep all pages visible, and a visible page cannot be frozen.
  const browser = await chromium.connectOverCDP(address, { timeout: startMs, noDefaults: true });
  return { page: async () => createPage(await browser.contexts()[0]!.newPage(), url), kill };
};

export interface Lab {
  /** Starts a browser on the profile of this lab, which must not be in use. */
  readonly browser: () => Promise<Browser>;
  readonly origin: string;
  readonly profile: string;
  /** Kills the browsers that still run and removes all files. */
  readonly end: () => Promise<void>;
}

/** Creates an origin that serves the page and outlives its browsers, and a profile for them. */
const lab = async (): Promise<Lab> => {
  executable();
  const { code } = await createBundle(readFileSync(join(process.cwd(), 'spec/browser/page-script.ts'), 'utf8'));
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    const script = request.url === leftPath ? '' : '<script type="module" src="/page.js"></script>';
    response.end(isScript ? code : `<!doctype html>${script}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const profile = mkdtempSync(join(tmpdir(), 'tidemark-chromium-'));
  const running: Kill[] = [];
  return {
    origin,
    profile,
    browser: async () => {
      for (let left = startsMost - 1; ; left -= 1) {
        try {
          return await startBrowser(profile, `${origin}/`, running);
        } catch (thrown) {
          for (const kill of running) await kill();
          if (left === 0) throw thrown;
        }
      }
    },
    end: async () => {
      for (const kill of running) await kill();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
};

/** Provides a lab to the specs of a file, from before the first to after the last. */
export const runWithLab = (ready: (current: Lab) => unknown): void => {
  let current: Lab | undefined;
  beforeAll(async () => {
    current = await lab();
    await ready(current);
  }, 60_000);
  afterAll(() => current?.end());
};
