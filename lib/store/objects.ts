import { isAlive, type ObjectState } from '../merge/object.js';
import type { TypeShape, Shapes } from '../model/schema.js';
import type { Key } from '../model/value.js';
import { createPacker, type Entry, entryOf, isSeen, stateOf } from './packed.js';
import { looksSame, type View, viewOf } from './views.js';

/** What a batch did to the objects of one type, as readers hear of it. */
export interface TypeChanges {
  readonly inserted: ReadonlySet<Key>;
  readonly modified: ReadonlySet<Key>;
  readonly deleted: ReadonlySet<Key>;
}

/** The same, and how those objects looked before that somebody had looked at. */
export interface NotedChanges extends TypeChanges {
  readonly before: ReadonlyMap<Key, View>;
}

export type Changes = ReadonlyMap<string, NotedChanges>;

/** One object that a piece of work has changed. */
export interface Touched {
  readonly type: string;
  readonly key: Key;
  readonly state: ObjectState;
}

/** One object that a piece of work has changed, or has taken away as if it had never been (`null`). */
export interface Changed {
  readonly type: string;
  readonly key: Key;
  readonly state: ObjectState | null;
}

/** The objects of a realm in memory: what is durable, which readers see, and what is on its way, which writers see too. */
export interface Objects {
  /** Puts an object that is already stored, and the bytes that its state was read from. For opening. */
  readonly load: (touched: Touched, bytes: Uint8Array) => void;
  /** The state that the next write builds on. */
  readonly latest: (type: string, key: Key) => ObjectState | undefined;
  /** Takes states that are on their way. */
  readonly stage: (changed: readonly Changed[]) => void;
  /** These states are stored: readers see them from now on. What they changed is collected until `taken`. */
  readonly settle: (changed: readonly Changed[]) => void;
  /** What has been settled since the last time. */
  readonly taken: () => Changes;
  /** Nothing that was staged will be stored. */
  readonly unstage: () => void;
  readonly view: (type: string, key: Key) => View | undefined;
  /** All living objects of a type. */
  readonly views: (type: string) => View[];
  /** Everything that is stored, what cannot be seen included. */
  readonly stored: () => readonly Touched[];
  /** All objects that are stored or on their way, each as one that is to go. */
  readonly all: () => readonly Changed[];
  readonly size: () => number;
  /** What is stored, to be looked at now: entries are replaced, never changed, but for their views. */
  readonly tables: () => ReadonlyMap<string, ReadonlyMap<Key, Entry>>;
}

type Tables<T> = ReadonlyMap<string, ReadonlyMap<Key, T>>;

const tableOf = <T>(tables: Map<string, Map<Key, T>>, type: string): Map<Key, T> => {
  const found = tables.get(type);
  if (found) return found;
  const made = new Map<Key, T>();
  tables.set(type, made);
  return made;
};

const changesOf = () => ({
  inserted: new Set<Key>(),
  modified: new Set<Key>(),
  deleted: new Set<Key>(),
  before: new Map<Key, View>(),
});

/** Notes a change on top of those before it: what was inserted and deleted between two emissions was never there. */
const note = (changes: ReturnType<typeof changesOf>, key: Key, before: boolean, after: boolean): void => {
  const { inserted, modified, deleted } = changes;
  if (!before && after) (deleted.delete(key) ? modified : inserted).add(key);
  else if (before && !after) {
    modified.delete(key);
    if (!inserted.delete(key)) deleted.add(key);
  } else if (after && !inserted.has(key)) modified.add(key);
};

/** Everything of which anything is known, on its way out. */
const allIn = (settled: Tables<Entry>, staged: Tables<ObjectState | null>): Changed[] => {
  const gone: Changed[] = [];
  for (const [type, table] of settled) for (const key of table.keys()) gone.push({ type, key, state: null });
  for (const [type, table] of staged) {
    for (const key of table.keys()) {
      if (settled.get(type)?.has(key) !== true) gone.push({ type, key, state: null });
    }
  }
  return gone;
};

const storedIn = (settled: Tables<Entry>): Touched[] =>
  [...settled].flatMap(([type, table]) =>
    [...table].map(([key, entry]): Touched => ({ type, key, state: stateOf(entry) })),
  );

export const createObjects = (shapes: Shapes): Objects => {
  const pack = createPacker();
  const settled = new Map<string, Map<Key, Entry>>();
  const staged = new Map<string, Map<Key, ObjectState | null>>(); // `null`: it is on its way out.
  let changes = new Map<string, ReturnType<typeof changesOf>>();

  const seen = (shape: TypeShape, key: Key, entry: Entry): View | undefined =>
    entry.view === null ? undefined : (entry.view ??= viewOf(shape, stateOf(entry), key));

  const settleOne = ({ type, key, state }: Changed): void => {
    const table = tableOf(settled, type);
    const before = table.get(key);
    // A later write of the same object is still on its way.
    if (staged.get(type)?.get(key) === state) staged.get(type)?.delete(key);
    const shape = shapes.get(type);
    const same = !shape || looksSame(shape, before && stateOf(before), state);
    if (state === null) table.delete(key);
    else table.set(key, entryOf(state, same ? (before?.view ?? undefined) : undefined));
    if (same) return;
    let ofType = changes.get(type);
    if (!ofType) changes.set(type, (ofType = changesOf()));
    if (before?.view) ofType.before.set(key, before.view);
    note(ofType, key, before !== undefined && isSeen(before), state !== null && isAlive(state));
    if (ofType.inserted.size + ofType.modified.size + ofType.deleted.size === 0) changes.delete(type);
  };

  return {
    load: ({ type, key, state }, bytes) => void tableOf(settled, type).set(key, pack(bytes, isAlive(state))),
    latest: (type, key) => {
      const next = staged.get(type)?.get(key);
      if (next !== undefined) return next ?? undefined;
      const entry = settled.get(type)?.get(key);
      return entry && stateOf(entry);
    },
    stage: (changed) => changed.forEach(({ type, key, state }) => tableOf(staged, type).set(key, state)),
    settle: (changed) => changed.forEach(settleOne),
    taken: () => {
      const taken = changes;
      changes = new Map();
      return taken;
    },
    unstage: () => staged.clear(),
    view: (type, key) => {
      const shape = shapes.get(type);
      const entry = settled.get(type)?.get(key);
      return shape && entry && seen(shape, key, entry);
    },
    views: (type) => {
      const shape = shapes.get(type);
      if (!shape) return [];
      const views: View[] = [];
      for (const [key, entry] of settled.get(type) ?? []) {
        const view = seen(shape, key, entry);
        if (view) views.push(view);
      }
      return views;
    },
    stored: () => storedIn(settled),
    all: () => allIn(settled, staged),
    size: () => [...settled.values()].reduce((sum, table) => sum + table.size, 0),
    tables: () => settled,
  };
};
