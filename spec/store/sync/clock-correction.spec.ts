import { firstValueFrom } from 'rxjs';
import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import { StorageError } from '../../../lib/model/errors.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import {
  addOperation,
  day,
  openDeviceStore,
  hour,
  createNamed,
  noon,
  viewElsewhere,
  storedOf,
  timesOf,
  applyServerTime,
  waitingOf,
  writeTask,
} from '../clock-kit.js';
import { waitUntilDone, createFailingStorage, createHeldStorage, createPage } from '../test-kit.js';

describe('changesets that were never sent', () => {
  const edited = async (storage: Storage, time = noon + day) => {
    const { store, clock } = openDeviceStore(storage, time);
    await addOperation(store, 'tea');
    clock.time += hour;
    await writeTask(store, (tx) => tx.list('Task', 'tea', 'steps').push('boil', 'pour'));
    await writeTask(store, (tx) => tx.list('Task', 'tea', 'steps').move(1, 0));
    await writeTask(store, (tx) => tx.increment('Task', 'tea', 'likes', 2));
    await writeTask(store, (tx) => {
      tx.increment('Task', 'tea', 'likes', 3);
      tx.list('Task', 'tea', 'steps').remove(1);
    });
    return { store, clock };
  };

  it('get the stamps of a correct clock, in their order', async () => {
    const storage = memoryStorage();
    const { store } = await edited(storage);
    expect((await timesOf(storage)).map(([time]) => time)).toEqual([day, ...Array<number>(4).fill(day + hour)]);
    await waitUntilDone(store.correct(applyServerTime(noon + 2 * hour, -day)));
    expect(await timesOf(storage)).toEqual([
      [0, 0],
      [hour, 0],
      [hour, 1],
      [hour, 2],
      [hour, 3],
    ]);
    await addOperation(openDeviceStore(storage, noon + day + 2 * hour).store, 'after a restart');
    expect((await timesOf(storage)).at(-1)).toEqual([2 * hour, 0]);
  });

  it('give the same objects here, after a restart and on other replicas: elements and creates are renamed', async () => {
    const storage = memoryStorage();
    const { store } = await edited(storage);
    const before = store.get('Task', 'tea');
    expect(before).toMatchObject({ steps: ['pour'], likes: 5 });
    let emissions = 0;
    store.objects$('Task').subscribe(() => (emissions += 1));
    await waitUntilDone(store.correct(applyServerTime(noon + 2 * hour, -day)));
    expect(store.get('Task', 'tea')).toBe(before);
    expect(emissions).toBe(1);
    expect(openDeviceStore(storage).store.get('Task', 'tea')).toEqual(before);
    expect(await viewElsewhere(storage)).toEqual([before]);
    await writeTask(store, (tx) => {
      tx.increment('Task', 'tea', 'likes');
      tx.list('Task', 'tea', 'steps').set(0, 'sip');
    });
    expect(await viewElsewhere(storage)).toMatchObject([{ steps: ['sip'], likes: 6 }]);
    expect(await waitingOf(store)).toEqual(await storedOf(storage)); // The uploaded bytes are the stored ones.
  });

  it('refer to new stamps after a restart', async () => {
    const storage = memoryStorage();
    await waitUntilDone((await edited(storage)).store.correct(applyServerTime(noon + 2 * hour, -day)));
    await writeTask(openDeviceStore(storage).store, (tx) => {
      tx.increment('Task', 'tea', 'likes');
      tx.list('Task', 'tea', 'steps').set(0, 'gulp');
    });
    expect(await viewElsewhere(storage)).toMatchObject([{ steps: ['gulp'], likes: 6 }]);
  });

  it('refer to new stamps also after a later write has failed', async () => {
    const { storage, state } = createFailingStorage();
    const { store } = await edited(storage);
    await waitUntilDone(store.correct(applyServerTime(noon + 2 * hour, -day)));
    state.full = true;
    await expect(addOperation(store, 'too much')).rejects.toThrow(StorageError);
    state.full = false;
    await writeTask(store, (tx) => tx.list('Task', 'tea', 'steps').set(0, 'sip'));
    expect(await viewElsewhere(storage)).toMatchObject([{ steps: ['sip'], likes: 5 }]);
  });

  it('count with their new sizes in bytes', async () => {
    const storage = memoryStorage();
    const { store, clock } = openDeviceStore(storage, noon + hour);
    await addOperation(store, 'long'.repeat(40)); // The counts of the following stamps take more than one byte.
    await waitUntilDone(store.acknowledge(1));
    clock.time += 1_000;
    await writeTask(store, (tx) => {
      createNamed('tea')(tx);
      tx.list('Task', 'tea', 'steps').push('boil');
    });
    await writeTask(store, (tx) => tx.list('Task', 'tea', 'steps').set(0, 'sip'));
    const before = await firstValueFrom(store.outbox$);
    await waitUntilDone(store.correct(applyServerTime(noon, -hour)));
    const after = await firstValueFrom(store.outbox$);
    expect(after.bytes).toBeGreaterThan(before.bytes);
    expect(after).toEqual(await firstValueFrom(openDeviceStore(storage).store.outbox$));
  });

  it("are never later than the server's time, whatever the clock was when", async () => {
    const storage = memoryStorage();
    const { store, clock } = openDeviceStore(storage, noon);
    await addOperation(store, 'before');
    clock.time = noon + 3 * hour;
    await addOperation(store, 'ahead');
    await waitUntilDone(store.correct(applyServerTime(noon + hour, 0))); // The clock was corrected again meanwhile.
    expect(await timesOf(storage)).toEqual([
      [0, 0],
      [hour, 0],
    ]);
  });

  it('keep their stamps when the clock was behind or correct', async () => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage, noon - day);
    await addOperation(store, 'behind');
    await waitUntilDone(store.correct(applyServerTime(noon, day)));
    await addOperation(store, 'right');
    await waitUntilDone(store.correct(applyServerTime(noon, day)));
    expect(await timesOf(storage)).toEqual([
      [-day, 0],
      [0, 0],
    ]);
  });

  it('stay later than everything that the replica had received', async () => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage, noon + day);
    await waitUntilDone(
      store.integrate(createPage(1, [{ kind: 'create', type: 'Task', key: 'x', values: { title: 'x' } }], noon + hour)),
    );
    await addOperation(store, 'a');
    await writeTask(store, (tx) => tx.update('Task', 'x', { title: 'y' }));
    await waitUntilDone(store.correct(applyServerTime(noon, -day)));
    expect(await timesOf(storage)).toEqual([
      [hour, 1],
      [hour, 2],
    ]);
  });

  it.each(['accepted', 'refused'] as const)(
    'stay later than the changesets of the replica that were %s',
    async (answer) => {
      const fastDisk = memoryStorage();
      const other = openDeviceStore(fastDisk, noon + hour);
      await addOperation(other.store, 'sent');
      if (answer === 'accepted') await waitUntilDone(other.store.acknowledge(1));
      else
        await waitUntilDone(other.store.rollBack({ version: 1, writes: [], code: 'not-permitted', serverStates: [] }));
      await addOperation(other.store, 'unsent');
      await waitUntilDone(openDeviceStore(fastDisk).store.correct(applyServerTime(noon, -hour)));
      const [[time, count] = []] = await timesOf(fastDisk, 1);
      expect(time).toBe(hour);
      expect(count).toBeGreaterThan(0);
    },
  );

  it('keep their stamps after they were sent: they may be in the history', async () => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage, noon + hour);
    await addOperation(store, 'handed over');
    await waitingOf(store);
    await addOperation(store, 'not yet');
    await waitUntilDone(store.correct(applyServerTime(noon, -hour)));
    expect(await timesOf(storage)).toEqual([
      [hour, 0],
      [hour, 1],
    ]);
  });

  it('get new stamps even after they were sent when they are too far ahead for any server', async () => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage, noon + 2 * day);
    await addOperation(store, 'refused');
    await waitingOf(store);
    await waitUntilDone(store.correct(applyServerTime(noon, -2 * day)));
    expect(await timesOf(storage)).toEqual([[0, 0]]);
  });

  it('are the base of later writes before the correction is stored, and follow pending ones', async () => {
    const { storage, inner, hold, finish } = createHeldStorage();
    const { store } = openDeviceStore(storage, noon + day);
    await addOperation(store, 'first');
    hold();
    const writes = [addOperation(store, 'on its way'), addOperation(store, 'waiting for that')];
    const correction = waitUntilDone(store.correct(applyServerTime(noon, -day)));
    writes.push(writeTask(store, (tx) => tx.update('Task', 'first', { title: 'second' })));
    // And again, before the first correction is stored.
    const again = waitUntilDone(store.correct(applyServerTime(noon, -day)));
    while (finish() > 0) await Promise.resolve();
    await Promise.all([...writes, correction, again]);
    expect(await timesOf(inner)).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
    expect(await waitingOf(store)).toEqual(await storedOf(inner));
    expect(await viewElsewhere(inner)).toEqual(await firstValueFrom(store.objects$('Task')));
    expect((await firstValueFrom(store.objects$('Task'))).map(({ title }) => title)).toEqual([
      'second',
      'on its way',
      'waiting for that',
    ]);
  });

  it('keep their stamps when the correction cannot be stored, and later writes stay later', async () => {
    const { storage, state } = createFailingStorage();
    const { store } = openDeviceStore(storage, noon + day);
    await addOperation(store, 'a');
    state.full = true;
    await expect(waitUntilDone(store.correct(applyServerTime(noon, -day)))).rejects.toThrow(StorageError);
    state.full = false;
    await addOperation(store, 'b');
    expect((await timesOf(storage)).map(([time]) => time)).toEqual([day, day]);
    await waitUntilDone(store.correct(applyServerTime(noon + 2 * hour, -day)));
    expect(await timesOf(storage)).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(await waitingOf(store)).toEqual(await storedOf(storage));
  });

  it('survive a client reset at the same time', async () => {
    const { storage, inner, hold, finish } = createHeldStorage();
    const { store } = openDeviceStore(storage, noon + day);
    await addOperation(store, 'a');
    hold();
    const all = [
      waitUntilDone(store.correct(applyServerTime(noon, -day))),
      waitUntilDone(store.reset('recover')),
      addOperation(store, 'b'),
    ];
    while (finish() > 0) await Promise.resolve();
    await Promise.all(all);
    expect(await timesOf(inner)).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect((await storedOf(inner)).map(({ version, body }) => [version, 'right' in decodeOperations(body)])).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(await viewElsewhere(inner)).toEqual(await firstValueFrom(store.objects$('Task')));
  });
});
