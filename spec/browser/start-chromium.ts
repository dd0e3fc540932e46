import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const executablePaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Returns the path of a Chromium. Throws when Chromium is missing, because a skipped spec guarantees nothing. */
export const findChromium = (): string => {
  const path = process.env['CHROMIUM'];
  const found = (path === undefined ? executablePaths : [path]).find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new Error(
    `Chromium was not found${path === undefined ? '' : ` at ${path}`}, and it is needed here. Install it with apt-get install chromium, or set CHROMIUM=<path>.`,
  );
};

/** Flags that stop Chromium's own network requests, and allow it to run as root. */
const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  ...['--noerrdialogs', '--hide-crash-restore-bubble', '--disable-breakpad', '--disable-extensions'],
  ...['--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  '--remote-debugging-port=0',
];

/** Sends SIGKILL to all processes of a browser. Resolves when all have ended. */
export type KillBrowser = () => Promise<void>;

/** Milliseconds that a browser may take to start. On a busy machine some never start, and the next one does. */
const startMs = 15_000;
const startsMost = 3;

/** Starts Chromium once. Rejects when it does not start in time. */
const startOnce = async (profile: string, onSpawned: (kill: KillBrowser) => void): Promise<Browser> => {
  // Chromium gets a process group of its own, so that its child processes end with it.
  const child = spawn(findChromium(), [...flags, `--user-data-dir=${profile}`], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
  onSpawned(async () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGKILL');
    await over;
  });
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
  return chromium.connectOverCDP(address, { timeout: startMs, noDefaults: true });
};

/**
 * Starts a headless Chromium on a profile. Kills one that does not start in time, and starts another; rejects when none
 * of three starts.
 *
 * @param onSpawned - Is called at once for each, because a browser that is still starting must be killed too.
 */
export const startChromium = async (profile: string, onSpawned: (kill: KillBrowser) => void): Promise<Browser> => {
  for (let left = startsMost - 1; ; left -= 1) {
    let kill: KillBrowser = () => Promise.resolve();
    try {
      return await startOnce(profile, (killStarted) => onSpawned((kill = killStarted)));
    } catch (thrown) {
      await kill();
      if (left === 0) throw thrown;
    }
  }
};

/** A browser with a profile of its own. */
export interface OwnBrowser {
  readonly browser: Browser;
  /** Kills the browser and removes its profile. */
  readonly close: () => Promise<void>;
}

/** Starts a browser with a new profile. */
export const openBrowser = async (): Promise<OwnBrowser> => {
  const profile = mkdtempSync(join(tmpdir(), 'tidemark-profile-'));
  let kill: KillBrowser = () => Promise.resolve();
  const close = async (): Promise<void> => {
    await kill();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  try {
    return { browser: await startChromium(profile, (killStarted) => (kill = killStarted)), close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};
