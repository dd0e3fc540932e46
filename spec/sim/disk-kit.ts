import { defer, map, Observable, type VirtualTimeScheduler } from 'rxjs';
import type { OpenStorage, Storage, StorageChange } from '../../lib/index.js';
import { createDisk, type Disk } from '../../sim/simulated-disk.js';
import { createWorldTime } from '../../sim/world-time.js';

const bytes = (number: number): Uint8Array => Uint8Array.of(number >> 8, number & 0xff);

/** Creates a batch by its number: keys of its own, a shared key, and the removal of a key of the batch before. */
export const createBatch = (number: number): readonly StorageChange[] => [
  { type: 'put', key: `${number}/a`, value: bytes(number) },
  { type: 'put', key: 'last', value: bytes(number) },
  { type: 'put', key: `${number}/b`, value: bytes(number) },
  { type: 'del', key: `${number - 1}/b` },
];

export type Contents = Readonly<Record<string, number>>;

export const contentsOf = (entries: Iterable<readonly [string, Uint8Array]>): Contents =>
  Object.fromEntries([...entries].map(([key, [high = 0, low = 0]]) => [key, high * 256 + low] as const).sort());

/** Returns the content after batches with these numbers. */
export const contentsAfter = (numbers: readonly number[]): Contents => {
  const entries = new Map<string, Uint8Array>();
  for (const change of numbers.flatMap(createBatch)) {
    if (change.type === 'put') entries.set(change.key, change.value);
    else entries.delete(change.key);
  }
  return contentsOf(entries);
};

export const everything = { from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity } as const;

/** Reads everything from a storage while virtual time passes; `null` when the storage does not answer. */
export const readStorage = (time: VirtualTimeScheduler, storage: Storage): Contents | null => {
  let found: Contents | null = null;
  storage.range(everything).subscribe((entries) => (found = contentsOf(entries)));
  time.flush();
  return found;
};

export const openDisk = (disk: Disk): Storage => {
  const all: Storage[] = [];
  disk.open.subscribe((each) => all.push(each));
  return all[0]!; // A disk opens at once.
};

/** Creates a disk that records every change that it reports as durable. */
export const createTestDisk = (random: () => number) => {
  const time = createWorldTime();
  const reported: StorageChange[] = [];
  const disk = createDisk({ scheduler: time, random, onDurable: (changes) => reported.push(...changes) });
  return { time, disk, reported };
};

/** Lets time pass after all requests of one turn, for tests that use promises and no scheduler. */
export const passTime = (time: VirtualTimeScheduler, open: OpenStorage): OpenStorage => {
  const soon = <A>(asked: Observable<A>): Observable<A> =>
    new Observable<A>((subscriber) => {
      void Promise.resolve().then(() => time.flush());
      return asked.subscribe(subscriber);
    });
  return soon(open).pipe(
    map((storage): Storage => ({
      range: (range) => soon(storage.range(range)),
      batch: (changes, options) => soon(storage.batch(changes, options)),
      close: () => soon(storage.close()),
    })),
  );
};

/** Creates disks whose time passes after all requests of one turn. */
export const createPassingDisks = (random: () => number): OpenStorage =>
  defer(() => {
    const { time, disk } = createTestDisk(random);
    return passTime(time, disk.open);
  });
