import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Side = 'ours' | 'raw';
export type RoleName = 'server' | 'writer' | 'reader' | 'scale' | 'host' | 'crowd';

/** What one changeset weighs in ours; raw does its work with the same. */
export interface Weight {
  /** Bytes of it in a frame. */
  readonly bytes: number;
  /** How many of them make a page. */
  readonly perPage: number;
}

export interface Settings extends Weight {
  readonly side: Side;
  readonly role: RoleName;
  /** Its folder. */
  readonly place: string;
  /** Where the server is; 0 for the server itself. */
  readonly port: number;
}

/** What a process can do, by name; each resolves to a number or a list of them. */
export type Actions = Readonly<Record<string, (...args: number[]) => Promise<number | number[]>>>;
export type Role = (settings: Settings) => Promise<Actions>;
export type Roles = Readonly<Record<Exclude<RoleName, 'scale' | 'host' | 'crowd'>, Role>>;

/** Milliseconds since the epoch, finely, and the same for all processes of this machine. */
export const now = (): number => performance.timeOrigin + performance.now();

/** Peak resident memory of each role so far, in kilobytes. */
export type Peaks = Map<string, number>;

/** A process on the stage. */
export interface BenchmarkProcess {
  /**
   * One thing at a time. Rejects when the process ends in the middle of it, or takes longer than anything here should.
   */
  readonly run: (cue: string, ...args: number[]) => Promise<number | number[]>;
  readonly runForNumber: (cue: string, ...args: number[]) => Promise<number>;
  /** Closes what it has open, and ends it. */
  readonly end: () => Promise<void>;
}

/** The processes of one side, and the folder with their data. */
export interface ProcessGroup {
  /** A process whose data are in a fresh folder, or in one that another has left. */
  readonly start: (role: RoleName, port: number, place?: string) => Promise<BenchmarkProcess>;
  /** Ends all processes that are left, the last one first. */
  readonly end: () => Promise<void>;
  /** Kills whatever is left, and removes the folder. So does the end of this process. */
  readonly close: () => void;
}

const program = fileURLToPath(new URL('./benchmark-process.js', import.meta.url));
const actionMsMax = 120_000;

/** What a process answers, or why it does not. */
const waitForAnswer = (child: ChildProcess, what: string): Promise<{ result: number | number[]; peakKb: number }> =>
  new Promise((resolve, reject) => {
    const settled = (): void => {
      clearTimeout(patience);
      child.off('message', onMessage).off('exit', onExit);
    };
    const onMessage = (answer: unknown): void => {
      settled();
      resolve(answer as { result: number | number[]; peakKb: number });
    };
    const onExit = (code: number | null, signal: string | null): void => {
      settled();
      reject(new Error(`${what}: the process has ended with ${signal ?? `code ${code}`}`));
    };
    const patience = setTimeout(() => {
      settled();
      reject(new Error(`${what}: no answer in ${actionMsMax / 1_000} s`));
    }, actionMsMax);
    child.on('message', onMessage).on('exit', onExit);
  });

export const createProcessGroup = (side: Side, weight: Weight, peaks: Peaks): ProcessGroup => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const children = new Set<ChildProcess>();
  const actors = new Set<BenchmarkProcess>();
  let count = 0;

  const clear = (): void => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 }); // What is being killed may still be writing.
  };
  process.once('exit', clear);

  return {
    start: async (role, port, place = `${role}-${++count}`) => {
      const settings: Settings = { ...weight, side, role, port, place: join(folder, place) };
      const name = `${side} ${role}`;
      const child = fork(program, [JSON.stringify(settings)]);
      children.add(child);
      child.once('exit', () => children.delete(child));
      await waitForAnswer(child, name);
      const act = async (cue: string, ...args: number[]): Promise<number | number[]> => {
        const answering = waitForAnswer(child, `${name}, ${cue}`);
        child.send({ cue, args }, () => undefined); // A process that has ended says so by its end.
        const { result, peakKb } = await answering;
        peaks.set(name, Math.max(peaks.get(name) ?? 0, peakKb));
        return result;
      };
      const end = async (): Promise<void> => {
        actors.delete(actor);
        const gone = once(child, 'exit');
        await act('end');
        await gone;
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
