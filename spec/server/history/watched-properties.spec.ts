import { defaultIfEmpty, firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import {
  openWatchedProperties,
  WatchLimitError,
  type WatchedProperties,
} from '../../../lib/server/history/watched-properties.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';

const open = (storage: Storage): Promise<WatchedProperties> => firstValueFrom(openWatchedProperties(storage));
const run = (work$: Observable<never>): Promise<unknown> => lastValueFrom(work$.pipe(defaultIfEmpty(null)));

/** Returns each watched property as a text: its type, name and version, and a star when it is indexed. */
const textsOf = ({ types }: WatchedProperties): readonly string[] =>
  [...types].flatMap(([type, { since, properties }]) => [
    `${type} ${since}`,
    ...properties.map((each) => `${type}.${each.name} ${each.since}${each.isIndexed ? ' *' : ''}`),
  ]);

const keysOf = async (storage: Storage): Promise<readonly string[]> =>
  (await firstValueFrom(storage.range({ from: ' ', to: '~', limit: 1_000, bytesMax: Infinity }))).map(([key]) => key);

describe('the watched properties of a realm', () => {
  it('are empty and store nothing until a property is watched', async () => {
    const storage = memoryStorage();
    const watched = await open(storage);
    expect(watched.types.size).toBe(0);
    expect(await keysOf(storage)).toEqual([]);
  });

  it('keep the order and the version of their first mention, also after a restart', async () => {
    const storage = memoryStorage();
    const watched = await open(storage);
    await run(watched.watch('Task', ['list', 'due', 'list'], 3));
    await run(watched.watch('Task', ['a', 'due', ''], 7)); // The empty name is the primary key.
    await run(watched.watch('Note', [], 9));
    const expected = ['Task 3', 'Task.list 3', 'Task.due 3', 'Task.a 7', 'Note 9'];
    expect(textsOf(watched)).toEqual(expected);
    expect(textsOf(await open(storage)).toSorted()).toEqual(expected.toSorted());
  });

  it('write nothing when all are watched already', async () => {
    const storage = memoryStorage();
    const watched = await open(storage);
    await run(watched.watch('Task', ['list'], 3));
    const { types } = watched;
    const failing: Storage = {
      ...storage,
      batch: () => {
        throw new Error('written');
      },
    };
    const again = await open(failing);
    await run(again.watch('Task', ['list'], 8));
    await run(again.watch('Task', [], 8));
    expect(again.types).toEqual(types);
  });

  it('are at most 16 of a type, and of 256 types; one more changes nothing', async () => {
    const storage = memoryStorage();
    const watched = await open(storage);
    const names = Array.from({ length: serverLimits.watchedPropertiesMax }, (_, at) => `p${at}`);
    await run(watched.watch('Task', names.slice(1), 1));
    const before = textsOf(watched);
    const tooMany = { code: 'too-many-properties', constructor: WatchLimitError };
    await expect(run(watched.watch('Task', ['p0', 'more'], 2))).rejects.toMatchObject(tooMany);
    expect(textsOf(watched)).toEqual(before);
    expect(textsOf(await open(storage))).toEqual(before);
    await run(watched.watch('Task', ['p0'], 2));
    for (let at = 1; at < serverLimits.watchedTypesMax; at += 1) await run(watched.watch(`T${at}`, [], 1));
    await expect(run(watched.watch('More', [], 2))).rejects.toMatchObject({ code: 'too-many-types' });
    await run(watched.watch('T1', ['list'], 2));
    expect(watched.types.size).toBe(serverLimits.watchedTypesMax);
  });

  it('are marked as indexed one by one, also while another is being watched', async () => {
    const storage = memoryStorage();
    const watched = await open(storage);
    await run(watched.watch('Task', ['list', 'due'], 1));
    const watching = run(watched.watch('Task', ['done'], 2));
    await run(storage.batch([watched.toIndexedChange('Task', 'due')], { durable: false }));
    watched.confirmIndexed('Task', 'due');
    await watching;
    const expected = ['Task 1', 'Task.list 1', 'Task.due 1 *', 'Task.done 2'];
    expect(textsOf(watched)).toEqual(expected);
    expect(textsOf(await open(storage))).toEqual(expected);
    await run(storage.batch(watched.toUnindexedChanges(), { durable: false }));
    watched.confirmUnindexed();
    expect(textsOf(watched).join()).not.toContain('*');
    expect(textsOf(await open(storage))).toEqual(textsOf(watched));
  });

  it('are watched again from a later version on, and never from an earlier one', async () => {
    const storage = memoryStorage();
    const watched = await open(storage);
    await run(watched.watch('Task', ['list'], 1));
    await run(watched.watch('Task', ['due'], 8));
    await run(watched.watch('Note', ['list'], 2));
    await run(watched.raiseSince(['Task', 'Other'], 5));
    const expected = ['Task 5', 'Task.list 5', 'Task.due 8', 'Note 2', 'Note.list 2'];
    expect(textsOf(watched)).toEqual(expected);
    expect(textsOf(await open(storage)).toSorted()).toEqual(expected.toSorted());
  });

  it('cannot be read from damaged records', async () => {
    for (const [key, value] of [
      ['watched/Task', [0x92, 0xa1, 0x61, 0x90]],
      ['watched/Task/0', []],
    ] as const) {
      const storage = memoryStorage();
      await run(storage.batch([{ type: 'put', key, value: Uint8Array.from(value) }], { durable: false }));
      await expect(open(storage)).rejects.toThrow(/damaged/);
    }
  });
});
