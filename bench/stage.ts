import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Side = 'ours' | 'raw';
export type RoleName = 'server' | 'writer' | 'reader';

export interface Settings {
  readonly side: Side;
  readonly role: RoleName;
  /** Its folder. */
  readonly place: string;
  /** Where the server is; 0 for the server itself. */
  readonly port: number;
}

/** What a process can do, by name; each resolves to a number or a list of them. */
export type Acts = Readonly<Record<string, (...args: number[]) => Promise<number | number[]>>>;
export type Roles = Readonly<Record<RoleName, (settings: Settings) => Promise<Acts>>>;

/** Milliseconds since the epoch, finely, and the same for all processes of this machine. */
export const now = (): number => performance.timeOrigin + performance.now();

/** Peak resident memory of each role so far, in kilobytes. */
export type Peaks = Map<string, number>;

/** A process on the stage. */
export interface Actor {
  readonly act: (cue: string, ...args: number[]) => Promise<number | number[]>;
  readonly one: (cue: string, ...args: number[]) => Promise<number>;
  readonly end: () => Promise<void>;
}

/** Everything of one round: its folder and its processes, all gone in the end. */
export interface Stage {
  readonly enter: (role: RoleName, port: number, place?: string) => Promise<Actor>;
  readonly close: () => Promise<void>;
}

const program = fileURLToPath(new URL('./child.js', import.meta.url));

export const createStage = (side: Side, peaks: Peaks): Stage => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const children: ChildProcess[] = [];
  let count = 0;

  return {
    enter: async (role, port, place = `${role}-${++count}`) => {
      const child = fork(program, [
        JSON.stringify({ side, role, port, place: join(folder, place) } satisfies Settings),
      ]);
      children.push(child);
      await once(child, 'message');
      const act = async (cue: string, ...args: number[]): Promise<number | number[]> => {
        const answer = once(child, 'message') as Promise<[{ result: number | number[]; peakKb: number }]>;
        child.send({ cue, args });
        const [{ result, peakKb }] = await answer;
        const name = `${side} ${role}`;
        peaks.set(name, Math.max(peaks.get(name) ?? 0, peakKb));
        return result;
      };
      const end = async (): Promise<void> => {
        const gone = once(child, 'exit');
        await act('end');
        await gone;
      };
      return { act, one: async (cue, ...args) => Number(await act(cue, ...args)), end };
    },
    close: async () => {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
