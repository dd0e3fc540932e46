import { firstValueFrom } from 'rxjs';
import { decodeOperations } from '../../lib/merge/body.js';
import { StorageError } from '../../lib/model/errors.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import {
  add,
  day,
  deviceOn,
  hour,
  named,
  noon,
  shownElsewhere,
  stored,
  times,
  told,
  waiting,
  wrote,
} from './clockkit.js';
import { done, failing, held, page } from './kit.js';

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
    await add(deviceOn(storage, noon + day + 2 * hour).store, 'after a restart');
    expect((await times(storage)).at(-1)).toEqual([2 * hour, 0]);
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

  it('go by their new names after a restart', async () => {
    const storage = memoryStorage();
    await done((await edited(storage)).store.correct(told(noon + 2 * hour, -day)));
    await wrote(deviceOn(storage).store, (tx) => {
      tx.increment('Task', 'tea', 'likes');
      tx.list('Task', 'tea', 'steps').set(0, 'gulp');
    });
    expect(await shownElsewhere(storage)).toMatchObject([{ steps: ['gulp'], likes: 6 }]);
  });

  it('go by their new names also after a later write has failed', async () => {
    const { storage, state } = failing();
    const { store } = await edited(storage);
    await done(store.correct(told(noon + 2 * hour, -day)));
    state.full = true;
    await expect(add(store, 'too much')).rejects.toThrow(StorageError);
    state.full = false;
    await wrote(store, (tx) => tx.list('Task', 'tea', 'steps').set(0, 'sip'));
    expect(await shownElsewhere(storage)).toMatchObject([{ steps: ['sip'], likes: 5 }]);
  });

  it('count as many bytes as they take', async () => {
    const storage = memoryStorage();
    const { store, clock } = deviceOn(storage, noon + hour);
    await add(store, 'long'.repeat(40)); // What comes after it counts from more than a byte on.
    await done(store.acknowledge(1));
    clock.time += 1_000;
    await wrote(store, (tx) => {
      named('tea')(tx);
      tx.list('Task', 'tea', 'steps').push('boil');
    });
    await wrote(store, (tx) => tx.list('Task', 'tea', 'steps').set(0, 'sip'));
    const before = await firstValueFrom(store.outbox$);
    await done(store.correct(told(noon, -hour)));
    const after = await firstValueFrom(store.outbox$);
    expect(after.bytes).toBeGreaterThan(before.bytes);
    expect(after).toEqual(await firstValueFrom(deviceOn(storage).store.outbox$));
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

  it('stay later than all that their writer had seen', async () => {
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
  });

  it.each(['accepted', 'refused'] as const)('stay later than what was %s of their writer', async (answer) => {
    const ahead = memoryStorage();
    const other = deviceOn(ahead, noon + hour);
    await add(other.store, 'sent');
    if (answer === 'accepted') await done(other.store.acknowledge(1));
    else await done(other.store.refuse({ version: 1, writes: [], code: 'not-permitted', standing: [] }));
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
    const writes = [add(store, 'on its way'), add(store, 'waiting for that')];
    const correction = done(store.correct(told(noon, -day)));
    writes.push(wrote(store, (tx) => tx.update('Task', 'first', { title: 'second' })));
    const again = done(store.correct(told(noon, -day))); // And again, before the first one is stored.
    while (finish() > 0) await Promise.resolve();
    await Promise.all([...writes, correction, again]);
    expect(await times(inner)).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
    expect(await waiting(store)).toEqual(await stored(inner));
    expect(await shownElsewhere(inner)).toEqual(await firstValueFrom(store.objects$('Task')));
    expect((await firstValueFrom(store.objects$('Task'))).map(({ title }) => title)).toEqual([
      'second',
      'on its way',
      'waiting for that',
    ]);
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
    await done(store.correct(told(noon + 2 * hour, -day)));
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
      [0, 1],
      [0, 2],
    ]);
    expect((await stored(inner)).map(({ version, body }) => [version, 'right' in decodeOperations(body)])).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(await shownElsewhere(inner)).toEqual(await firstValueFrom(store.objects$('Task')));
  });
});
