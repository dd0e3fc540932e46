import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { Built } from '../server/process.js';

export const secret = 'a secret of at least thirty-two bytes';

/** A token as the app's login would make it. */
export const tokenOf = (sub: string, realms: Readonly<Record<string, string>>, seconds = 3_600): Promise<string> =>
  new SignJWT({ realms })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime(`${seconds}s`)
    .sign(new TextEncoder().encode(secret));

/** `tidemark serve` as a process. */
export interface Serving {
  readonly child: ChildProcess;
  /** What it has logged so far. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  readonly complaints: () => string;
  /** Its port; rejects when it ends before it listens. */
  readonly port: Promise<number>;
  /** Its exit code, or the signal that killed it. */
  readonly ended: Promise<number | string | null>;
}

const running = new Set<ChildProcess>();
export const stopAll = (): void => {
  running.forEach((child) => child.kill('SIGKILL'));
  running.clear();
};

export const serving = (
  { folder }: Pick<Built, 'folder'>,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Serving => {
  const child = spawn(process.execPath, [join(folder, 'cli', 'main.js'), 'serve', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const lines: Readonly<Record<string, unknown>>[] = [];
  let said = '';
  let complained = '';
  child.stderr.on('data', (part: Buffer) => (complained += part.toString()));
  const ended = new Promise<number | string | null>((resolve) =>
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal);
    }),
  );
  const port = new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (part: Buffer) => {
      const whole = (said + part.toString()).split('\n');
      said = whole.pop() ?? '';
      for (const line of whole) {
        const event = JSON.parse(line.startsWith('{') ? line : JSON.stringify({ text: line })) as Record<
          string,
          unknown
        >;
        lines.push(event);
        if (event['event'] === 'listening') resolve(event['port'] as number);
      }
    });
    void ended.then((code) => reject(new Error(`ended with ${code} before it listened: ${complained}`)));
  });
  port.catch(() => undefined);
  return { child, lines, complaints: () => complained, port, ended };
};
