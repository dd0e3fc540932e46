import fc from 'fast-check';
import { defer } from 'rxjs';
import type { Storage } from '../../lib/index.js';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { storageSuite } from '../../lib/testing/storage-suite.js';
import type { VirtualTab } from '../../sim/virtual-tabs.js';
import { contentsAfter, contentsOf, everything, passTime, type Contents } from './disk-kit.js';
import { createStorageTest, shown } from './virtual-storage-kit.js';
import { createTestBrowser } from './virtual-tabs-kit.js';

const takenOver = 'fails: Another tab has taken over the storage "tasks".';
const slow = () => 0.993; // Makes every request to the disk take 398 ms.

storageSuite(
  'a storage of a virtual browser',
  defer(() => {
    const { time, browser } = createTestBrowser({ diskRandom: createSeededRandom(1) });
    return passTime(time, browser.openTab().platform.openStorage('wait'));
  }),
);

describe('the storage of a virtual browser', () => {
  it('is opened by one tab after the other, and each finds what the earlier ones have stored', () => {
    const { browser, tabs, storages, open, write, read, watch, at, play } = createStorageTest();
    open(tabs[0]);
    expect(storages.size).toBe(0);
    at(10, () => write(tabs[0], 1));
    at(20, () => {
      expect([...browser.lockHolders()]).toEqual([['tidemark tasks', 1]]);
      watch('close', storages.get(tabs[0])!.close());
      watch('lost', storages.get(tabs[0])!.lost$!);
      open(tabs[1]);
    });
    at(30, () => read(tabs[1]));
    expect(play()).toEqual([
      ...['0 1 opens', '10 batch 1 completes', '20 close completes', '20 lost completes', '20 2 opens'],
      ...[`30 2 reads ${shown([1])}`, '30 2 reads completes'],
    ]);
  });

  it('cannot be opened while another tab holds it: after half a second that errors and changes nothing', () => {
    const { browser, tabs, open, write, at, play } = createStorageTest();
    open(tabs[0]);
    at(10, () => open(tabs[1]));
    at(600, () => write(tabs[0], 1));
    expect(play()).toEqual([
      '0 1 opens',
      '510 2 fails: The storage "tasks" is in use by another tab.',
      '600 batch 1 completes',
    ]);
    expect([...browser.lockHolders()]).toEqual([['tidemark tasks', 1]]);
  });

  it('is opened by a tab that waits as soon as the other closes it, closes or crashes', () => {
    const ends: readonly ((tab: VirtualTab, storage: Storage) => void)[] = [
      (_, storage) => storage.close().subscribe(),
      (_, storage) => storage.close().subscribe().unsubscribe(),
      (tab) => tab.close(),
      (tab) => tab.crash(),
    ];
    for (const end of ends) {
      const { tabs, storages, open, at, play } = createStorageTest({ random: () => 0.5 });
      open(tabs[0]);
      open(tabs[1]);
      at(300, () => end(tabs[0], storages.get(tabs[0])!));
      expect(play()).toEqual(['0 1 opens', expect.stringMatching(/^3(00|15) 2 opens$/)]);
    }
  });

  it('is not changed by the dead code of a tab that has ended', () => {
    for (const how of ['close', 'crash'] as const) {
      const { tabs, open, write, at, play, disk } = createStorageTest();
      open(tabs[0]);
      at(10, () => {
        tabs[0][how]();
        write(tabs[0], 1);
      });
      expect(play()).toEqual(['0 1 opens']);
      expect(disk.keys()).toEqual([]);
    }
  });

  it('is opened by a tab that gets its lock in time, even if running batches of a crashed tab end later', () => {
    const { tabs, open, write, read, at, play } = createStorageTest({ diskRandom: slow, random: () => 0.9 });
    open(tabs[0]);
    open(tabs[1]);
    at(103, () => write(tabs[0], 1));
    at(470, tabs[0].crash);
    at(510, () => read(tabs[1]));
    expect(play()).toEqual(['0 1 opens', '501 2 opens', `908 2 reads ${shown([1])}`, '908 2 reads completes']);
  });

  it('is not opened by a tab that has given up', () => {
    const { tabs, browser, open, at, time, play } = createStorageTest();
    open(tabs[0]);
    const opening = open(tabs[1]);
    at(100, () => opening.unsubscribe());
    at(200, tabs[0].close);
    expect(play()).toEqual(['0 1 opens']);
    expect(browser.lockHolders().size).toBe(0);
    expect(time.frame).toBe(200); // No timer is left.
  });

  it('is taken by a thief: it is lost for the earlier tab, whose calls error, and which can close it', () => {
    const { tabs, storages, open, write, read, watch, at, play, disk } = createStorageTest();
    open(tabs[0]);
    at(10, () => watch('lost', storages.get(tabs[0])!.lost$!));
    at(20, () => open(tabs[1], 'steal'));
    at(30, () => {
      write(tabs[0], 1);
      read(tabs[0]);
      watch('late', storages.get(tabs[0])!.lost$!);
      watch('close', storages.get(tabs[0])!.close());
    });
    at(40, () => write(tabs[1], 2));
    expect(play()).toEqual([
      ...['0 1 opens', `20 lost StorageError: Another tab has taken over the storage "tasks".`, '20 2 opens'],
      ...[`30 batch 1 ${takenOver}`, `30 1 reads ${takenOver}`],
      ...['30 late StorageError: Another tab has taken over the storage "tasks".'],
      ...['30 lost completes', '30 late completes', '30 close completes', '40 batch 2 completes'],
    ]);
    expect(contentsOf(disk.entries())).toEqual(contentsAfter([2]));
  });

  it('stores nothing of a batch that is still running when the thief stops waiting', () => {
    const { tabs, open, write, read, at, play, disk } = createStorageTest({ diskRandom: slow, random: () => 0.5 });
    open(tabs[0]);
    at(10, () => write(tabs[0], 1));
    at(20, () => open(tabs[1], 'steal'));
    at(80, () => read(tabs[1]));
    expect(play()).toEqual([
      ...['0 1 opens', `70 batch 1 ${takenOver}`, '70 2 opens', '478 2 reads {}', '478 2 reads completes'],
    ]);
    expect(disk.keys()).toEqual([]);
  });

  it('has all batches that end while the thief waits, and no batch that begins meanwhile', () => {
    const drawn = [0.993, 0.993, 0.8, 0.8]; // 398 and 4 ms.
    const diskRandom = () => drawn.shift() ?? 0;
    const { tabs, open, write, read, at, play } = createStorageTest({ diskRandom, random: () => 0.5 });
    open(tabs[0]);
    at(10, () => write(tabs[0], 1));
    at(11, () => write(tabs[0], 2));
    at(380, () => open(tabs[1], 'steal'));
    at(390, () => write(tabs[0], 3));
    at(420, () => read(tabs[1]));
    expect(play()).toEqual([
      ...['0 1 opens', `390 batch 3 ${takenOver}`, '408 batch 1 completes', '412 batch 2 completes', '412 2 opens'],
      ...[`420 2 reads ${shown([1, 2])}`, '420 2 reads completes'],
    ]);
  });

  it('notifies a frozen tab of the loss, and of the end of its calls, when the tab resumes', () => {
    const { tabs, storages, open, write, watch, at, play } = createStorageTest({ diskRandom: () => 0.98 });
    open(tabs[0]);
    at(10, () => {
      watch('lost', storages.get(tabs[0])!.lost$!);
      write(tabs[0], 1);
      tabs[0].freeze();
    });
    at(1_000, () => open(tabs[1], 'steal'));
    at(2_000, tabs[0].resume);
    at(2_010, () => write(tabs[0], 2));
    expect(play()).toEqual([
      ...['0 1 opens', '1000 2 opens', '2000 batch 1 completes'],
      ...['2000 lost StorageError: Another tab has taken over the storage "tasks".', `2010 batch 2 ${takenOver}`],
    ]);
  });

  it('is opened by the last of several thieves only', () => {
    const { tabs, open, write, read, at, play } = createStorageTest({ diskRandom: slow, random: () => 0.5 });
    open(tabs[0]);
    at(10, () => write(tabs[0], 1));
    at(20, () => open(tabs[1], 'steal'));
    at(30, () => open(tabs[2], 'steal'));
    at(100, () => read(tabs[2]));
    expect(play()).toEqual([
      ...['0 1 opens', `30 2 ${takenOver}`, `80 batch 1 ${takenOver}`, '80 3 opens', '498 3 reads {}'],
      '498 3 reads completes',
    ]);
  });

  it('is not opened by a thief that has given up, or was frozen when another thief came', () => {
    for (const how of ['gives up', 'is frozen'] as const) {
      const test = createStorageTest({ diskRandom: slow, random: () => 0.5 });
      const { tabs, open, openCount, write, read, at, play } = test;
      open(tabs[0]);
      at(10, () => write(tabs[0], 1));
      at(20, () => {
        const opening = open(tabs[1], 'steal');
        at(25, () => (how === 'gives up' ? opening.unsubscribe() : tabs[1].freeze()));
      });
      if (how === 'is frozen') at(30, () => open(tabs[2], 'steal'));
      if (how === 'is frozen') at(100, () => read(tabs[2]));
      const rest = how === 'is frozen' ? [`70 batch 1 ${takenOver}`, '80 3 opens', '498 3 reads {}'] : [];
      expect(play()).toEqual([
        '0 1 opens',
        ...(how === 'is frozen' ? [...rest, '498 3 reads completes'] : ['408 batch 1 completes']),
      ]);
      expect(openCount()).toBe(how === 'is frozen' ? 2 : 1);
    }
  });

  it('is opened by any number of tabs that share it, and meanwhile by no other tab', () => {
    const { tabs, at, play, write, read, storages, open } = createStorageTest();
    const [one, two, three] = tabs;
    const share = (tab: VirtualTab): void =>
      void tab.platform.openStorage().subscribe((storage) => storages.set(tab, storage));
    share(one);
    at(10, () => write(one, 1));
    at(20, () => open(three));
    at(600, () => share(two));
    at(610, () => write(one, 2));
    at(620, () => read(two));
    at(630, () => open(three));
    at(640, () => [one, two].forEach((tab) => storages.get(tab)?.close().subscribe()));
    expect(play()).toEqual([
      ...['10 batch 1 completes', '520 3 fails: The storage "tasks" is in use by another tab.'],
      ...[`610 batch 2 ${takenOver}`, `620 2 reads ${shown([1])}`, '620 2 reads completes', '640 3 opens'],
    ]);
  });

  it('has every batch that completed, no batch that errored, and changes no more once a later tab has read it', () => {
    const act = fc.record({
      at: fc.nat(1_500),
      tab: fc.nat(2),
      what: fc.constantFrom('write', 'write', 'write', 'steal', 'close', 'freeze', 'resume'),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), fc.nat(), (acts, seed) => {
        const random = createSeededRandom(seed);
        const { tabs, storages, open, at, play, disk } = createStorageTest({ random, diskRandom: random });
        const completed = new Set<string>();
        const failed = new Set<string>();
        let written = 0;
        const write = (tab: VirtualTab, key: string): void => {
          const storage = storages.get(tab); // A frozen tab may still run the code of promises.
          if (!storage) return;
          written += 1;
          storage.batch([{ type: 'put', key, value: Uint8Array.of(0, 1) }], { durable: true }).subscribe({
            error: () => failed.add(key),
            complete: () => completed.add(key),
          });
        };
        open(tabs[0]);
        acts.forEach(({ at: ms, tab, what }, index) =>
          at(ms, () => {
            if (what === 'write') write(tabs[tab]!, `key ${index}`);
            else if (what === 'steal') open(tabs[tab]!, 'steal');
            else if (what === 'close') storages.get(tabs[tab]!)?.close().subscribe();
            else tabs[tab]![what]();
          }),
        );
        at(3_000, () => tabs.forEach((tab) => tab.resume()));
        let last: Contents = {};
        at(4_000, () => {
          const tab = tabs[0];
          tab.platform.openStorage('steal').subscribe((storage) =>
            storage.range(everything).subscribe((found) => {
              last = contentsOf(found);
              tabs.forEach((each) => write(each, `late ${each.number}`));
            }),
          );
        });
        play();
        expect(completed.size + failed.size).toBe(written);
        expect([...failed].filter((key) => key in last)).toEqual([]);
        expect([...completed].filter((key) => !(key in last))).toEqual([]);
        expect(contentsOf(disk.entries())).toEqual(last);
      }),
      { numRuns: 300 },
    );
  });
});
