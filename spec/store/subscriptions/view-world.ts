import { asapScheduler, concat, firstValueFrom, NEVER, of } from 'rxjs';
import type { Clock } from '../../../lib/clock.js';
import { applyOperation, isAlive, type ObjectState, propertyValueOf } from '../../../lib/merge/object-state.js';
import { decodeOperations, encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { decodeState, encodeState } from '../../../lib/merge/state-codec.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import type { Changeset, ObjectName, ServerChangeset, StoredObject } from '../../../lib/model/changeset.js';
import { isLeft } from '../../../lib/model/result.js';
import { checkSchema, type Schema } from '../../../lib/model/schema.js';
import type { SyncedView, ViewMembers, ViewPage } from '../../../lib/model/view-port.js';
import { createFilterTest } from '../../../lib/filter/filter-test.js';
import { keyName, type StoredFilter } from '../../../lib/filter/stored-filter.js';
import type { Key } from '../../../lib/model/value.js';
import type { PlacedView, ViewMode } from '../../../lib/model/view.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { openStore } from '../../../lib/store/open-store.js';
import type { Store } from '../../../lib/store/store.js';
import { openViews } from '../../../lib/store/subscriptions/open-views.js';
import type { SubscriptionEdit } from '../../../lib/store/subscriptions/edit-subscriptions.js';
import type { SubscriptionsPort } from '../../../lib/store/subscriptions/view-parts.js';
import type { SubscriptionStatus } from '../../../lib/store/subscriptions/subscription-state.js';
import { waitUntilDone } from '../test-kit.js';

/*
 * A device with subscriptions, and a model of a server: the fold of all operations, from which it computes the objects
 * of a view at each version.
 */

export const schema = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', list: 'string?', votes: 'int?', likes: 'counter', tags: 'string[]' },
  },
} as const satisfies Schema;

/** The schema of a later version of the app, which calls `list` otherwise. */
export const renamedSchema = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', folder: 'string?', votes: 'int?', likes: 'counter', tags: 'string[]' },
  },
} as const satisfies Schema;

export interface OpenViewOptions {
  readonly storage?: Storage;
  readonly now?: () => number;
  /** Whether the realm has subscriptions: it has by default. */
  readonly isFull?: boolean;
  readonly of?: Schema;
}

/** Opens a store at once. */
export const openDevice = ({
  storage = memoryStorage(),
  now = () => 1_000,
  isFull = false,
  of = schema,
}: OpenViewOptions = {}): Store => {
  const clock: Clock = { now, random: Math.random, scheduler: asapScheduler };
  const opened: Store[] = [];
  openStore({ storage, shapes: checkSchema(of), clock, ...(!isFull && { views: openViews }) }).subscribe((made) =>
    opened.push(made),
  );
  const [store] = opened;
  if (!store) throw new Error('memory opens at once');
  return store;
};

export const viewOf = ({ view }: Store): SyncedView => {
  if (!view) throw new Error('opened without subscriptions');
  return view;
};

/** The subscriptions of a store. A stream of each edit emits the result when it is stored. */
export const subscriptionsOf = ({ subscriptions }: Store) => {
  if (!subscriptions) throw new Error('opened without subscriptions');
  const { status$, getStatus, edit } = subscriptions;
  return {
    status$,
    status: getStatus,
    edit: (change: Parameters<SubscriptionsPort['edit']>[0]) => {
      const { stored$, ...edited } = edit(change);
      return concat(stored$, of(edited));
    },
  };
};

export const statusOf = (store: Store): SubscriptionStatus => subscriptionsOf(store).status();

/** Subscribes to the tasks of these lists, and to nothing else. */
export const selectLists = (store: Store, ...lists: readonly string[]) =>
  subscriptionsOf(store).edit((subs) => {
    const edit = subs as unknown as SubscriptionEdit<typeof schema>;
    edit.clear();
    for (const list of lists) edit.set('Task', { where: { list } });
  });

export const operationsOf = ({ body }: Pick<Changeset, 'body'>): readonly Operation[] => {
  const read = decodeOperations(body);
  if (isLeft(read)) throw new Error(read.left);
  return read.right;
};

export const decoded = (state: Uint8Array): ObjectState => {
  const read = decodeState(state);
  if (isLeft(read)) throw new Error(read.left);
  return read.right;
};

export type States = ReadonlyMap<Key, ObjectState>;

interface HistoryEntry extends Pick<Changeset, 'time' | 'count' | 'body'> {
  readonly origin: string;
  readonly keys: ReadonlySet<Key>;
}

type Filters = Pick<PlacedView, 'number' | 'filters'>;

/** Whether an object is in a view. */
export const isIn = ({ number, filters }: Filters, key: Key, state: ObjectState | undefined): boolean =>
  number !== null &&
  state !== undefined &&
  isAlive(state) &&
  filters.some(({ filter }) =>
    createFilterTest(filter as StoredFilter)((name) =>
      name === keyName ? key : (propertyValueOf(state, name) ?? null),
    ),
  );

/** The history of one realm with tasks only. */
export const createServer = () => {
  const entries: HistoryEntry[] = [];
  const states: States[] = [new Map()];
  const head = (): number => entries.length;
  const stateAt = (version: number): States => states[version] ?? new Map<Key, ObjectState>();

  const append = (origin: string, { time, count, body }: Pick<Changeset, 'time' | 'count' | 'body'>): number => {
    const next = new Map(stateAt(head()));
    const operations = operationsOf({ body });
    operations.forEach((operation, index) => {
      const stamp = operationStampOf({ time, count }, origin, index);
      next.set(operation.key, applyOperation(next.get(operation.key), operation, stamp));
    });
    entries.push({ ...{ origin, time, count, body }, keys: new Set(operations.map(({ key }) => key)) });
    states.push(next);
    return head();
  };

  const objectAt = (version: number, key: Key): StoredObject => {
    const state = stateAt(version).get(key);
    if (!state) throw new Error(`no ${key} at ${version}`);
    return { type: 'Task', key, state: encodeState(state) };
  };

  /** The difference between two views. `isPulled`: own changes are always named. */
  const difference = (from: Filters, after: number, to: Filters, replica: string, isPulled: boolean) => {
    const upTo = head();
    const touched = entries.slice(after);
    const objects: StoredObject[] = [];
    const leaves: ObjectName[] = [];
    for (const key of stateAt(upTo).keys()) {
      const by = touched.filter(({ keys }) => keys.has(key)).map(({ origin }) => origin);
      const [was, state] = [isIn(from, key, stateAt(after).get(key)), stateAt(upTo).get(key)];
      const is = isIn(to, key, state);
      const isOwn = by.includes(replica);
      const isNamed = by.some((origin) => origin !== replica) || (isPulled && isOwn);
      // The answer to a rejection may have removed it while it was out of the view.
      const wasOut = touched.some((_, at) => !isIn(from, key, stateAt(after + at + 1).get(key)));
      if (is && (!was || isNamed || wasOut)) objects.push(objectAt(upTo, key));
      else if (!is && was && state && !isAlive(state)) objects.push(objectAt(upTo, key));
      else if (!is && (was || isOwn)) leaves.push({ type: 'Task', key });
    }
    return { objects, leaves, upTo, bytes: 10 * upTo, remainingBytes: 0 };
  };

  /** Whether an object was in a view all the time after a version. */
  const staysIn = (placed: Filters, after: number, key: Key): boolean =>
    states.slice(after).every((each) => isIn(placed, key, each.get(key)));

  /** The operations of other replicas on some objects, each as a piece of its own. */
  const piecesAfter = (after: number, replica: string, keys: ReadonlySet<Key>): readonly ServerChangeset[] =>
    entries.flatMap(({ origin, time, count, body }, at) =>
      at < after || origin === replica
        ? []
        : operationsOf({ body }).flatMap((operation, place) =>
            keys.has(operation.key)
              ? [{ version: at + 1, origin, time, count: count + place, body: encodeOperations([operation]) }]
              : [],
          ),
    );

  const made = {
    head,
    /** Whether an object that stays is named by its operations. */
    isOperated: (_at: number): boolean => false,
    stateAt,
    append,
    objectAt,
    /** Another replica changes tasks. */
    add: (operations: readonly Operation[], time = 500 + entries.length, origin = 'other'): number =>
      append(origin, { time, count: 0, body: encodeOperations(operations) }),
    /** The whole view. */
    membersOf: (placed: PlacedView): ViewMembers => ({
      ...{ placed, mode: 'resync', leaves: [], upTo: head(), bytes: 10 * head(), remainingBytes: 0 },
      objects: [...stateAt(head())].flatMap(([key, state]) =>
        isIn(placed, key, state) ? [objectAt(head(), key)] : [],
      ),
    }),
    /** The changes from the placed view of a replica to another view. */
    differenceTo: (placed: PlacedView, from: PlacedView, after: number, replica: string): ViewMembers => ({
      ...{ placed, mode: 'difference' },
      ...difference(from, after, placed, replica, true),
    }),
    /** The changes of the placed view of a replica after a version. */
    pageAfter: (placed: PlacedView, after: number, replica: string): ViewPage => {
      const { objects, ...page } = difference(placed, after, placed, replica, false);
      const pieces = objects.filter(({ key }, at) => made.isOperated(at) && staysIn(placed, after, key));
      const changesets = piecesAfter(after, replica, new Set(pieces.map(({ key }) => key)));
      return { ...page, changesets, states: objects.filter((each) => !pieces.includes(each)) };
    },
    /** The objects of a view at the head. */
    objectsOf: (placed: Filters): States =>
      new Map([...stateAt(head())].filter(([key, state]) => isIn(placed, key, state))),
  };
  return made;
};

export type ModelServer = ReturnType<typeof createServer>;

export const greetingOf = (store: Store) => firstValueFrom(store.greeting$);

export const wantedOf = async (store: Store): Promise<PlacedView> => ({
  ...(await firstValueFrom(viewOf(store).wanted$)),
  scope: null,
});

/** Places the latest set of a device. */
export const placeLatest = async (store: Store, server: ModelServer, mode?: ViewMode): Promise<void> => {
  const { view, downloadedTo, replica } = await greetingOf(store);
  const placed = await wantedOf(store);
  const isResync = mode === 'resync' || view?.number === null;
  const members = isResync ? server.membersOf(placed) : server.differenceTo(placed, view!, downloadedTo, replica);
  viewOf(store).noteAnswer({ number: placed.number!, objects: members.objects.length, rejections: [] });
  await waitUntilDone(viewOf(store).place(members));
};

/** Integrates everything up to the head of the server. */
export const follow = async (store: Store, server: ModelServer): Promise<void> => {
  const { view, downloadedTo, replica } = await greetingOf(store);
  await waitUntilDone(viewOf(store).integrate(server.pageAfter(view!, downloadedTo, replica)));
};

/** A device with the tasks of some lists. */
export const subscribedDevice = async (
  server: ModelServer,
  lists: readonly string[],
  options: OpenViewOptions = {},
): Promise<Store> => {
  const store = openDevice(options);
  await waitUntilDone(selectLists(store, ...lists));
  await placeLatest(store, server);
  return store;
};

export const createTask = (key: string, list: string | null = 'in', more: object = {}): Operation => ({
  ...{ kind: 'create', type: 'Task', key },
  values: { id: key, list, votes: null, ...more },
});

export const moveTask = (key: string, list: string): Operation => ({
  ...{ kind: 'update', type: 'Task', key, values: { list } },
});

/** The keys of the tasks that readers see. */
export const keysIn = (store: Store): string =>
  store
    .objects('Task', { sort: { id: 1 } })
    .map(({ id }) => id)
    .join('');

/** The unsent changesets of a device. */
export const unsentOf = async (store: Store): Promise<readonly Changeset[]> => {
  const { acknowledged, written } = await firstValueFrom(store.outbox$);
  const all: Changeset[] = [];
  store
    .uploads(acknowledged, NEVER)
    .subscribe((page) => all.push(...page))
    .unsubscribe();
  return all.filter(({ version }) => version <= written);
};

/** Takes the first unsent changeset of a device into the history, without an acknowledgement. */
export const uploadNext = async (store: Store, server: ModelServer): Promise<number> => {
  const [first] = await unsentOf(store);
  if (!first) throw new Error('nothing is unsent');
  server.append((await greetingOf(store)).replica, first);
  return first.version;
};

/** Takes everything that is unsent into the history, and acknowledges it. */
export const uploadAll = async (store: Store, server: ModelServer): Promise<void> => {
  const { replica } = await greetingOf(store);
  for (const changeset of await unsentOf(store)) {
    server.append(replica, changeset);
    await waitUntilDone(store.acknowledge(changeset.version));
  }
};

/** The keys of the records of detached objects in a storage. */
export const detachedIn = async (storage: Storage): Promise<readonly string[]> => {
  const found = await firstValueFrom(
    storage.range({ from: 'detached/', to: 'detached0', limit: 5_000, bytesMax: Infinity }),
  );
  return found.map(([key]) => key.slice('detached/Task/s'.length));
};
