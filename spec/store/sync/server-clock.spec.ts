import { firstValueFrom } from 'rxjs';
import { decodeValue, encodeValue } from '../../../lib/model/msgpack.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { addOperation, day, openDeviceStore, hour, noon, timesOf, applyServerTime } from '../clock-kit.js';
import { waitUntilDone, createHeldStorage } from '../test-kit.js';

describe("the server's time", () => {
  it('stamps later writes, also after a restart', async () => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage, noon + day);
    await waitUntilDone(store.correct(applyServerTime(noon, -day)));
    await addOperation(store, 'now');
    expect(await timesOf(storage)).toEqual([[0, 0]]);
    await addOperation(openDeviceStore(storage, noon + day + hour).store, 'later');
    expect(await timesOf(storage)).toEqual([
      [0, 0],
      [hour, 0],
    ]);
  });

  it('survives a client reset', async () => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage, noon + day);
    await waitUntilDone(store.correct(applyServerTime(noon, -day)));
    await waitUntilDone(store.reset('recover'));
    await addOperation(openDeviceStore(storage, noon + day).store, 'now');
    expect(await timesOf(storage)).toEqual([[0, 0]]);
  });

  it.each([
    ['an offset within the margin counts as 0', [applyServerTime(noon, 900)], 0],
    ['an offset within a wide margin counts as 0', [applyServerTime(noon, 4_000, 5_000)], 0],
    ['an offset above the margin counts', [applyServerTime(noon, 4_000)], 4_000],
    ['a small change of it is ignored', [applyServerTime(noon, 4_000), applyServerTime(noon, 4_900)], 4_000],
    ['a corrected clock has the offset 0', [applyServerTime(noon, 4_000), applyServerTime(noon, 300)], 0],
    [
      'a measurement while the clock jumped is ignored',
      [applyServerTime(noon, 4_000), applyServerTime(noon, 4_000 - day / 2, day)],
      4_000,
    ],
    ['an invalid time is ignored', [applyServerTime(noon, 4_000), applyServerTime(noon, NaN)], 4_000],
  ])('is applied carefully: %s', async (_, serverTime, expected) => {
    const storage = memoryStorage();
    const { store } = openDeviceStore(storage);
    for (const each of serverTime) await waitUntilDone(store.correct(each));
    await addOperation(store, 'now');
    expect(await timesOf(storage)).toEqual([[expected, 0]]);
  });

  it('is not stored again when it has not changed', () => {
    const { storage, begun, hold, finish } = createHeldStorage();
    const { store } = openDeviceStore(storage);
    hold();
    store.correct(applyServerTime(noon, 10)).subscribe();
    expect(begun).toHaveLength(0);
    store.correct(applyServerTime(noon, 2_000)).subscribe();
    expect(begun).toHaveLength(1);
    finish();
  });

  it('is 0 for a realm of an older version, which may have received everything up to its clock', async () => {
    const storage = memoryStorage();
    await addOperation(openDeviceStore(storage, noon + day).store, 'old');
    const [[, value] = ['', new Uint8Array()]] = await firstValueFrom(
      storage.range({ from: 'meta', to: 'meta ', limit: 1, bytesMax: Infinity }),
    );
    const read = decodeValue(value);
    if (!('right' in read)) throw new Error(read.left);
    const before = encodeValue((read.right as unknown[]).slice(0, 12));
    storage.batch([{ type: 'put', key: 'meta', value: before }], { durable: true }).subscribe();
    const { store } = openDeviceStore(storage, noon + day);
    await waitUntilDone(store.correct(applyServerTime(noon, -day)));
    expect(await timesOf(storage)).toEqual([[day, 0]]);
  });
});
