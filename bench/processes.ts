import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Side = 'ours' | 'raw';
export type RoleName =
  'server' | 'writer' | 'reader' | 'scale' | 'host' | 'crowd' | 'limits' | 'partial' | 'clients' | 'stored';

/** The size of one changeset of this library, which the raw twin uses too. */
export interface Weight {
  /** Bytes of a changeset in a frame. */
  readonly bytes: number;
  /** Changesets in a page. */
  readonly perPage: number;
}

export interface Settings extends Weight {
  readonly side: Side;
  readonly role: RoleName;
  /** The folder of the process. */
  readonly location: string;
  /** The port of the server; 0 for the server itself. */
  readonly port: number;
}

/** The commands of a process by name. Each resolves to a number or a list of numbers. */
export type Actions = Readonly<Record<string, (...args: number[]) => Promise<number | number[]>>>;
export type Role = (settings: Settings) => Promise<Actions>;
export type Roles = Readonly<Record<Extract<RoleName, 'server' | 'writer' | 'reader'>, Role>>;

/** Milliseconds since the epoch with a high resolution, equal for all processes of this machine. */
export const now = (): number => performance.timeOrigin + performance.now();

/** Peak resident memory of each role so far, in kilobytes. */
export type Peaks = Map<string, number>;

/** A running process. */
export interface BenchmarkProcess {
  /** Runs one command at a time. Rejects when the process ends during the command, or at the time limit. */
  readonly run: (cue: string, ...args: number[]) => Promise<number | number[]>;
  readonly runForNumber: (cue: string, ...args: number[]) => Promise<number>;
  /** Closes everything that the process has open, and ends it. */
  readonly end: () => Promise<void>;
}

/** The processes of one side, and the folder of their data. */
export interface ProcessGroup {
  /** Starts a process with its data in a new folder, or in that of an earlier process. */
  readonly start: (role: RoleName, port: number, location?: string) => Promise<BenchmarkProcess>;
  /** Ends all remaining processes, the last one first. */
  readonly end: () => Promise<void>;
  /** Kills all remaining processes and removes the folder, also at the end of this process. */
  readonly close: () => void;
}

const program = fileURLToPath(new URL('./benchmark-process.js', import.meta.url));

interface ProcessOptions {
  /** The longest duration of one command. */
  readonly actionMsMax: number;
  /** Flags for Node. */
  readonly flags: readonly string[];
}
const defaultOptions: ProcessOptions = { actionMsMax: 120_000, flags: process.execArgv };

/** The answer of a process, or its failure. */
const waitForAnswer = (
  child: ChildProcess,
  what: string,
  actionMsMax: number,
): Promise<{ result: number | number[]; peakKb: number }> =>
  new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(patience);
      child.off('message', onMessage).off('exit', onExit);
    };
    const onMessage = (answer: unknown): void => {
      settle();
      resolve(answer as { result: number | number[]; peakKb: number });
    };
    const onExit = (code: number | null, signal: string | null): void => {
      settle();
      reject(new Error(`${what}: the process has ended with ${signal ?? `code ${code}`}`));
    };
    const patience = setTimeout(() => {
      settle();
      reject(new Error(`${what}: no answer in ${actionMsMax / 1_000} s`));
    }, actionMsMax);
    child.on('message', onMessage).on('exit', onExit);
  });

export const createProcessGroup = (
  side: Side,
  weight: Weight,
  peaks: Peaks,
  { actionMsMax, flags } = defaultOptions,
): ProcessGroup => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const children = new Set<ChildProcess>();
  const actors = new Set<BenchmarkProcess>();
  let count = 0;

  const clear = (): void => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 }); // A process that is being killed may still write.
  };
  process.once('exit', clear);

  return {
    start: async (role, port, location = `${role}-${++count}`) => {
      const settings: Settings = { ...weight, side, role, port, location: join(folder, location) };
      const name = `${side} ${role}`;
      const child = fork(program, [JSON.stringify(settings)], { execArgv: [...flags] });
      children.add(child);
      child.once('exit', () => children.delete(child));
      await waitForAnswer(child, name, actionMsMax);
      const act = async (cue: string, ...args: number[]): Promise<number | number[]> => {
        const answering = waitForAnswer(child, `${name}, ${cue}`, actionMsMax);
        child.send({ cue, args }, () => undefined); // The end of a process is reported by its exit event.
        const { result, peakKb } = await answering;
        peaks.set(name, Math.max(peaks.get(name) ?? 0, peakKb));
        return result;
      };
      const end = async (): Promise<void> => {
        actors.delete(actor);
        const exited = once(child, 'exit');
        await act('end');
        await exited;
      };
      const actor: BenchmarkProcess = {
        run: act,
        runForNumber: async (cue, ...args) => Number(await act(cue, ...args)),
        end,
      };
      actors.add(actor);
      return actor;
    },
    end: async () => {
      for (const actor of [...actors].reverse()) await actor.end();
    },
    close: () => {
      process.off('exit', clear);
      clear();
    },
  };
};
