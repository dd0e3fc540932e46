import { EMPTY, lastValueFrom, concat, of, type Subscription } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { StorageError } from '../../../lib/model/errors.js';
import { createIndexBuilder, type IndexBuilder } from '../../../lib/server/history/index-builder.js';
import type { History } from '../../../lib/server/history/history.js';
import { createProjector, type Projector } from '../../../lib/server/history/projector.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import {
  append,
  createCrashingStorage,
  indexKeysOf,
  openTeam,
  watch,
  type Change,
  advance,
} from './indexed-history.js';

const changes = Array.from(
  { length: 2_500 }, // Three pages.
  (_, key): Change => ({ kind: 'create', type: 'A', key, values: { p: key % 7, q: 'x' }, time: 1, origin: 'a' }),
);

interface Running {
  readonly builder: IndexBuilder;
  readonly projector: Projector;
  readonly failures: unknown[];
}

let running: Subscription[] = [];
afterEach(() => {
  running.forEach((each) => each.unsubscribe());
  running = [];
});

/** Starts what an open realm has for its index. */
const start = (history: History): Running => {
  const failures: unknown[] = [];
  const failed = (thrown: unknown): void => {
    failures.push(thrown);
  };
  const quietQueue = { put: () => undefined, remove: () => undefined };
  const leases = { isHeld: () => false, moved: () => undefined };
  const projector = createProjector({ history, leases, clock: systemClock, lagBytesMax: 1e9, quietQueue, failed });
  const builder = createIndexBuilder({ history, projector, clock: systemClock, failed });
  running.push(projector.working$.subscribe(), builder.working$.subscribe());
  return { builder, projector, failures };
};

const whenDone = (work$: IndexBuilder['indexed$']): Promise<unknown> => lastValueFrom(concat(work$, of('done')));

describe('the index of a property that is watched later', () => {
  it('is built once for all who wait, page by page, with other work on the objects between two pages', async () => {
    const disk = memoryStorage();
    const history = await openTeam(disk);
    await append(history, changes);
    while (history.projection.cursor.version < history.log.head) await advance(history);
    const { builder, projector } = start(history);
    expect(builder.isIdle()).toBe(true);
    expect(await whenDone(builder.indexed$)).toBe('done');
    await watch(history, 'A', ['p']);
    const rows: number[] = [];
    const waiting = [whenDone(builder.indexed$), whenDone(builder.indexed$)];
    expect(builder.isIdle()).toBe(false);
    await whenDone(projector.runExclusive(EMPTY));
    rows.push((await indexKeysOf(disk)).length);
    await watch(history, 'A', ['q']); // During the build of the first.
    await Promise.all([...waiting, whenDone(builder.indexed$)]);
    rows.push((await indexKeysOf(disk)).length);
    expect(rows[0]).toBeLessThan(changes.length);
    expect(rows[1]).toBe(2 * changes.length);
    expect(builder.isIdle()).toBe(true);
  });

  it('is tried again after an error, and by the next process after a crash', async () => {
    const disk = memoryStorage();
    const { storage, crashAfter } = createCrashingStorage(disk);
    const history = await openTeam(storage);
    await append(history, changes);
    while (history.projection.cursor.version < history.log.head) await advance(history);
    await watch(history, 'A', ['p']);
    crashAfter(1);
    const { builder, failures } = start(history);
    await expect(whenDone(builder.indexed$)).rejects.toBeInstanceOf(StorageError);
    expect([failures.length, builder.isIdle()]).toEqual([1, true]);
    await expect(whenDone(builder.indexed$)).rejects.toBeInstanceOf(StorageError);
    const next = await openTeam(disk);
    expect(next.projection.index.createPass()).not.toBeNull();
    const { builder: nextBuilder } = start(next);
    expect(nextBuilder.isIdle()).toBe(false); // It goes on by itself.
    expect(await whenDone(nextBuilder.indexed$)).toBe('done');
    expect((await indexKeysOf(disk)).length).toBe(changes.length);
  });
});
