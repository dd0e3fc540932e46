import type { StoredFilter } from '../lib/filter/stored-filter.js';
import { isAlive, type ObjectState } from '../lib/merge/object-state.js';
import { parseObjectText } from '../lib/model/object-key.js';
import type { Value } from '../lib/model/value.js';
import type { ViewFilter } from '../lib/model/view.js';
import { historyBlockForm } from '../lib/server/history/history-block.js';
import { applySteps, operationsOf, stepsOf } from '../lib/server/history/projection.js';
import { rawViewOf } from '../lib/store/objects/object-view.js';

/*
 * The oracle of subscriptions: all objects at each version of the server's history, and which of them filters select.
 * It is written for the simulator, and shares the merge with the library, but no filter.
 */

/** The state of an object after one changeset. */
export interface FoldedState {
  readonly version: number;
  /** The replica that wrote the changeset. */
  readonly origin: string;
  readonly state: ObjectState;
}

/** An object that a changeset of the history has changed. */
export interface FoldedChange extends FoldedState {
  readonly text: string;
  readonly before: ObjectState | null;
}

/** The objects at each version of the history that is on the server's disk. */
export interface ViewOracle {
  /** Adds a block of the history. Changesets that were added before are left out. */
  readonly add: (key: string, bytes: Uint8Array) => void;
  readonly head: () => number;
  /** Names of all objects, in the form of `objectTextOf`. */
  readonly texts: () => Iterable<string>;
  readonly stateAt: (text: string, version: number) => ObjectState | null;
  /** Calls a function for each change of an object from now on, in the order of the history. */
  readonly watch: (changed: (change: FoldedChange) => void) => void;
  /** The states of an object from a version on, with the one that it had at that version. */
  readonly statesFrom: (text: string, version: number) => readonly ObjectState[];
  /** Whether a replica has changed an object after a version. */
  readonly hasChanged: (text: string, replica: string, after: number) => boolean;
  /** Notes that a replica was sent the state of an object at a version, with a rejection. */
  readonly noteRejected: (text: string, replica: string, version: number) => void;
  /** The last version of the states of an object that a replica was sent with rejections; 0: it was sent none. */
  readonly rejectedUpTo: (text: string, replica: string) => number;
  /** Notes that a rejection has hidden an object from a replica, at the head. */
  readonly noteHidden: (text: string, replica: string) => void;
  /** The head when a rejection last hid an object from a replica; -1: none has. */
  readonly hiddenAt: (text: string, replica: string) => number;
  /** Keeps the present state for `restore`: the server's disk is backed up. */
  readonly save: () => void;
  readonly restore: () => void;
  /** Number of restores so far. */
  readonly restores: () => number;
  /** Sets and returns the id of the history. */
  readonly noteHistory: (id: string) => void;
  readonly history: () => string | null;
}

export const createViewOracle = (): ViewOracle => {
  let objects = new Map<string, readonly FoldedState[]>();
  let head = 0;
  let saved = { objects, head };
  let restores = 0;
  let history: string | null = null;
  const rejected = new Map<string, number>();
  const hidden = new Map<string, number>();
  const watching: ((change: FoldedChange) => void)[] = [];
  const indexAt = (all: readonly FoldedState[], version: number): number =>
    all.findLastIndex((each) => each.version <= version);
  return {
    add: (key, bytes) => {
      for (const record of historyBlockForm.decode(key, bytes)) {
        const { version, origin } = record;
        if (version <= head) continue;
        head = version;
        for (const [text, steps] of stepsOf(record, operationsOf(record))) {
          const before = objects.get(text) ?? [];
          const last = before.at(-1)?.state;
          const state = applySteps(last, steps);
          if (state === undefined) continue;
          objects.set(text, [...before, { version, origin, state }]);
          for (const changed of watching) changed({ text, version, origin, before: last ?? null, state });
        }
      }
    },
    head: () => head,
    texts: () => objects.keys(),
    stateAt: (text, version) => {
      const all = objects.get(text) ?? [];
      return all[indexAt(all, version)]?.state ?? null;
    },
    statesFrom: (text, version) => {
      const all = objects.get(text) ?? [];
      return all.slice(Math.max(0, indexAt(all, version))).map(({ state }) => state);
    },
    hasChanged: (text, replica, after) =>
      (objects.get(text) ?? []).some(({ version, origin }) => version > after && origin === replica),
    noteRejected: (text, replica, version) => void rejected.set(`${replica} ${text}`, version),
    rejectedUpTo: (text, replica) => rejected.get(`${replica} ${text}`) ?? 0,
    noteHidden: (text, replica) => void hidden.set(`${replica} ${text}`, head),
    hiddenAt: (text, replica) => hidden.get(`${replica} ${text}`) ?? -1,
    watch: (changed) => void watching.push(changed),
    save: () => {
      saved = { objects: new Map(objects), head };
    },
    restore: () => {
      rejected.clear();
      hidden.clear();
      objects = new Map(saved.objects);
      head = saved.head;
      restores += 1;
    },
    restores: () => restores,
    noteHistory: (id) => {
      history = id;
    },
    history: () => history,
  };
};

const compare = (a: Value, b: Value): number | null => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  return null;
};

/** Whether values that are read of an object match a filter. The worlds filter by texts, numbers and truth values. */
const matches = (filter: StoredFilter, read: (property: string) => Value): boolean => {
  if (typeof filter === 'boolean') return filter;
  const [operator, first, ...others] = filter as readonly [string, ...unknown[]];
  const parts = [first, ...others] as readonly StoredFilter[];
  if (operator === 'not') return !matches(first as StoredFilter, read);
  if (operator === 'and') return parts.every((part) => matches(part, read));
  if (operator === 'or') return parts.some((part) => matches(part, read));
  const value = read(first as string);
  if (operator === 'in') return others.some((each) => each === value);
  const order = compare(value, others[0] as Value);
  if (order === null) return false;
  if (operator === 'gt') return order > 0;
  if (operator === 'gte') return order >= 0;
  return operator === 'lt' ? order < 0 : order <= 0;
};

/** Whether one of the filters is of a type, and matches the values of an object. */
export const matchesOne = (filters: readonly ViewFilter[], type: string, read: (property: string) => Value): boolean =>
  filters.some((each) => each.type === type && matches(each.filter as StoredFilter, read));

/** Whether one of the filters selects an object with this state. A property that the object does not have is null. */
export const isSelected = (filters: readonly ViewFilter[], text: string, state: ObjectState | null): boolean => {
  if (state === null || !isAlive(state)) return false;
  const { type, key } = parseObjectText(text);
  const read = (property: string): Value => (property === '' ? key : (state.values[property] ?? null));
  return matchesOne(filters, type, read);
};

/** Returns what readers see of a state, as a text for comparison. */
export const visibleTextOf = (state: ObjectState | null): string => {
  if (state === null || !isAlive(state)) return 'nothing';
  const view = rawViewOf(state);
  return JSON.stringify(
    Object.keys(view)
      .sort()
      .map((name) => [name, view[name]]),
  );
};
