import { defer, lastValueFrom, of, ReplaySubject, throwError, VirtualTimeScheduler } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { StorageError } from '../../lib/model/errors.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { createReopeningStorage, type StorageHealth } from '../../lib/storage/reopening-storage.js';
import type { Storage } from '../../lib/storage/storage.js';
import { StorageTakenOverError } from '../../lib/model/taken-over-error.js';

const takenOver = new StorageTakenOverError('Another tab has it.');

/** A reopening storage that can be lost, and the outcome of each later attempt to open it. */
const openWatched = (attempts: readonly StorageError[]) => {
  const lost = new ReplaySubject<StorageError>(1);
  const first: Storage = { ...memoryStorage(), lost$: lost };
  let opened = 0;
  const open = defer(() => {
    const error = attempts[opened];
    opened += 1;
    return error ? throwError(() => error) : of(memoryStorage());
  });
  const scheduler = new VirtualTimeScheduler();
  const { storage, health$ } = createReopeningStorage(open, first, { ...systemClock, scheduler });
  const seen: (StorageHealth | 'closed')[] = [];
  health$(() => []).subscribe({ next: (health) => seen.push(health), complete: () => seen.push('closed') });
  const write = (): Promise<unknown> =>
    lastValueFrom(storage.batch([{ type: 'put', key: 'a', value: new Uint8Array(1) }], { durable: true }), {
      defaultValue: 'stored',
    });
  return { storage, lost, seen, write, attempts: () => opened, scheduler };
};

describe('a storage that another tab has taken over', () => {
  it('is reported at once, is never opened again, and can be closed', async () => {
    const { storage, lost, seen, write, attempts, scheduler } = openWatched([]);
    expect(await write()).toBe('stored');
    lost.next(takenOver);
    expect(seen).toEqual([{ state: 'lost', error: takenOver }]);
    await expect(write()).rejects.toBe(takenOver);
    scheduler.flush();
    expect(attempts()).toBe(0);
    await lastValueFrom(storage.close(), { defaultValue: null });
    expect(seen.at(-1)).toBe('closed');
  });

  it('is not opened again after the attempt that finds another leader', async () => {
    const lostError = new StorageError('The connection was closed.');
    const { storage, lost, seen, write, attempts, scheduler } = openWatched([new StorageError('Not now.'), takenOver]);
    lost.next(lostError);
    scheduler.flush();
    expect(attempts()).toBe(2);
    expect(seen).toEqual([
      { state: 'lost', error: lostError },
      { state: 'lost', error: takenOver },
    ]);
    await expect(write()).rejects.toBe(takenOver);
    await lastValueFrom(storage.close(), { defaultValue: null });
    expect(seen.at(-1)).toBe('closed');
  });

  it('is opened again after any other loss', async () => {
    const { lost, seen, write, attempts, scheduler } = openWatched([new StorageError('Not now.')]);
    lost.next(new StorageError('The connection was closed.'));
    scheduler.flush();
    expect(attempts()).toBe(2);
    expect(seen.at(-1)).toEqual({ state: 'back' });
    expect(await write()).toBe('stored');
  });
});
