import { asapScheduler, firstValueFrom, of } from 'rxjs';
import { decodeOperations } from '../../lib/merge/body.js';
import { fromBytes, toBytes } from '../../lib/model/bytes.js';
import { StorageError } from '../../lib/model/errors.js';
import { checkedSchema } from '../../lib/model/schema.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { openStore } from '../../lib/store/open.js';
import type { Store } from '../../lib/store/store.js';
import type { Transaction } from '../../lib/store/transaction.js';
import type { Schema } from '../../lib/model/schema.js';
import { done, failing, held, page } from './kit.js';

const shapes = checkedSchema({
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', steps: 'string[]', likes: 'counter' } },
});
const hour = 3_600_000;
const day = 24 * hour;
const noon = Date.parse('2024-05-01T12:00Z');

/** A device: its clock says what it is told to. */
const deviceOn = (storage: Storage = memoryStorage(), time = noon) => {
  const clock = { time, scheduler: asapScheduler, random: Math.random, now: () => clock.time };
  let store: Store | undefined;
  openStore({ storage, shapes, clock }).subscribe((made) => (store = made));
  if (!store) throw new Error('memory opens at once');
  return { store, clock };
};

const wrote = (store: Store, change: (tx: Transaction<Schema>) => void) => firstValueFrom(store.write(change));
const named = (title: string) => (tx: Transaction<Schema>) => tx.create('Task', { id: title, title });
const add = (store: Store, title: string) => wrote(store, named(title));
const told = (serverTime: number, offset: number, margin = 1_000) => ({ serverTime, offset, margin });
const waiting = (store: Store, after = 0) => firstValueFrom(store.uploads(after, of(after)));
/** The outbox as the storage has it: the store's own stays unread, because what was read may be on its way. */
const stored = (storage: Storage, after = 0) => waiting(deviceOn(storage).store, after);
const times = async (storage: Storage, after = 0) =>
  (await stored(storage, after)).map(({ time, count }) => [time - noon, count]);

/** What somebody else gets of it. */
const shownElsewhere = async (storage: Storage) => {
  const { store } = deviceOn();
  const { replica } = await firstValueFrom(deviceOn(storage).store.greeting$);
  const changesets = (await stored(storage)).map((changeset) => ({ ...changeset, origin: replica }));
  await done(store.integrate({ changesets, upTo: changesets.length, bytes: 0, remainingBytes: 0 }));
  return firstValueFrom(store.objects$('Task'));
};

describe("the server's time", () => {
  it('stamps what is written from then on, and also after a restart', async () => {
    const storage = memoryStorage();
    const { store } = deviceOn(storage, noon + day);
    await done(store.correct(told(noon, -day)));
    await add(store, 'now');
    expect(await times(storage)).toEqual([[0, 0]]);
    await add(deviceOn(storage, noon + day + hour).store, 'later');
    expect(await times(storage)).toEqual([
      [0, 0],
      [hour, 0],
    ]);
  });

  it('survives a start over, which knows nothing of clocks', async () => {
    const storage = memoryStorage();
    const { store } = deviceOn(storage, noon + day);
    await done(store.correct(told(noon, -day)));
    await done(store.reset('recover'));
    await add(deviceOn(storage, noon + day).store, 'now');
    expect(await times(storage)).toEqual([[0, 0]]);
  });

  it.each([
    ['less than the margin is none', [told(noon, 900)], 0],
    ['a wide margin tells little', [told(noon, 4_000, 5_000)], 0],
    ['more than the margin counts', [told(noon, 4_000)], 4_000],
    ['a small change of it is noise', [told(noon, 4_000), told(noon, 4_900)], 4_000],
    ['a clock that was put right is right', [told(noon, 4_000), told(noon, 300)], 0],
    ['a measurement while the clock jumped says nothing', [told(noon, 4_000), told(noon, 4_000 - day / 2, day)], 4_000],
    ['what is no time says nothing', [told(noon, 4_000), told(noon, NaN)], 4_000],
  ])('is heard with care: %s', async (_, heard, expected) => {
    const storage = memoryStorage();
    const { store } = deviceOn(storage);
    for (const each of heard) await done(store.correct(each));
    await add(store, 'now');
    expect(await times(storage)).toEqual([[expected, 0]]);
  });

  it('is not written down when it is no news', () => {
    const { storage, begun, hold, finish } = held();
    const { store } = deviceOn(storage);
    hold();
    store.correct(told(noon, 10)).subscribe();
    expect(begun).toHaveLength(0);
    store.correct(told(noon, 2_000)).subscribe();
    expect(begun).toHaveLength(1);
    finish();
  });

  it('is none for a realm of before, which may have seen all up to its clock', async () => {
    const storage = memoryStorage();
    await add(deviceOn(storage, noon + day).store, 'old');
    const [[, value] = ['', new Uint8Array()]] = await firstValueFrom(
      storage.range({ from: 'meta', to: 'meta ', limit: 1, bytesMax: Infinity }),
    );
    const read = fromBytes(value);
    if (!('right' in read)) throw new Error(read.left);
    const before = toBytes((read.right as unknown[]).slice(0, 12));
    storage.batch([{ type: 'put', key: 'meta', value: before }], { durable: true }).subscribe();
    const { store } = deviceOn(storage, noon + day);
    await done(store.correct(told(noon, -day)));
    expect(await times(storage)).toEqual([[day, 0]]);
  });
});

describe('changes that never went out', () => {
  const edited = async (storage: Storage, time = noon + day) => {
    const { store, clock } = deviceOn(storage, time);
    await add(store, 'tea');
    clock.time += hour;
    await wrote(store, (tx) => tx.list('Task', 'tea', 'steps').push('boil', 'pour'));
    await wrote(store, (tx) => tx.list('Task', 'tea', 'steps').move(1, 0));
    await wrote(store, (tx) => tx.increment('Task', 'tea', 'likes', 2));
    await wrote(store, (tx) => {
      tx.increment('Task', 'tea', 'likes', 3);
      tx.list('Task', 'tea', 'steps').remove(1);
    });
    return { store, clock };
  };

  it('are stamped again as if the clock had always been right, in their order', async () => {
    const storage = memoryStorage();
    const { store } = await edited(storage);
    expect((await times(storage)).map(([time]) => time)).toEqual([day, ...Array<number>(4).fill(day + hour)]);
    await done(store.correct(told(noon + 2 * hour, -day)));
    expect(await times(storage)).toEqual([
      [0, 0],
      [hour, 0],
      [hour, 1],
      [hour, 2],
      [hour, 3],
    ]);
  });

  it('look as they did, here, after a restart, and to everybody else: elements and lives go by their new names', async () => {
    const storage = memoryStorage();
    const { store } = await edited(storage);
    const before = store.get('Task', 'tea');
    expect(before).toMatchObject({ steps: ['pour'], likes: 5 });
    let emissions = 0;
    store.objects$('Task').subscribe(() => (emissions += 1));
    await done(store.correct(told(noon + 2 * hour, -day)));
    expect(store.get('Task', 'tea')).toBe(before);
    expect(emissions).toBe(1);
    expect(deviceOn(storage).store.get('Task', 'tea')).toEqual(before);
    expect(await shownElsewhere(storage)).toEqual([before]);
    await wrote(store, (tx) => {
      tx.increment('Task', 'tea', 'likes');
      tx.list('Task', 'tea', 'steps').set(0, 'sip');
    });
    expect(await shownElsewhere(storage)).toMatchObject([{ steps: ['sip'], likes: 6 }]);
    expect(await waiting(store)).toEqual(await stored(storage)); // What is uploaded is what is stored.
  });

  it('count as many bytes as they take', async () => {
    const storage = memoryStorage();
    const { store } = await edited(storage);
    await done(store.correct(told(noon + 2 * hour, -day)));
    expect(await firstValueFrom(store.outbox$)).toEqual(await firstValueFrom(deviceOn(storage).store.outbox$));
  });

  it("are never later than the server's time, whatever the clock was when", async () => {
    const storage = memoryStorage();
    const { store, clock } = deviceOn(storage, noon);
    await add(store, 'before');
    clock.time = noon + 3 * hour;
    await add(store, 'ahead');
    await done(store.correct(told(noon + hour, 0))); // It was put right again meanwhile.
    expect(await times(storage)).toEqual([
      [0, 0],
      [hour, 0],
    ]);
  });

  it('stay as they are when the clock was behind, or right', async () => {
    const storage = memoryStorage();
    const { store } = deviceOn(storage, noon - day);
    await add(store, 'behind');
    await done(store.correct(told(noon, day)));
    await add(store, 'right');
    await done(store.correct(told(noon, day)));
    expect(await times(storage)).toEqual([
      [-day, 0],
      [0, 0],
    ]);
  });

  it('stay later than all that their writer had seen, and than what the server has of his', async () => {
    const storage = memoryStorage();
    const { store } = deviceOn(storage, noon + day);
    await done(
      store.integrate(page(1, [{ kind: 'create', type: 'Task', key: 'x', values: { title: 'x' } }], noon + hour)),
    );
    await add(store, 'a');
    await wrote(store, (tx) => tx.update('Task', 'x', { title: 'y' }));
    await done(store.correct(told(noon, -day)));
    expect(await times(storage)).toEqual([
      [hour, 1],
      [hour, 2],
    ]);
    const ahead = memoryStorage();
    const other = deviceOn(ahead, noon + hour);
    await add(other.store, 'sent');
    await done(other.store.acknowledge(1));
    await add(other.store, 'unsent');
    await done(deviceOn(ahead).store.correct(told(noon, -hour)));
    const [[time, count] = []] = await times(ahead, 1);
    expect(time).toBe(hour);
    expect(count).toBeGreaterThan(0);
  });

  it('keep their stamps when they went out: they may be in the history by now', async () => {
    const storage = memoryStorage();
    const { store } = deviceOn(storage, noon + hour);
    await add(store, 'handed over');
    await waiting(store);
    await add(store, 'not yet');
    await done(store.correct(told(noon, -hour)));
    expect(await times(storage)).toEqual([
      [hour, 0],
      [hour, 1],
    ]);
  });

  it('are stamped again even then when no server takes what is that far ahead', async () => {
    const storage = memoryStorage();
    const { store } = deviceOn(storage, noon + 2 * day);
    await add(store, 'refused');
    await waiting(store);
    await done(store.correct(told(noon, -2 * day)));
    expect(await times(storage)).toEqual([[0, 0]]);
  });

  it('are the base of what is written before that is stored, and follow what was on its way', async () => {
    const { storage, inner, hold, finish } = held();
    const { store } = deviceOn(storage, noon + day);
    await add(store, 'first');
    hold();
    const writes = [add(store, 'on its way')];
    const correction = done(store.correct(told(noon, -day)));
    writes.push(wrote(store, (tx) => tx.update('Task', 'first', { title: 'second' })));
    const again = done(store.correct(told(noon, -day))); // And again, before the first one is stored.
    while (finish() > 0) await Promise.resolve();
    await Promise.all([...writes, correction, again]);
    expect(await times(inner)).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
    ]);
    expect(await waiting(store)).toEqual(await stored(inner));
    expect(await shownElsewhere(inner)).toEqual(await firstValueFrom(store.objects$('Task')));
    expect((await firstValueFrom(store.objects$('Task'))).map(({ title }) => title)).toEqual(['second', 'on its way']);
  });

  it('stay what they were when that cannot be stored, and are not overtaken by what is written next', async () => {
    const { storage, state } = failing();
    const { store } = deviceOn(storage, noon + day);
    await add(store, 'a');
    state.full = true;
    await expect(done(store.correct(told(noon, -day)))).rejects.toThrow(StorageError);
    state.full = false;
    await add(store, 'b');
    expect((await times(storage)).map(([time]) => time)).toEqual([day, day]);
    await done(store.correct(told(noon, -day)));
    expect(await times(storage)).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(await waiting(store)).toEqual(await stored(storage));
  });

  it('recover from a start over that comes at the same time', async () => {
    const { storage, inner, hold, finish } = held();
    const { store } = deviceOn(storage, noon + day);
    await add(store, 'a');
    hold();
    const all = [done(store.correct(told(noon, -day))), done(store.reset('recover')), add(store, 'b')];
    while (finish() > 0) await Promise.resolve();
    await Promise.all(all);
    expect(await times(inner)).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect((await stored(inner)).map(({ version, body }) => [version, 'right' in decodeOperations(body)])).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(await shownElsewhere(inner)).toEqual(await firstValueFrom(store.objects$('Task')));
  });
});
