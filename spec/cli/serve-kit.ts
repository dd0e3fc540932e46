import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { BuiltLibrary } from '../server/server-process.js';

export const secret = 'a secret of at least thirty-two bytes';

/** Signs a token as the login of an app would. */
export const signToken = (sub: string, realms: Readonly<Record<string, string>>, seconds = 3_600): Promise<string> =>
  new SignJWT({ realms })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime(`${seconds}s`)
    .sign(new TextEncoder().encode(secret));

/** `tidemark serve` as a process. */
export interface ServeProcess {
  readonly child: ChildProcess;
  /** Lines that the process has logged. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** Resolves when the process has logged an event of this name. Rejects when the process ends without it. */
  readonly waitForEvent: (event: string) => Promise<void>;
  readonly errorText: () => string;
  /** The port of the server. Rejects when the process ends before it listens. */
  readonly port: Promise<number>;
  /** The exit code of the process, or the signal that killed it. */
  readonly ended: Promise<number | string | null>;
}

const runningProcesses = new Set<ChildProcess>();
export const stopAll = (): void => {
  runningProcesses.forEach((child) => child.kill('SIGKILL'));
  runningProcesses.clear();
};

export const startServe = (
  { folder }: Pick<BuiltLibrary, 'folder'>,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ServeProcess => {
  const child = spawn(process.execPath, [join(folder, 'cli', 'main.js'), 'serve', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  runningProcesses.add(child);
  const lines: Readonly<Record<string, unknown>>[] = [];
  let rest = '';
  let complained = '';
  child.stderr.on('data', (part: Buffer) => (complained += part.toString()));
  const ended = new Promise<number | string | null>((resolve) =>
    child.once('close', (code, signal) => {
      runningProcesses.delete(child);
      resolve(code ?? signal);
    }),
  );
  const port = new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (part: Buffer) => {
      const whole = (rest + part.toString()).split('\n');
      rest = whole.pop() ?? '';
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
  const hasLogged = (event: string): boolean => lines.some((line) => line['event'] === event);
  const waitForLog = async (event: string): Promise<void> => {
    while (!hasLogged(event)) {
      const open = await Promise.race([ended.then(() => false), once(child.stdout, 'data').then(() => true)]);
      if (!open && !hasLogged(event)) throw new Error(`ended without saying ${event}: ${complained}`);
    }
  };
  return { child, lines, waitForEvent: waitForLog, errorText: () => complained, port, ended };
};
