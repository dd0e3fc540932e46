import {
  concatMap,
  concatWith,
  defer,
  firstValueFrom,
  lastValueFrom,
  of,
  Subject,
  throwError,
  type Observable,
} from 'rxjs';
import { type Clock, systemClock } from '../../lib/clock.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import type { Operation } from '../../lib/merge/operation.js';
import { StorageError } from '../../lib/model/errors.js';
import { checkSchema, type Schema } from '../../lib/model/schema.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage, StorageChange } from '../../lib/storage/storage.js';
import { openStore } from '../../lib/store/open-store.js';
import type { Store } from '../../lib/store/store.js';

const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', due: 'date?', votes: 'int?', done: 'bool' } },
} as const;
export const shapes = checkSchema(schema);

export const openStoreWith = (
  schema: Schema,
  storage: Storage = memoryStorage(),
  clock: Clock = systemClock,
): Store => {
  let store: Store | undefined;
  openStore({ storage, shapes: checkSchema(schema), clock }).subscribe((made) => (store = made));
  if (!store) throw new Error('memory opens at once');
  return store;
};

export const openTestStore = (storage?: Storage, clock?: Clock): Store => openStoreWith(schema, storage, clock);

/** A clock by which every event-loop turn has lasted too long, so that all work that may yield does so each time. */
export const createHurriedClock = (): Clock => {
  let time = 0;
  const { scheduler } = systemClock;
  return {
    ...systemClock,
    scheduler: Object.create(scheduler, { now: { value: () => (time += 1_000) } }) as typeof scheduler,
  };
};

/** The state of a store that is the same after it is opened again: everything except the runs. */
export const identityOf = async (store: Store) => {
  const { replica, history, downloadedTo, acknowledged, includeOwn } = await firstValueFrom(store.greeting$);
  return { replica, history, downloadedTo, acknowledged, includeOwn };
};

export const milk = { id: 'milk', title: 'Buy milk', done: false };
export const createTask = (store: Store, values: object = milk) =>
  firstValueFrom(store.write((tx) => tx.create('Task', values as never)));

/** A storage whose batches fail while `state.full` is set. */
export const createFailingStorage = () => {
  const inner = memoryStorage();
  const state = { full: false };
  const storage: Storage = {
    ...inner,
    batch: (changes, options) =>
      defer(() => (state.full ? throwError(() => new StorageError('disk full')) : inner.batch(changes, options))),
  };
  return { storage, state };
};

export const createPage = (version: number, operations: readonly Operation[], time = 1) => ({
  changesets: [{ version, origin: 'other', time, count: 0, body: encodeOperations(operations) }],
  upTo: version,
  bytes: version * 100,
  remainingBytes: 0,
});
export const integratePage = (store: Store, ...args: Parameters<typeof createPage>) =>
  lastValueFrom(store.integrate(createPage(...args)).pipe(concatWith(of('done'))));

export const throwUnexpected = (): never => {
  throw new Error('no');
};

/** A storage whose batches take one event-loop turn. */
export const createSlowStorage = () => {
  const inner = memoryStorage();
  let count = 0;
  let failed = false;
  const storage: Storage = {
    ...inner,
    batch: (changes, options) =>
      defer(() => {
        count += 1;
        return defer(() => (count === 1 ? of(0) : Promise.resolve())).pipe(
          concatMap(() => (failed ? throwError(() => new StorageError('disk full')) : inner.batch(changes, options))),
        );
      }),
  };
  return { storage, batches: () => count, fail: () => (failed = true) };
};

/** Resolves when a command has completed. */
export const waitUntilDone = (command: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(command, { defaultValue: undefined });

/** One batch that a storage received. */
interface PendingBatch {
  readonly changes: readonly StorageChange[];
  readonly durable: boolean;
  readonly outcome: Subject<never>;
}

/** A storage that, while it is held, finishes or fails a batch on demand. `inner` has the stored data. */
export const createHeldStorage = () => {
  const inner = memoryStorage();
  const begun: PendingBatch[] = [];
  let holding = false;
  const storage: Storage = {
    ...inner,
    batch: (changes, { durable }) =>
      defer(() => {
        if (!holding) return inner.batch(changes, { durable });
        const outcome = new Subject<never>();
        begun.push({ changes, durable, outcome });
        return outcome;
      }),
  };
  return {
    storage,
    inner,
    begun,
    hold: () => void (holding = true),
    /** Finishes the batches that were started, and returns their number. */
    finish: (): number => {
      const batches = begun.splice(0);
      for (const { changes, durable, outcome } of batches) inner.batch(changes, { durable }).subscribe(outcome);
      return batches.length;
    },
    fail: (): void => {
      for (const { outcome } of begun.splice(0)) outcome.error(new StorageError('disk full'));
    },
  };
};
