import fc from 'fast-check';
import { merge } from 'rxjs';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { storageSuite } from '../../lib/testing/storage-suite.js';
import {
  contentsAfter,
  contentsOf,
  createTestDisk,
  createBatch,
  openDisk,
  createPassingDisks,
  readStorage,
} from './disk-kit.js';

const quick = () => 0;
/** Makes every request take 398 ms. */
const hanging = () => 0.993;
const seeds = Array.from({ length: 200 }, (_, seed) => seed);

storageSuite('a disk of a world that is quick', createPassingDisks(quick));
storageSuite('a disk of a world that hangs', createPassingDisks(hanging));
storageSuite('a disk of a world that is sometimes slow', createPassingDisks(createSeededRandom(1)));

describe('requests to a disk', () => {
  /** Requests with their times. Requests of one moment are made in this order. */
  const asks = fc.array(fc.record({ at: fc.nat(25), reads: fc.boolean(), durable: fc.boolean() }), { maxLength: 30 });

  it("are served in order, also at the moment of another request's turn", () => {
    fc.assert(
      fc.property(asks, fc.nat(), (all, seed) => {
        const { time, disk } = createTestDisk(createSeededRandom(seed));
        const storage = openDisk(disk);
        const expected: string[] = [];
        const done: string[] = [];
        let asked = 0;
        for (const [name, { at, reads, durable }] of all.entries()) {
          time.schedule(() => {
            if (!reads) asked += 1;
            expected.push(`${name}: ${asked}`);
            const recorded = asked;
            const range = { from: 'last', to: 'last ', limit: 1, bytesMax: Infinity };
            if (reads)
              storage.range(range).subscribe((found) => done.push(`${name}: ${contentsOf(found)['last'] ?? 0}`));
            else
              storage
                .batch(createBatch(asked), { durable })
                .subscribe({ complete: () => done.push(`${name}: ${recorded}`) });
          }, at);
        }
        time.flush();
        expect(done).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('are mostly served at once, sometimes within 5 ms, and now and then within 400 ms', () => {
    const writesOf = seeds.flatMap((seed) => {
      const { time, disk } = createTestDisk(createSeededRandom(seed));
      openDisk(disk).batch(createBatch(1), { durable: true }).subscribe();
      time.flush();
      return time.frame;
    });
    const share = (is: (ms: number) => boolean): number => writesOf.filter(is).length / writesOf.length;
    expect(share((ms) => ms === 0)).toBeGreaterThan(0.5);
    expect(share((ms) => ms > 0 && ms <= 5)).toBeGreaterThan(0.1);
    expect(share((ms) => ms > 5 && ms <= 400)).toBeGreaterThan(0);
    expect(Math.max(...writesOf)).toBeLessThanOrEqual(400);
  });

  it('are served when their time has come and no earlier', () => {
    const { time, disk } = createTestDisk(hanging);
    const done: number[] = [];
    const storage = openDisk(disk);
    const [first, second] = [1, 2].map((number) => storage.batch(createBatch(number), { durable: true }));
    merge(first!, second!).subscribe({ complete: () => done.push(time.frame) });
    first!.subscribe({ complete: () => done.push(time.frame) });
    expect(disk.keys()).toEqual([]);
    time.flush();
    expect(done).toEqual([796, 1_194]);
  });

  it('are served at once again when earlier requests were served, or are gone with their process', () => {
    for (const isCrashed of [false, true]) {
      const drawn = [0.993, 0.993];
      const { time, disk } = createTestDisk(() => drawn.shift() ?? 0);
      const before = openDisk(disk);
      before.batch(createBatch(1), { durable: true }).subscribe();
      if (isCrashed) disk.crash('killed');
      else time.flush();
      const storage = isCrashed ? openDisk(disk) : before;
      storage.batch(createBatch(2), { durable: false }).subscribe();
      expect(disk.keys()).toContain('2/a');
    }
  });

  it('are served as they were made, even when the list of changes is modified later', () => {
    const { time, disk } = createTestDisk(hanging);
    const storage = openDisk(disk);
    const changes = [...createBatch(1)];
    storage.batch(changes, { durable: true }).subscribe();
    changes.length = 0;
    expect(readStorage(time, storage)).toEqual(contentsAfter([1]));
  });
});

describe('durable changes that a disk reports', () => {
  it('are the changes of a durable batch and of all earlier ones, at the moment of its completion', () => {
    const { time, disk, reported } = createTestDisk(quick);
    const storage = openDisk(disk);
    storage.batch(createBatch(1), { durable: false }).subscribe();
    expect([contentsOf(disk.synced()), reported]).toEqual([{}, []]);
    storage.batch(createBatch(2), { durable: true }).subscribe();
    expect(contentsOf(disk.synced())).toEqual(contentsAfter([1, 2]));
    expect(reported).toEqual([...createBatch(1), ...createBatch(2)]);
    storage.batch(createBatch(3), { durable: false }).subscribe();
    expect(contentsOf(disk.synced())).toEqual(contentsAfter([1, 2]));
    expect([...disk.keys()].sort()).toEqual(Object.keys(contentsAfter([1, 2, 3])));
    expect(contentsOf(disk.synced())).toEqual(contentsAfter([1, 2]));
    expect(readStorage(time, storage)).toEqual(contentsAfter([1, 2, 3]));
  });

  it('are exactly the durable content, whatever was written and however often the disk crashed', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = createSeededRandom(seed);
        const { time, disk, reported } = createTestDisk(random);
        for (let number = 1; number <= 20; number += 1) {
          if (random() < 0.2) disk.crash(random() < 0.5 ? 'killed' : 'power');
          openDisk(disk)
            .batch(createBatch(number), { durable: random() < 0.3 })
            .subscribe();
          time.flush();
        }
        const committed = new Map<string, Uint8Array>();
        for (const change of reported) {
          if (change.type === 'put') committed.set(change.key, change.value);
          else committed.delete(change.key);
        }
        expect(contentsOf(disk.synced())).toEqual(contentsOf(committed));
      }),
      { numRuns: 100 },
    );
  });
});

describe('entries that replace the content of a disk', () => {
  it('are its only content: nothing that was written or pending before', () => {
    for (const random of [quick, hanging]) {
      const { time, disk } = createTestDisk(random);
      const before = openDisk(disk);
      before.batch(createBatch(1), { durable: true }).subscribe();
      before.batch(createBatch(2), { durable: false }).subscribe();
      const saved = new Map([['saved', Uint8Array.of(0, 7)]]);
      disk.put(saved);
      saved.clear();
      time.flush();
      expect(contentsOf(disk.synced())).toEqual({ saved: 7 });
      expect(disk.keys()).toEqual(['saved']);
      disk.crash('power');
      expect(readStorage(time, openDisk(disk))).toEqual({ saved: 7 });
    }
  });
});
