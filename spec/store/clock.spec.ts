import { firstValueFrom } from 'rxjs';
import { fromBytes, toBytes } from '../../lib/model/bytes.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { add, day, deviceOn, hour, noon, times, told } from './clockkit.js';
import { done, held } from './kit.js';

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
