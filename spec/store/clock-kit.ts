import { asapScheduler, firstValueFrom, of } from 'rxjs';
import { checkSchema } from '../../lib/model/schema.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { openStore } from '../../lib/store/open-store.js';
import type { Store } from '../../lib/store/store.js';
import type { Transaction } from '../../lib/store/transaction/transaction-api.js';
import type { Schema } from '../../lib/model/schema.js';
import { waitUntilDone } from './test-kit.js';

const shapes = checkSchema({
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', steps: 'string[]', likes: 'counter' } },
});
export const hour = 3_600_000;
export const day = 24 * hour;
export const noon = Date.parse('2024-05-01T12:00Z');

/** A device with a clock that the spec sets. */
export const openDeviceStore = (storage: Storage = memoryStorage(), time = noon) => {
  const clock = { time, scheduler: asapScheduler, random: Math.random, now: () => clock.time };
  let store: Store | undefined;
  openStore({ storage, shapes, clock }).subscribe((made) => (store = made));
  if (!store) throw new Error('memory opens at once');
  return { store, clock };
};

export const writeTask = (store: Store, change: (tx: Transaction<Schema>) => void) =>
  firstValueFrom(store.write(change));
export const createNamed = (title: string) => (tx: Transaction<Schema>) => tx.create('Task', { id: title, title });
export const addOperation = (store: Store, title: string) => writeTask(store, createNamed(title));
export const applyServerTime = (serverTime: number, offset: number, margin = 1_000) => ({ serverTime, offset, margin });
export const waitingOf = (store: Store, after = 0) => firstValueFrom(store.uploads(after, of(after)));
/** Reads the outbox from the storage. The store's own outbox stays unread, because what was read may have been sent. */
export const storedOf = (storage: Storage, after = 0) => waitingOf(openDeviceStore(storage).store, after);
export const timesOf = async (storage: Storage, after = 0) =>
  (await storedOf(storage, after)).map(({ time, count }) => [time - noon, count]);

/** The stored changesets as another replica receives them. */
export const viewElsewhere = async (storage: Storage) => {
  const { store } = openDeviceStore();
  const { replica } = await firstValueFrom(openDeviceStore(storage).store.greeting$);
  const changesets = (await storedOf(storage)).map((changeset) => ({ ...changeset, origin: replica }));
  await waitUntilDone(store.integrate({ changesets, upTo: changesets.length, bytes: 0, remainingBytes: 0 }));
  return firstValueFrom(store.objects$('Task'));
};
