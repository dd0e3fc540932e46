import { isDeepStrictEqual } from 'node:util';
import { asapScheduler, defer, Subject } from 'rxjs';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { StoredObject } from '../../../lib/model/changeset.js';
import { StorageError } from '../../../lib/model/errors.js';
import { checkSchema, type Schema } from '../../../lib/model/schema.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import type { Key } from '../../../lib/model/value.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { keyRangeOf, type Storage, type StorageChange } from '../../../lib/storage/storage.js';
import { wrapStorage } from '../../../lib/storage/wrap-storage.js';
import { isLiveRow, isPending, isVisible, stateOf } from '../../../lib/store/objects/lazy-object.js';
import type { ChangesByType, TypeChangesWithViews } from '../../../lib/store/objects/object-change.js';
import type { ObjectBlock } from '../../../lib/store/objects/object-block.js';
import { createObjects, type Objects } from '../../../lib/store/objects/objects.js';
import type { View } from '../../../lib/store/objects/object-view.js';
import { type MirroredObjects, openStore } from '../../../lib/store/open-store.js';
import type { Store } from '../../../lib/store/store.js';

/*
 * A store, and a follower that mirrors every batch which it stores. The storage is held: it stores a batch on demand,
 * so that several commits share one.
 */

export const schema = {
  T: { primaryKey: 'id', properties: { id: 'string', n: 'int?', tags: 'string[]', likes: 'counter' } },
} as const satisfies Schema;
/** An earlier schema of the same app, whose objects may not fit the present one. */
const earlierSchema = {
  T: { ...schema.T, properties: { ...schema.T.properties, n: 'string?' } },
} as const satisfies Schema;
export const shapes = checkSchema(schema);

const open = (storage: Storage, of: Schema, now: () => number, mirrored?: MirroredObjects): Store => {
  const clock = { now, random: Math.random, scheduler: asapScheduler };
  let store: Store | undefined;
  openStore({ storage, shapes: checkSchema(of), clock, mirrored }).subscribe((made) => (store = made));
  if (!store) throw new Error('memory opens at once');
  return store;
};

const quiet = { error: () => undefined };
const keyOf = (block: ObjectBlock | null): string | null => (block?.isDropped === false ? block.key : null);
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Everything that memory knows of the storage's records. */
export const layoutOf = (objects: Objects) => {
  const { blocks } = objects.pageParts;
  const entries = [...objects.tables()].flatMap(([type, table]) =>
    [...table].flatMap(([key, entry]) => {
      if (isPending(entry)) return [];
      const place = { block: keyOf(entry.block), isRow: isLiveRow(entry), isVisible: isVisible(entry) };
      return [[`${type} ${key}`, { ...place, state: hexOf(encodeState(stateOf(entry))) }] as const];
    }),
  );
  return {
    entries: Object.fromEntries(entries),
    blocks: new Set(
      blocks.listStored().map(({ key, rows, live, record }) => `${key} ${rows} ${live} ${hexOf(record)}`),
    ),
    gone: Object.fromEntries(blocks.listGone().map(({ type, key, block }) => [`${type} ${key}`, keyOf(block)])),
    setAside: new Set(objects.setAside.all().map((one) => JSON.stringify(one))),
  };
};

/** The blocks whose rows would be moved. Nothing may be staged. */
const sparseOf = (objects: Objects): ReadonlySet<string> => {
  const sparse = new Set<string>();
  for (let block = objects.takeSparseBlock(); block; block = objects.takeSparseBlock()) sparse.add(block.key);
  objects.unstage();
  return sparse;
};

type Views = ReadonlyMap<Key, View>;
const viewsOf = (objects: Objects): Views => new Map(objects.views('T').map((view) => [view['id'] as Key, view]));

const noChanges: TypeChangesWithViews = {
  ...{ inserted: new Set(), modified: new Set(), deleted: new Set(), left: new Set(), previousViews: new Map() },
};

/** The changes of the type that the schema has. No others are noted. */
const notedBy = (changes: ChangesByType = new Map()): TypeChangesWithViews => {
  expect([...changes.keys()].filter((type) => type !== 'T')).toEqual([]);
  return changes.get('T') ?? noChanges;
};

/** The changes between two results, by comparing every object. */
const differenceOf = (before: Views, after: Views): TypeChangesWithViews => {
  const [inserted, modified, deleted] = [new Set<Key>(), new Set<Key>(), new Set<Key>()];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(key), after.get(key)];
    if (!was) inserted.add(key);
    else if (!is) deleted.add(key);
    else if (!isDeepStrictEqual(was, is)) modified.add(key);
  }
  const previous = [...modified, ...deleted].map((key) => [key, before.get(key)!] as const);
  return { inserted, modified, deleted, left: new Set(), previousViews: new Map(previous) };
};

/** Checks that readers were notified of the difference, and that all other views are the same instances. */
const checkNotes = (before: Views, objects: Objects, noted: TypeChangesWithViews): TypeChangesWithViews => {
  const after = viewsOf(objects);
  const expected = differenceOf(before, after);
  expect(noted).toEqual(expected);
  for (const [key, view] of expected.previousViews) expect(noted.previousViews.get(key) === view).toBe(true);
  for (const [key, view] of before)
    if (!expected.previousViews.has(key)) expect(after.get(key) === view || key).toBe(true);
  return expected;
};

/** The leader's notes also have objects that changed and changed back in one batch. */
const checkLeaderNotes = (noted: TypeChangesWithViews, expected: TypeChangesWithViews): void => {
  expect([noted.inserted, noted.deleted]).toEqual([expected.inserted, expected.deleted]);
  for (const key of expected.modified) expect(noted.modified).toContain(key);
};

const metadataOf = (changes: readonly StorageChange[]): Uint8Array => {
  const found = changes.find(({ key }) => key === 'meta');
  if (found?.type !== 'put') throw new Error('each batch has the metadata');
  return found.value;
};

const createFollower = () => {
  const changes = new Subject<ChangesByType>();
  const emitted: ChangesByType[] = [];
  changes.subscribe((each) => emitted.push(each));
  return { objects: createObjects(shapes), changes, emitted, stamp: new Uint8Array(0) };
};

/** A store on a storage that stores a batch on demand. */
const createLeader = (inner: Storage, now: () => number, mirrored?: MirroredObjects) => {
  const pending: { readonly changes: readonly StorageChange[]; readonly outcome: Subject<never> }[] = [];
  const reads: string[] = [];
  const storage = wrapStorage(inner, {
    range: (range) => {
      reads.push(range.from);
      return inner.range(range);
    },
    batch: (changes) =>
      defer(() => {
        const outcome = new Subject<never>();
        pending.push({ changes, outcome });
        return outcome;
      }),
  });
  const store = open(storage, schema, now, mirrored);
  const emitted: ChangesByType[] = [];
  store.context.changes$.subscribe((each) => emitted.push(each));
  return {
    store,
    emitted,
    reads,
    pending,
    /** Stores the pending batch. */
    finish: (): readonly StorageChange[] | undefined => {
      const batch = pending.shift();
      if (batch) inner.batch(batch.changes, { durable: false }).subscribe(batch.outcome);
      return batch?.changes;
    },
    fail: (): boolean => {
      const batch = pending.shift();
      batch?.outcome.error(new StorageError('disk full'));
      return batch !== undefined;
    },
  };
};

export const createWorld = (earlier: readonly (readonly [string, string | null])[]) => {
  const inner = memoryStorage();
  let time = 1_000;
  const now = (): number => (time += 1);
  open(inner, earlierSchema, now)
    .write((tx) => earlier.forEach(([id, n]) => tx.put('T', { id, n, tags: [] })))
    .subscribe();

  let leader = createLeader(inner, now);
  let follower = createFollower();
  let version = 0;
  const seen = { moved: 0, marks: 0, kept: 0, setAside: 0, rows: 0, replaced: 0, reloaded: 0, trusted: 0, failed: 0 };

  const check = (): void => {
    const fresh = open(inner, schema, now).context.objects;
    const layout = layoutOf(follower.objects);
    expect(layout).toEqual(layoutOf(fresh));
    expect(sparseOf(follower.objects)).toEqual(sparseOf(fresh));
    expect(viewsOf(follower.objects)).toEqual(viewsOf(fresh));
    expect(layoutOf(leader.store.context.objects)).toEqual(layout);
    expect(viewsOf(leader.store.context.objects)).toEqual(viewsOf(fresh));
    seen.marks += Object.keys(layout.gone).length;
    seen.setAside += layout.setAside.size;
    seen.rows += Object.values(layout.entries).filter(({ isRow }) => isRow).length;
  };
  /** All records of the leader, also into a follower that has other ones. */
  const mirrorAll = (): void => {
    const before = viewsOf(follower.objects);
    const { objects } = leader.store.context;
    follower.objects.mirrorAll(objects.dump(), objects.fits());
    follower.stamp = metadataOf(leader.store.dump() ?? []) as Uint8Array<ArrayBuffer>;
    inner.range(keyRangeOf('meta')).subscribe(([found]) => expect(follower.stamp).toEqual(found?.[1]));
    checkNotes(before, follower.objects, notedBy(follower.objects.takeChanges()));
    check();
  };
  mirrorAll();

  return {
    seen,
    check,
    mirrorAll,
    store: () => leader.store,
    follower: () => follower,
    write: (change: Parameters<Store['write']>[0]): void => {
      try {
        leader.store.write(change).subscribe(quiet);
      } catch {
        // The object is set aside, exists or is missing.
      }
    },
    integrate: (operations: readonly Operation[]): void => {
      const changesets = operations.map((operation, at) => ({
        ...{ version: version + at + 1, origin: 'other', time: now(), count: 0, body: encodeOperations([operation]) },
      }));
      version += operations.length;
      leader.store.integrate({ changesets, upTo: version, bytes: version, remainingBytes: 0 }).subscribe(quiet);
    },
    replace: (objects: readonly StoredObject[]): void => {
      version += 1;
      leader.store.replace({ version, objects, bytes: 1, remainingBytes: 0 }).subscribe(quiet);
    },
    reset: (mode: 'recover' | 'discard' | 'keepReplica'): void => void leader.store.reset(mode).subscribe(quiet),
    acknowledge: (): void => {
      leader.store.acknowledge(leader.store.context.optimistic.written).subscribe(quiet);
    },
    rollBack: (serverStates: readonly { type: string; key: Key; state: Uint8Array | null }[]): void => {
      const writes = serverStates.map(({ type, key }) => ({ type, key, reason: 'no' }));
      const { written } = leader.store.context.optimistic;
      leader.store.rollBack({ version: written, writes, code: 'not-permitted', serverStates }).subscribe(quiet);
    },
    forget: (): void => {
      const { downloadedTo } = leader.store.context.durable();
      leader.store.forget({ time: now(), version: downloadedTo }).subscribe(quiet);
    },
    fail: (): void => void (seen.failed += Number(leader.fail())),
    /** Stores the pending batch, if there is one, and mirrors it. */
    finish: (): boolean => {
      const before = viewsOf(follower.objects);
      const blocks = new Set(follower.objects.pageParts.blocks.list().map(({ key }) => key));
      leader.emitted.length = 0;
      const changes = leader.finish();
      if (!changes) return false;
      follower.objects.mirror(changes);
      follower.stamp = metadataOf(changes) as Uint8Array<ArrayBuffer>;
      const expected = checkNotes(before, follower.objects, notedBy(follower.objects.takeChanges()));
      checkLeaderNotes(notedBy(leader.emitted[0]), expected);
      expect(leader.emitted.length).toBeLessThan(2);
      check();
      const dropped = changes.filter(({ type, key }) => type === 'del' && blocks.has(key)).length;
      const puts = changes.filter(({ type, key }) => type === 'put' && key.startsWith('b/')).length;
      if (dropped > 0) seen[puts > 0 ? 'moved' : 'replaced'] += 1;
      seen.kept += before.size - expected.previousViews.size;
      return true;
    },
    /**
     * The leader ends, and the follower opens the storage. `isBehind`: it has not mirrored the last batch. Then a new
     * follower mirrors it.
     */
    promote: (isBehind: boolean): void => {
      const before = viewsOf(follower.objects);
      const isMissed = isBehind && leader.finish() !== undefined;
      leader = createLeader(inner, now, follower);
      const [changes] = follower.emitted;
      checkNotes(before, follower.objects, notedBy(changes));
      expect(leader.store.context.objects).toBe(follower.objects);
      expect(leader.reads.includes('b/')).toBe(isMissed);
      seen[isMissed ? 'reloaded' : 'trusted'] += 1;
      follower = createFollower();
      mirrorAll();
    },
  };
};
