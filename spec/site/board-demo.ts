import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { runCommand } from '../angular/run-command.js';

/** The program of `npm run demo -- --web`, as a process. */
export interface BoardDemo {
  readonly url: string;
  readonly child: ChildProcess;
  /** Sends SIGINT, as Ctrl+C does. Resolves with the exit code. */
  readonly end: () => Promise<number | null>;
}

const command = 'npm run --silent tools && node .tools/demo/main.js';
const program = ['.tools/demo/main.js', '--web', '--no-open'];

const spawnProgram = (root: string, port: number): { child: ChildProcess; output: () => string } => {
  const child = spawn(process.execPath, [...program, '--port', String(port)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return { child, output: () => output };
};

/**
 * Runs the parts of `npm run demo -- --web` one after the other, because npm itself ends by a signal: first the build,
 * then the program.
 */
export const startBoardDemo = async (root: string): Promise<BoardDemo> => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>;
  };
  expect(scripts['demo']).toBe(command);
  runCommand(root, 'npm', 'run', 'tools');
  const { child, output } = spawnProgram(root, 0);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const [, found] = /board is at (\S+)/.exec(output()) ?? [];
      if (found !== undefined) resolve(found);
    });
    void closed.then(([code]) => reject(new Error(`The demo ended with code ${code}:\n${output()}`)));
  });
  return {
    url,
    child,
    end: async () => {
      child.kill('SIGINT');
      const [code] = await closed;
      return code;
    },
  };
};

/** Starts the program at a port that is in use. Resolves with its exit code and its output. */
export const startSecondDemo = async (root: string, url: string): Promise<readonly [number | null, string]> => {
  const { child, output } = spawnProgram(root, Number(new URL(url).port));
  const [code] = (await once(child, 'close')) as [number | null];
  return [code, output()];
};

/** Adds everything that a page complains about to a list. */
export const watchPage = (page: Page, complaints: string[]): void => {
  page.setDefaultTimeout(15_000);
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
};

/** Makes a method of a page throw, until the page calls `restore()`. */
export const breakMethod = (type: string, method: string, message: string): string => `{
  const { ${method} } = ${type}.prototype;
  globalThis.restore = () => Object.assign(${type}.prototype, { ${method} });
  ${type}.prototype.${method} = () => {
    throw new Error('${message}');
  };
}`;
