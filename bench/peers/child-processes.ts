import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { withTimeLimit } from './time-limits.js';
import { createCaller } from './remote-calls.js';

/** A child process. `M` are the methods that it answers. */
export interface Child<M> {
  readonly label: string;
  readonly pid: number;
  readonly call: M;
  /** Ends the process by SIGKILL, and waits for its end. */
  readonly kill: () => Promise<void>;
  /** Returns the beginning of the output on the standard error. */
  readonly errorText: () => string;
}

const running = new Set<ChildProcess>();
const killAll = (): void => {
  for (const child of running) child.kill('SIGKILL');
};
process.on('exit', killAll);

const errorTextMax = 4_000;

/** Starts `server-process` or `client-process`. All peers get the same flags and the same size of thread pool. */
export const startChild = <M extends object>(program: 'server-process' | 'client-process', label: string): Child<M> => {
  const child = fork(fileURLToPath(new URL(`./${program}.js`, import.meta.url)), [], {
    serialization: 'advanced',
    env: { ...process.env, NODE_ENV: 'production' },
    execArgv: ['--expose-gc', '--max-old-space-size=6144'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  running.add(child);
  let errorText = '';
  child.stderr?.on('data', (data: Buffer) => {
    if (errorText.length < errorTextMax) errorText += data.toString();
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      running.delete(child);
      resolve();
    });
  });
  return {
    label,
    pid: child.pid ?? -1,
    call: createCaller(child, label) as M,
    kill: async () => {
      child.kill('SIGKILL'); // Returns false for a process that has ended.
      await withTimeLimit(exited, 10_000, `the end of ${label}`);
    },
    errorText: () => errorText,
  };
};

export const findFreePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Returns the processor time of a process in milliseconds, from Linux; 0 on other systems. */
export const processorMsOf = (pid: number): number => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
};

export interface MachineTimes {
  readonly busyMs: number;
  readonly totalMs: number;
}

/** Returns processor times of the whole machine since its start. */
export const readMachineTimes = (): MachineTimes => {
  const times = cpus().map((cpu) => cpu.times);
  const idleMs = times.reduce((sum, { idle }) => sum + idle, 0);
  const totalMs = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
  return { busyMs: totalMs - idleMs, totalMs };
};
