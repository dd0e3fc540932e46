import fc from 'fast-check';
import type { Observable } from 'rxjs';
import type { Storage } from '../../lib/index.js';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import type { Disk } from '../../sim/simulated-disk.js';
import { contentsAfter, createTestDisk, everything, createBatch, openDisk, readStorage } from './disk-kit.js';

interface Life {
  readonly batches: readonly { readonly at: number; readonly durable: boolean }[];
  readonly crashAt: number;
  readonly how: 'killed' | 'power';
}

const batches = fc
  .array(fc.record({ at: fc.nat(300), durable: fc.boolean() }), { maxLength: 20 })
  .map((all) => [...all].sort((a, b) => a.at - b.at));
const life: fc.Arbitrary<Life> = fc.record({
  batches,
  crashAt: fc.nat(400),
  how: fc.constantFrom('killed' as const, 'power' as const),
});

/** Batch numbers of one process: requested, done, and done durably. */
interface Fate {
  readonly how: 'killed' | 'power';
  readonly asked: readonly number[];
  readonly done: readonly number[];
  readonly durable: readonly number[];
  /** Number of requested batches that are complete on the disk afterwards; they are always the first ones. */
  readonly there: number;
}

/** Runs processes one after the other on one disk, and returns the fate of each of their batches. */
const fatesOf = (lives: readonly Life[], seed: number): readonly Fate[] => {
  const { time, disk } = createTestDisk(createSeededRandom(seed));
  let before: readonly number[] = [];
  let number = 0;
  return lives.map(({ batches: planned, crashAt, how }) => {
    const [asked, done, durable]: [number[], number[], number[]] = [[], [], []];
    const storage = openDisk(disk);
    for (const batch of planned) {
      const ownNumber = (number += 1);
      time.schedule(() => {
        asked.push(ownNumber);
        storage.batch(createBatch(ownNumber), batch).subscribe({
          complete: () => {
            done.push(ownNumber);
            if (batch.durable) durable.push(ownNumber);
          },
        });
      }, batch.at);
    }
    time.maxFrames = time.frame + crashAt;
    time.schedule(() => disk.crash(how), crashAt);
    time.flush();
    time.actions.splice(0);
    time.maxFrames = Infinity;
    const found = readStorage(time, openDisk(disk));
    const lengths = [...asked.keys(), asked.length];
    const there = lengths.find((length) =>
      // Each state of the disk is different, because batch numbers are never used again.
      isSame(found, contentsAfter([...before, ...asked.slice(0, length)])),
    );
    if (there === undefined) throw new Error(`${JSON.stringify(found)} is after no beginning of ${asked.join()}`);
    before = [...before, ...asked.slice(0, there)];
    return { how, asked, done, durable, there };
  });
};

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

describe('a disk that crashes repeatedly', () => {
  const lives = fc.array(life, { minLength: 1, maxLength: 4 });

  it('keeps the first requested batches in order, each complete, and always the durable ones', () => {
    fc.assert(
      fc.property(lives, fc.nat(), (all, seed) => {
        for (const { asked, durable, there } of fatesOf(all, seed))
          expect(asked.slice(0, there)).toEqual(expect.arrayContaining([...durable]));
      }),
      { numRuns: 100 },
    );
  });

  it('keeps all batches that were done when only the process was killed, and at most one more', () => {
    fc.assert(
      fc.property(lives, fc.nat(), (all, seed) => {
        for (const { how, done, there } of fatesOf(all, seed)) {
          if (how === 'power') continue;
          expect(there).toBeGreaterThanOrEqual(done.length);
          expect(there).toBeLessThanOrEqual(done.length + 1);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('sometimes loses batches that were not durable, and sometimes keeps one that was not confirmed', () => {
    const planned = [0, 10, 20, 30].map((at, index) => ({ at, durable: index === 0 }));
    const fates = (how: 'killed' | 'power', crashAt: number) =>
      Array.from({ length: 200 }, (_, seed) => fatesOf([{ batches: planned, crashAt, how }], seed)).flat();
    const power = fates('power', 3_000).map(({ there }) => there);
    expect([...new Set(power)].sort()).toEqual([1, 2, 3, 4]);
    const more = fates('killed', 30).map(({ done, there }) => there - done.length);
    expect([...new Set(more)].sort()).toEqual([0, 1]);
  });

  it('may keep the pending batch or not, and never keeps a later one', () => {
    for (const how of ['killed', 'power'] as const) {
      const found = Array.from({ length: 100 }, (_, seed) => {
        const [random, drawn] = [createSeededRandom(seed), [0.993, 0.993]];
        const { time, disk } = createTestDisk(() => drawn.shift() ?? random());
        const storage = openDisk(disk);
        for (const number of [1, 2]) storage.batch(createBatch(number), { durable: true }).subscribe();
        disk.crash(how);
        return JSON.stringify(readStorage(time, openDisk(disk)));
      });
      expect(new Set(found)).toEqual(
        new Set([contentsAfter([]), contentsAfter([1])].map((each) => JSON.stringify(each))),
      );
    }
  });

  it('may keep an unconfirmed durable batch without making it durable', () => {
    const lengths = Array.from({ length: 200 }, (_, seed) => {
      const random = createSeededRandom(seed);
      const { disk } = createTestDisk(random);
      const storage = openDisk(disk);
      for (const number of [1, 2, 3]) storage.batch(createBatch(number), { durable: number === 3 }).subscribe();
      const wasDone = disk.keys().includes('3/a');
      disk.crash('power');
      return wasDone ? 'done' : disk.keys().includes('3/a') ? 'there' : 'lost';
    });
    expect(new Set(lengths)).toEqual(new Set(['done', 'there', 'lost']));
  });

  it('keeps its content of after a crash in every later crash', () => {
    for (let seed = 0; seed < 100; seed += 1) {
      const { time, disk } = createTestDisk(createSeededRandom(seed));
      for (const number of [1, 2, 3]) openDisk(disk).batch(createBatch(number), { durable: false }).subscribe();
      disk.crash('power');
      const found = readStorage(time, openDisk(disk));
      disk.crash('power');
      expect(readStorage(time, openDisk(disk))).toEqual(found);
    }
  });

  it('keeps changes that were not durable when it is only opened again', () => {
    const { time, disk } = createTestDisk(() => 0);
    openDisk(disk).batch(createBatch(1), { durable: false }).subscribe();
    expect(readStorage(time, openDisk(disk))).toEqual(contentsAfter([1]));
  });
});

describe('the storage of an earlier process', () => {
  const ends: Readonly<Record<string, (disk: Disk) => void>> = {
    'that was killed': (disk) => disk.crash('killed'),
    'that lost its power': (disk) => disk.crash('power'),
    'whose disk was opened again': openDisk,
    'whose disk has something else on it': (disk) => disk.put(new Map()),
  };
  const asked = (storage: Storage): readonly Observable<unknown>[] => [
    storage.range(everything),
    storage.batch(createBatch(9), { durable: true }),
    storage.close(),
  ];

  describe.each(Object.entries(ends))('%s', (_, end) => {
    it.each([
      ['at once', () => 0],
      ['after a while', () => 0.993],
    ])('never answers again, whenever it was asked, by a disk that answers %s', (__, random) => {
      const { time, disk } = createTestDisk(random);
      const storage = openDisk(disk);
      const emitted: string[] = [];
      const listen = (what: string, all: readonly Observable<unknown>[]): void =>
        all.forEach((each, at) =>
          each.subscribe({
            next: () => emitted.push(`${what} ${at} emits`),
            error: () => emitted.push(`${what} ${at} errors`),
            complete: () => emitted.push(`${what} ${at} completes`),
          }),
        );
      const described = asked(storage);
      if (random() > 0) listen('asked before', asked(storage).slice(0, 1));
      end(disk);
      listen('described before', described);
      listen('asked after', asked(storage));
      const next = openDisk(disk);
      listen('asked after the next', asked(storage));
      time.flush();
      expect(emitted).toEqual([]);
      expect(readStorage(time, next)).toEqual({});
    });
  });

  it('does not delay the next process', () => {
    const { time, disk } = createTestDisk(() => 0.993);
    const before = openDisk(disk);
    for (let number = 1; number <= 10; number += 1) before.batch(createBatch(number), { durable: true }).subscribe();
    disk.crash('killed');
    const storage = openDisk(disk);
    let doneAt = -1;
    storage.batch(createBatch(11), { durable: true }).subscribe({ complete: () => (doneAt = time.frame) });
    time.flush();
    expect(doneAt).toBe(398);
  });

  it('does nothing more when the next process is quick', () => {
    const drawn = [0.993, 0.993];
    const { time, disk } = createTestDisk(() => drawn.shift() ?? 0);
    openDisk(disk).batch(createBatch(1), { durable: true }).subscribe();
    const next = openDisk(disk);
    expect(readStorage(time, next)).toEqual({});
  });
});
