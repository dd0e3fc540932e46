import { EMPTY, Subject } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import type { Operation } from '../../lib/merge/operation.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage, StorageChange } from '../../lib/storage/storage.js';
import { wrapStorage } from '../../lib/storage/wrap-storage.js';
import type { ChangesByType } from '../../lib/store/objects/object-change.js';
import { createObjects } from '../../lib/store/objects/objects.js';
import { type MirroredObjects, openStore } from '../../lib/store/open-store.js';
import type { Store } from '../../lib/store/store.js';
import { createTaskOperation } from './remote-history.js';
import { createTask, integratePage, milk, openTestStore, shapes, waitUntilDone } from './test-kit.js';

/** A store, and what another tab has mirrored of its batches. */
const openMirroredStore = () => {
  const storage = memoryStorage();
  const batches: (readonly StorageChange[])[] = [];
  const kept = wrapStorage(storage, {
    batch: (changes, options) => {
      batches.push(changes);
      return storage.batch(changes, options);
    },
    close: () => EMPTY, // The next tab opens the same storage.
  });
  const store = openTestStore(kept);
  const changes = new Subject<ChangesByType>();
  const mirrored = { objects: createObjects(shapes), changes, stamp: null as Uint8Array | null };
  /** Mirrors all batches but the last ones. */
  const mirror = (missed = 0): void => {
    const taken = batches.splice(0, batches.length - missed);
    for (const batch of taken) {
      mirrored.objects.mirror(batch);
      const meta = batch.find(({ key }) => key === 'meta');
      if (meta?.type === 'put') mirrored.stamp = meta.value;
    }
    mirrored.objects.takeChanges();
  };
  const noted: ChangesByType[] = [];
  changes.subscribe((each) => noted.push(each));
  return { storage, store, batches, mirrored, mirror, noted };
};

/** Opens the store on mirrored objects. `reads` has the first keys of all ranges that are read meanwhile. */
const openOn = (storage: Storage, mirrored: MirroredObjects) => {
  const reads: string[] = [];
  const watched = wrapStorage(storage, {
    range: (range) => {
      reads.push(range.from);
      return storage.range(range);
    },
  });
  let store: Store | undefined;
  openStore({ storage: watched, shapes, clock: systemClock, mirrored }).subscribe((made) => (store = made));
  if (!store) throw new Error('memory opens at once');
  return { store, reads };
};

const ids = Array.from({ length: 10 }, (_, at) => `task-${at}`);
const creates = ids.map((id) => createTaskOperation(id));
const updates = ids.slice(0, 6).map((key): Operation => ({ kind: 'update', type: 'Task', key, values: { votes: 1 } }));

describe('a store on mirrored objects', () => {
  it('reads no objects, if the last mirrored batch is the last one in the storage', async () => {
    const { storage, store, mirrored, mirror, noted } = openMirroredStore();
    await integratePage(store, 1, creates);
    await createTask(store);
    mirror();
    const view = mirrored.objects.view('Task', 'milk');
    const opened = openOn(storage, mirrored);
    expect(opened.reads).not.toContain('b/');
    expect(opened.reads).not.toContain('o/');
    expect(opened.store.get('Task', 'milk')).toBe(view);
    expect(noted).toEqual([]);
    await createTask(opened.store, { ...milk, id: 'tea' });
    expect(noted.map((each) => each.get('Task')?.inserted)).toEqual([new Set(['tea'])]);
    expect(new Set(openTestStore(storage).objects('Task'))).toEqual(new Set(opened.store.objects('Task')));
  });

  it('reads all objects otherwise, and notifies its readers of the difference', async () => {
    const { storage, store, mirrored, mirror, noted } = openMirroredStore();
    await integratePage(store, 1, creates);
    await createTask(store);
    mirror();
    const kept = mirrored.objects.view('Task', 'task-1');
    await waitUntilDone(
      store.write((tx) => {
        tx.delete('Task', 'milk');
        tx.update('Task', 'task-2', { votes: 5 });
        tx.create('Task', { ...milk, id: 'tea' });
      }),
    );
    const opened = openOn(storage, mirrored);
    expect(opened.reads).toContain('b/');
    expect(noted.map((each) => each.get('Task'))).toMatchObject([
      { inserted: new Set(['tea']), modified: new Set(['task-2']), deleted: new Set(['milk']), left: new Set() },
    ]);
    expect(opened.store.get('Task', 'task-1')).toBe(kept);
    expect(new Set(opened.store.objects('Task'))).toEqual(new Set(openTestStore(storage).objects('Task')));
  });

  it('knows a batch that it has missed also by a record that only counts batches: one that has moved rows', async () => {
    const { storage, store, batches, mirrored, mirror, noted } = openMirroredStore();
    await integratePage(store, 1, creates);
    await integratePage(store, 2, updates, 2);
    expect(batches.at(-1)?.map(({ type, key }) => `${type} ${key}`)).toEqual([
      'del b/00000000001',
      'put b/00000000002',
      'put meta',
    ]);
    mirror(1);
    const opened = openOn(storage, mirrored);
    expect(opened.reads).toContain('b/');
    expect(noted).toEqual([]); // Readers see the same.
    await integratePage(
      opened.store,
      3,
      [...Array(8).keys()].map((at) => createTaskOperation(`new-${at}`)),
      3,
    );
    expect(openTestStore(storage).objects('Task')).toHaveLength(18);
  });

  it('loads the objects into empty ones, and notifies no reader, if nothing was mirrored', async () => {
    const { storage, store, mirrored, noted } = openMirroredStore();
    await integratePage(store, 1, creates);
    const opened = openOn(storage, mirrored);
    expect(opened.store.objects('Task')).toHaveLength(10);
    expect(opened.store.context.objects).toBe(mirrored.objects);
    expect(noted).toEqual([]);
  });

  it('removes all objects that a new storage does not have', async () => {
    const { store, mirrored, mirror, noted } = openMirroredStore();
    await integratePage(store, 1, creates);
    mirror();
    expect(openOn(memoryStorage(), mirrored).store.objects('Task')).toEqual([]);
    expect(noted.map((each) => each.get('Task')?.deleted)).toEqual([new Set(ids)]);
  });

  it('completes the streams of its own readers when it is closed, but not those of mirrored objects', async () => {
    const ended: string[] = [];
    const watch = (name: string, { changes, objects }: Pick<MirroredObjects, 'changes' | 'objects'>): void => {
      changes.subscribe({ complete: () => ended.push(`${name} changes`) });
      objects.setAside.all$.subscribe({ complete: () => ended.push(`${name} set aside`) });
    };
    const { storage, store, mirrored, mirror } = openMirroredStore();
    store.context.changes$.subscribe({ complete: () => ended.push('own changes') });
    store.setAside$.subscribe({ complete: () => ended.push('own set aside') });
    await createTask(store);
    mirror();
    await waitUntilDone(store.close());
    expect(ended).toEqual(['own changes', 'own set aside']);
    watch('mirrored', mirrored);
    const opened = openOn(storage, mirrored);
    let outboxEnded = false;
    opened.store.outbox$.subscribe({ complete: () => (outboxEnded = true) });
    await waitUntilDone(opened.store.close());
    expect(ended).toHaveLength(2);
    expect(outboxEnded).toBe(true);
    expect(mirrored.objects.view('Task', 'milk')).toMatchObject(milk);
  });
});
