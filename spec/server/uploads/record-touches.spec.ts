import { limits } from '../../../lib/model/limits.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { touchesOf } from '../../../lib/server/history/touches.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createFaultyStorage } from '../test-kit.js';
import { create, openWatchedRealm, remove, run, update, type WatchedRealm } from '../watched-realm.js';

/** Returns the touches of each changeset as texts, such as `a: [1] > null`. */
const textsOf = (records: readonly HistoryRecord[]): readonly (readonly string[] | null)[] =>
  records.map(
    (record) =>
      touchesOf(record)?.map(({ type, key, change }) =>
        change === null
          ? `${type} ${key} same`
          : `${type} ${key} ${JSON.stringify(change.before)} > ${JSON.stringify(change.after)}`,
      ) ?? null,
  );

const touchTextsOf = async (one: WatchedRealm) => textsOf(await one.records());

describe('the touches of a changeset', () => {
  it('have the watched values of each object of a watched type before and after it', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.upload('a', 1, [create('x', { list: 'in', done: false, n: 1 }), create('y', {}, 'Note')]);
    one.watch('Task', 'list', 'done');
    one.upload(
      'a',
      2,
      [create('z', { list: 'out', n: [1] }), update('y', { list: 'in' }, 'Note'), update('x', { done: true })],
      [update('x', { n: 2 }), update('y', {}, 'Note')],
      [update('y', { list: 'out' }, 'Note')],
      [remove('x'), update('gone', { list: 'in' }), update('z', { list: 'later' })],
    );
    one.watch('Task', 'n');
    one.watch('Note');
    one.upload('a', 9, [update('z', { n: 3 }), remove('y', 'Note')], [create('x', { n: 7 })]);
    expect(await touchTextsOf(one)).toEqual([
      null,
      ['Task z null > ["out",null]', 'Task x ["in",false] > ["in",true]'],
      ['Task x same'],
      [],
      ['Task x ["in",true] > null', 'Task gone null > null', 'Task z ["out",null] > ["later",null]'],
      ['Task z ["later",null,[]] > ["later",null,3]', 'Note y [] > null'],
      ['Task x null > [null,null,7]'],
    ]);
  });

  it('are two bytes of an object whose watched values stay the same, and less than 60 with three that change', async () => {
    const one = await openWatchedRealm(memoryStorage());
    const key = '3f2504e0-4f89-11d3-9a0c-0305e82c3301';
    one.watch('Task', 'list', 'done', 'due');
    const values = { list: 'groceries', done: false, due: 1_796_000_000_000, text: 'milk' };
    one.upload('a', 1, [create(key, values)], [update(key, { text: 'bread' })]);
    one.upload('a', 3, [update(key, { list: 'household', done: true, due: 1_796_500_000_000 })]);
    const sizes = (await one.records()).map(({ touches }) => touches?.byteLength);
    expect(sizes).toEqual([24, 3, 47]); // One byte is for all touches of a changeset.
  });

  it('invariant 15: are not in a realm that is not watched', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.upload('a', 1, [create('x', { list: 'in' })]);
    const [record] = await one.records();
    expect(record).not.toHaveProperty('touches');
  });

  it('hold as much of a long value as a filter can compare', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.watch('Task', 'text', 'data');
    const text = `${'x'.repeat(limits.filterBytesMax - 1)}😀`;
    one.upload('a', 1, [create('x', { text, data: new Uint8Array(limits.filterBytesMax + 9) })]);
    const [touch] = touchesOf((await one.records())[0]!) ?? [];
    const [kept, data] = touch?.change?.after ?? [];
    expect(kept).toBe('x'.repeat(limits.filterBytesMax - 1));
    expect((data as Uint8Array).byteLength).toBe(limits.filterBytesMax);
  });

  it('are left out where they are far larger than the changeset, which begins to watch its types again', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.watch('Task', 'text', 'done');
    one.watch('Note', 'text');
    const text = 'x'.repeat(limits.filterBytesMax);
    const keys = Array.from({ length: serverLimits.touchesBytesMax / text.length + 1 }, (_, at) => `k${at}`);
    one.upload(
      'a',
      1,
      keys.slice(1).map((key) => create(key, { text })),
    );
    one.upload(
      'a',
      2,
      keys.slice(1).map((key) => update(key, { done: true })),
    );
    one.upload(
      'a',
      3,
      [create('k0', { text })],
      keys.map((key) => update(key, { done: false })),
    );
    one.upload('a', 5, [update('k1', { done: true })]);
    const found = (await one.records()).map((record) => touchesOf(record)?.length);
    expect(found).toEqual([keys.length - 1, keys.length - 1, 1, 0, 1]);
    const { types } = one.history.watchedProperties;
    expect(types.get('Task')).toMatchObject({ since: 4, properties: [{ since: 4 }, { since: 4 }] });
    expect(types.get('Note')).toMatchObject({ since: 0, properties: [{ since: 0 }] });
  });

  it('begin after the batch that is being written when a property is watched', async () => {
    const storage = createFaultyStorage();
    const one = await openWatchedRealm(storage);
    one.upload('a', 1, [create('x', {})]);
    storage.hold();
    one.upload('a', 2, [update('x', { list: 'in' })]);
    const [first, second] = [one.watch('Task', 'list'), one.watch('Task', 'done')];
    const third = one.upload('b', 2, [update('x', { done: true })]);
    expect([first.end(), one.history.watchedProperties.types.size]).toEqual(['open', 0]);
    while (third.end() === 'open') {
      storage.release();
      storage.hold();
    }
    expect([first.end(), second.end(), third.emitted]).toEqual(['complete', 'complete', [{ accepted: 1 }]]);
    const task = one.history.watchedProperties.types.get('Task');
    expect([task?.since, task?.properties.map(({ since }) => since)]).toEqual([2, [2, 2]]);
    expect(await touchTextsOf(one)).toEqual([null, null, ['Task x ["in",null] > ["in",true]']]);
    const others = [one.upload('a', 3, [remove('x')]), one.watch('Task', 'n'), one.watch('Note')];
    while (others[0]?.end() === 'open') {
      storage.release();
      storage.hold();
    }
    for (let batches = 0; batches < 2; batches += 1) storage.release(); // No upload waits.
    expect(others.map(({ end }) => end())).toEqual(['complete', 'complete', 'complete']);
  });

  it('do not keep the retention cutoff waiting while a property begins to be watched', async () => {
    const storage = createFaultyStorage();
    const one = await openWatchedRealm(storage);
    storage.hold();
    one.watch('Task', 'list');
    const rejecting = run(one.realm.uploadQueue.rejectBefore(5));
    expect(rejecting.end()).toBe('open');
    storage.release();
    expect(rejecting.end()).toBe('complete');
  });

  it('are not missing after an upload or a watch that failed', async () => {
    const storage = createFaultyStorage();
    const one = await openWatchedRealm(storage);
    storage.fail(true);
    const failed = [one.watch('Task', 'list'), one.upload('a', 1, [create('x', {})])];
    storage.fail(false);
    expect(failed.map(({ end }) => end())).toEqual(['the disk is full', 'the disk is full']);
    const names = Array.from({ length: serverLimits.watchedPropertiesMax + 1 }, (_, at) => `p${at}`);
    expect(one.watch('Task', ...names).end()).toMatch(/more than 16 properties/);
    expect(one.history.watchedProperties.types.size).toBe(0);
    expect(one.watch('Task', 'list').end()).toBe('complete');
    one.upload('b', 1, [create('y', { list: 'in' })]);
    expect(await touchTextsOf(one)).toEqual([['Task y null > ["in"]']]);
  });
});
