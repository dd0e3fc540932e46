import { fork } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bug } from './planted-bug.js';
import { clientBugs } from './client-bugs.js';
import { rareBugs } from './rare-bugs.js';
import { serverBugs } from './server-bugs.js';

export const bugs: readonly Bug[] = [...serverBugs, ...clientBugs, ...rareBugs];

/** Seeds in which a bug has to be found. */
const seedsMost = 200;

interface BrokenSeed {
  readonly seed: number;
  readonly promise: string;
}

const here = dirname(fileURLToPath(import.meta.url));

/** A file with the one place in it that a bug changes. Throws when the library says that no more, or more than once. */
const locateBug = (
  folder: string,
  { name, file, original }: Bug,
): { readonly place: string; readonly text: string } => {
  const place = join(folder, 'lib', file);
  const text = readFileSync(place, 'utf8');
  const count = text.split(original).length - 1;
  if (count === 1) return { place, text };
  throw new Error(`planted: "${name}" cannot be planted: ${file} says it ${count} times`);
};

/** A copy of all of this with a bug in it. */
const createBuggyCopy = (folder: string, planted: Bug): string => {
  const { place, text } = locateBug(folder, planted);
  const { original, replacement } = planted;
  writeFileSync(
    place,
    text.replace(original, () => replacement),
  );
  return join(folder, 'sim', 'main.js');
};

/** The first seed in which some promise is broken. */
const findSeed = (main: string, seeds: number): Promise<BrokenSeed | null> =>
  new Promise((resolve) => {
    let first: BrokenSeed | null = null;
    let complaints = '';
    const child = fork(main, ['--brief', '--worker'], { silent: true });
    child.stderr?.on('data', (text: Buffer) => (complaints += text.toString()));
    child.send(1);
    child.on('message', ({ seed, broken }: { seed: number; broken: string | null }) => {
      if (broken !== null) first = { seed, promise: broken };
      child.send(first !== null || seed >= seeds ? 'end' : seed + 1);
    });
    child.on('exit', (code) => {
      if (first === null && code !== 0)
        first = { seed: 0, promise: `the process ended with ${code}: ${complaints.slice(0, 200)}` };
      resolve(first);
    });
  });

/** Plants each bug and looks for it; the exit code of the process. */
export const findPlantedBugs = async (seeds: number, only: string): Promise<number> => {
  const chosen = bugs.filter(({ name }) => name.includes(only));
  for (const each of chosen) locateBug(join(here, '..'), each); // All of them first: what was renamed is said at once.
  const most = Math.min(seeds, seedsMost);
  const waiting = [...chosen];
  const missed: string[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const folder = mkdtempSync(join(here, '..', 'planted-'));
      try {
        for (const room of ['lib', 'sim']) cpSync(join(here, '..', room), join(folder, room), { recursive: true });
        const result = await findSeed(createBuggyCopy(folder, next), most);
        if (result === null) missed.push(next.name);
        console.log(
          `${result ? `found in seed ${String(result.seed).padStart(3)}` : `NOT found in ${most} seeds`}  ${next.name}${result ? `: ${result.promise}` : ''}`,
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  console.log(
    `\nplanted: ${chosen.length - missed.length} of ${chosen.length} bugs found${missed.length > 0 ? `; not found: ${missed.join('; ')}` : ''}`,
  );
  return missed.length === 0 ? 0 : 1;
};
