import { fork } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bug, BugEdit } from './planted-bug.js';
import { clientBugs } from './client-bugs.js';
import { rareBugs } from './rare-bugs.js';
import { scopeBugs } from './scope-bugs.js';
import { serverBugs } from './server-bugs.js';
import { subscriptionBugs } from './subscription-bugs.js';
import { tabBugs } from './tab-bugs.js';

export const bugs: readonly Bug[] = [
  ...serverBugs,
  ...clientBugs,
  ...rareBugs,
  ...tabBugs,
  ...subscriptionBugs,
  ...scopeBugs,
];

/** Seeds within which a bug has to be found. */
const seedsMax = 200;

interface BrokenSeed {
  readonly seed: number;
  readonly promise: string;
}

const sourceFolder = dirname(fileURLToPath(import.meta.url));

/** All texts that a bug replaces. */
export const editsOf = (bug: Bug): readonly BugEdit[] => [bug, ...(bug.others ?? [])];

/** Finds a text that a bug replaces in a file. Throws unless the file has that text exactly once. */
const locateText = (
  folder: string,
  name: string,
  { file, original }: BugEdit,
): { readonly path: string; readonly text: string } => {
  const path = join(folder, 'lib', file);
  const text = readFileSync(path, 'utf8');
  const count = text.split(original).length - 1;
  if (count === 1) return { path, text };
  throw new Error(`planted: "${name}" cannot be planted: ${file} contains its text ${count} times`);
};

/** Creates a copy of the compiled library and simulator with a bug in it. */
const createBuggyCopy = (folder: string, planted: Bug): string => {
  for (const edit of editsOf(planted)) {
    const { path, text } = locateText(folder, planted.name, edit);
    writeFileSync(
      path,
      text.replace(edit.original, () => edit.replacement),
    );
  }
  return join(folder, 'sim', 'main.js');
};

/** Finds the first seed in which an invariant is broken. */
const findSeed = (main: string, seeds: number, { theme }: Bug): Promise<BrokenSeed | null> =>
  new Promise((resolve) => {
    let first: BrokenSeed | null = null;
    let errors = '';
    const child = fork(main, ['--brief', '--worker', ...(theme ? ['--theme', theme] : [])], { silent: true });
    child.stderr?.on('data', (text: Buffer) => (errors += text.toString()));
    child.send({ seed: 1 });
    child.on('message', ({ seed, broken }: { seed: number; broken: string | null }) => {
      if (broken !== null) first = { seed, promise: broken };
      child.send(first !== null || seed >= seeds ? 'end' : { seed: seed + 1 });
    });
    child.on('exit', (code) => {
      if (first === null && code !== 0)
        first = { seed: 0, promise: `the process ended with ${code}: ${errors.slice(0, 200)}` };
      resolve(first);
    });
  });

/** Plants each bug and searches for it. Returns the exit code of the process. */
export const findPlantedBugs = async (seeds: number, only: string): Promise<number> => {
  const chosen = bugs.filter(({ name }) => name.includes(only));
  // Checks all bugs first, so that a renamed text is reported at once.
  for (const each of chosen) for (const edit of editsOf(each)) locateText(join(sourceFolder, '..'), each.name, edit);
  const most = Math.min(seeds, seedsMax);
  const waiting = [...chosen];
  const missed: string[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const folder = mkdtempSync(join(sourceFolder, '..', 'planted-'));
      try {
        for (const room of ['lib', 'sim'])
          cpSync(join(sourceFolder, '..', room), join(folder, room), { recursive: true });
        const result = await findSeed(createBuggyCopy(folder, next), most, next);
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
