import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
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

/**
 * Starts a headless Chromium on a profile. Rejects when it does not start within some milliseconds.
 *
 * @param onSpawned - Is called at once, because a browser that does not start must be killed too.
 */
export const startChromium = async (
  profile: string,
  ms: number,
  onSpawned: (kill: KillBrowser) => void,
): Promise<Browser> => {
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
  return chromium.connectOverCDP(address, { timeout: ms, noDefaults: true });
};
