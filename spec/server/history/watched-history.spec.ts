import { defaultIfEmpty, firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { encodeServer } from '../../../lib/protocol/codec.js';
import { downloadPage } from '../../../lib/protocol/pages.js';
import type { History } from '../../../lib/server/history/history.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import { createSharedPage } from '../../../lib/server/sessions/shared-page.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage, StorageEntry } from '../../../lib/storage/storage.js';
import {
  advanceProjection,
  appendOperations,
  changesetsOf,
  createChangesets,
  createTask,
} from '../../../lib/testing/history-fixtures.js';
import { decodeValue } from '../../../lib/model/msgpack.js';
import { right } from '../../../lib/model/result.js';

const run = (work$: Observable<unknown>): Promise<unknown> => lastValueFrom(work$.pipe(defaultIfEmpty(null)));
const open = (storage: Storage): Promise<History> => firstValueFrom(openHistory(storage, 'team', { random: () => 0 }));
const entriesOf = (storage: Storage): Promise<readonly StorageEntry[]> =>
  firstValueFrom(storage.range({ from: ' ', to: '~', limit: 10_000, bytesMax: Infinity }));

/** Returns the versions since which the type and its properties are watched, with a star for an indexed property. */
const sinceOf = ({ watchedProperties: { types } }: History): string =>
  [...types]
    .map(([type, { since, properties }]) =>
      [
        `${type} ${since}`,
        ...properties.map((each) => `${each.name} ${each.since}${each.isIndexed ? '*' : ''}`),
      ].join(),
    )
    .join('; ');

const watch = async ({ watchedProperties, projection, log }: History): Promise<void> => {
  await run(watchedProperties.watch('Task', ['title'], log.head));
  for (let pass = projection.index.createPass(); pass !== null;)
    pass = await firstValueFrom(projection.index.build(pass));
};

/** Appends as an earlier version of the server does: without touches. */
const appendWithout = (history: History, key: string): Promise<void> =>
  appendOperations(history, [], {
    changesets: createChangesets(history, [createTask(key)]).map(({ touches: _, ...record }) => record),
  });

describe('a watched history', () => {
  it('begins to be watched again at its head when an earlier version of the server has appended to it', async () => {
    const storage = memoryStorage();
    const history = await open(storage);
    await appendOperations(history, [createTask('a')]);
    await watch(history);
    await appendOperations(history, [createTask('b')]);
    expect(sinceOf(await open(storage))).toBe('Task 1,title 1*');
    await appendWithout(await open(storage), 'c');
    await appendWithout(await open(storage), 'd');
    const reopened = await open(storage);
    expect(sinceOf(reopened)).toBe('Task 4,title 4');
    await run(reopened.watchedProperties.watch('Task', ['done'], 4));
    await appendOperations(reopened, [createTask('e')]);
    expect(sinceOf(await open(storage))).toBe('Task 4,title 4,done 4');
  });

  it('stays watched since the same version when nothing was appended, and when it is trimmed', async () => {
    const storage = memoryStorage();
    const history = await open(storage);
    await appendOperations(history, [createTask('a')]);
    await watch(history);
    expect(sinceOf(await open(storage))).toBe('Task 1,title 1*');
    await appendOperations(history, [createTask('b'), createTask('c'), createTask('d')]);
    await advanceProjection(history);
    await run(history.trim(4));
    const trimmed = await open(storage);
    expect([sinceOf(trimmed), trimmed.log.floor]).toEqual(['Task 1,title 1*', 4]);
    await appendOperations(trimmed, [createTask('e')]);
    const kept = await changesetsOf(await open(storage));
    expect(kept.map(({ version, touches }) => [version, touches?.byteLength])).toEqual([[5, 0]]);
    expect((await entriesOf(storage)).filter(([key]) => key.includes('/log/e')).length).toBe(1);
  });

  it('is the same in a copy of its storage, such as a backup', async () => {
    const storage = memoryStorage();
    const history = await open(storage);
    await watch(history);
    const touched = createChangesets(history, [createTask('a'), createTask('b')]);
    await appendOperations(history, [], {
      changesets: touched.map((record, at) => ({ ...record, touches: Uint8Array.of(0x91, at) })),
    });
    const copy = memoryStorage();
    const entries = await entriesOf(storage);
    await run(
      copy.batch(
        entries.map(([key, value]) => ({ type: 'put', key, value })),
        { durable: true },
      ),
    );
    const restored = await open(copy);
    expect(await changesetsOf(restored)).toEqual(await changesetsOf(history));
    expect(sinceOf(restored)).toBe('Task 0,title 0*');
  });

  it('invariant 15: is sent in the same frames as one that is not watched, which has the same records as before', async () => {
    const storage = memoryStorage();
    const history = await open(storage);
    await appendOperations(history, [createTask('a'), createTask('b')]);
    const entries = await changesetsOf(history);
    const frameOf = (all: typeof entries) =>
      encodeServer(createSharedPage(0, { entries: all, upTo: 2 }).downloadFor(1, { version: 2, bytes: 900 }));
    const touched = entries.map((record) => ({ ...record, touches: Uint8Array.of(1, 2, 3) }));
    expect(frameOf(touched)).toEqual(frameOf(entries));
    const stored = await entriesOf(storage);
    expect(stored.map(([key]) => key.replace(/\d+$/, ''))).toEqual([
      'realm/team/id',
      'realm/team/latest',
      'realm/team/log/e',
    ]);
    const block = stored.find(([key]) => key.includes('/log/'))?.[1] ?? new Uint8Array();
    expect(decodeValue(block)).toEqual(right([1, 2, 0, downloadPage.write(entries)]));
  });
});
