/*
 * npm run fuzz [-- --frames N] [--seed N]: sends invalid frames to a server in every state of a connection. Checks the
 * answers after each connection, and from time to time that no state of closed connections is left.
 *
 * npm run fuzz -- --attacks [--seconds N] [--only TEXT]: attacks a server process over real sockets.
 * Prints the wait of a healthy client of another realm, and the memory of the server.
 * Fails over 200 ms (p99) or 512 MB.
 */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { runAttacks, heading, lineOf, problemsOf } from './run-attacks.js';
import { fuzz, growthBytesMax, growthOf, textOf } from './run-fuzz.js';

const { values } = parseArgs({
  options: {
    ...({ frames: { type: 'string' }, seed: { type: 'string' } } as const),
    ...({ attacks: { type: 'boolean' }, seconds: { type: 'string' }, only: { type: 'string' } } as const),
  },
});
const parseWholeNumber = (name: string, value: string | undefined, fallback: number): number => {
  const number = value === undefined ? fallback : Number(value);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} must be a whole number, received ${String(value)}`);
  process.exit(2);
};
if (values.attacks === true) {
  let wrongs = 0;
  console.log(heading);
  for await (const report of runAttacks(1_000 * parseWholeNumber('seconds', values.seconds, 10), values.only ?? '')) {
    console.log(lineOf(report));
    wrongs += problemsOf(report).length;
  }
  process.exit(wrongs === 0 ? 0 : 1);
}

const seed = parseWholeNumber('seed', values.seed, Date.now() % 1_000_000);
const frames = parseWholeNumber('frames', values.frames, 1_000_000);

setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc') as () => void;
const heapUsed = async (): Promise<number> => {
  for (let round = 0; round < 4; round += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
};

console.log(`${frames} frames with seed ${seed} (again: npm run fuzz -- --seed ${seed} --frames ${frames})`);
const report = await fuzz({ seed, frames, heapUsed, progress: () => process.stderr.write('.') }).catch(
  (thrown: unknown) => {
    console.error(thrown instanceof Error ? `\n${thrown.stack ?? thrown.message}` : thrown);
    process.exit(1);
  },
);
process.stderr.write('\n');
console.log(textOf(report));
const growth = growthOf(report);
if (growth > growthBytesMax) {
  console.error(`the heap grew by ${growth} bytes, more than ${growthBytesMax}`);
  process.exit(1);
}
