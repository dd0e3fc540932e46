import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page as Opened } from 'playwright-core';
import { createBundle } from './create-bundle.js';
import { createPageControls, leftPath, type PageControls, waitInPage } from './page-controls.js';
import type { Calls } from './page-script.js';
import { findChromium, type KillBrowser, startChromium } from './start-chromium.js';

/** Functions of a page script. Arguments and results are copied. */
export type PageCalls = object;
type Method<Functions, Name extends keyof Functions> = Extract<Functions[Name], (...args: never[]) => unknown>;

export interface Page<Functions extends PageCalls = Calls> extends PageControls {
  /** Calls a function of the page's script in the page. */
  readonly call: <Name extends keyof Functions>(
    name: Name,
    ...args: Parameters<Method<Functions, Name>>
  ) => Promise<Awaited<ReturnType<Method<Functions, Name>>>>;
  readonly opened: Opened;
  /** Errors that the page did not handle. */
  readonly errors: readonly string[];
}

export interface Browser<Functions extends PageCalls = Calls> {
  /** Opens a new tab with the page. */
  readonly page: (path?: string) => Promise<Page<Functions>>;
  readonly kill: KillBrowser;
}

const createPage = async <Functions extends PageCalls>(opened: Opened, url: string): Promise<Page<Functions>> => {
  const errors: string[] = [];
  opened.on('pageerror', ({ message, stack }) => errors.push(stack ?? message));
  const controls = await createPageControls(opened);
  await opened.goto(url);
  await waitInPage(opened, 'globalThis.calls');
  return {
    ...controls,
    opened,
    errors,
    call: async (name, ...args) =>
      opened.evaluate(
        ([method, given]) =>
          (globalThis as unknown as { calls: Record<string, (...args: unknown[]) => never> }).calls[method]!(...given),
        [String(name), args as readonly unknown[]] as const,
      ),
  };
};

const startBrowser = async <Functions extends PageCalls>(
  profile: string,
  url: string,
  running: KillBrowser[],
): Promise<Browser<Functions>> => {
  let kill: KillBrowser = () => Promise.resolve();
  const browser = await startChromium(profile, (killStarted) => {
    kill = killStarted;
    running.push(kill);
  });
  const open = async (path = ''): Promise<Page<Functions>> =>
    createPage(await browser.contexts()[0]!.newPage(), url + path);
  return { page: open, kill };
};

export interface Lab<Functions extends PageCalls = Calls> {
  /** Starts a browser on the profile of this lab, which must not be in use. */
  readonly browser: () => Promise<Browser<Functions>>;
  readonly origin: string;
  readonly profile: string;
  /** Kills the browsers that still run and removes all files. */
  readonly end: () => Promise<void>;
}

/** The path of the page under a Content Security Policy that allows scripts of the origin and WebSockets only. */
export const strictPath = 'strict';
const strictPolicy = "default-src 'none'; script-src 'self'; connect-src ws:";

/** Creates an origin that serves the page and outlives its browsers, and a profile for them. */
const lab = async <Functions extends PageCalls>(scriptFile: string): Promise<Lab<Functions>> => {
  findChromium();
  const { code } = await createBundle(readFileSync(join(process.cwd(), 'spec/browser', scriptFile), 'utf8'));
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    if (request.url === `/${strictPath}`) response.setHeader('content-security-policy', strictPolicy);
    const script = request.url === leftPath ? '' : '<script type="module" src="/page.js"></script>';
    response.end(isScript ? code : `<!doctype html>${script}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  const profile = mkdtempSync(join(tmpdir(), 'tidemark-chromium-'));
  const running: KillBrowser[] = [];
  return {
    origin,
    profile,
    browser: () => startBrowser(profile, `${origin}/`, running),
    end: async () => {
      for (const kill of running) await kill();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
};

/** Provides a lab to the specs of a file, from before the first to after the last. */
export const runWithLab = <Functions extends PageCalls = Calls>(
  ready: (current: Lab<Functions>) => unknown,
  scriptFile = 'page-script.ts',
): void => {
  let current: Lab<Functions> | undefined;
  beforeAll(async () => {
    current = await lab<Functions>(scriptFile);
    await ready(current);
  }, 60_000);
  afterAll(() => current?.end());
};
