import type { Element } from '../merge/element.js';
import { type Entries } from '../merge/entries.js';
import { isEntryKey } from '../merge/fields.js';
import { InvalidArgumentError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { sameValue, type Value } from '../model/value.js';
import { elementKey } from '../merge/fit.js';
import { placesAt } from './gaps.js';
import { insertElements, perform, refuseMore, type Site, type SiteName, valueFor } from './site.js';

const checkedIndex = (argument: string, given: unknown, most: number): number => {
  if (Number.isInteger(given) && (given as number) >= 0 && (given as number) <= most) return given as number;
  throw new InvalidArgumentError(
    argument,
    most < 0 ? 'nothing: the list is empty' : `an index from 0 to ${most}`,
    given,
  );
};

const insertAt = (site: Site, index: number, values: readonly Value[]): void => {
  const { elements } = site.part().list;
  if (values.length === 0) return;
  refuseMore(site, elements.length + values.length);
  insertElements(site, placesAt(site, elements, index, values.length), values, null);
};

/** What a transaction may do with a list. Elements are counted from 0. */
export interface ListEdit<V> {
  /** Puts values before the element at an index, or at the end. */
  readonly insert: (index: number, ...values: readonly V[]) => void;
  /** Puts values at the end. */
  readonly push: (...values: readonly V[]) => void;
  /** Moves an element, so that it has the index `to` afterwards. Whoever replaces it meanwhile replaces the same element. */
  readonly move: (from: number, to: number) => void;
  /** Replaces the value of an element. */
  readonly set: (index: number, value: V) => void;
  /** Removes some elements from an index on: one, unless it says more. */
  readonly remove: (index: number, count?: number) => void;
  /** Removes everything that was put in up to now, also what is still on its way from elsewhere. */
  readonly clear: () => void;
}

export const listEdit = (site: Site): ListEdit<unknown> => {
  const elements = (): readonly Element[] => site.part().list.elements;
  const valuesOf = (given: readonly unknown[], from: number): readonly Value[] =>
    given.map((each, at) => valueFor(site, each, from + at));
  const idsOf = (some: readonly Element[]) => some.map(({ id }) => id);
  return {
    insert: (given, ...values) => {
      const index = checkedIndex('index', given, elements().length);
      insertAt(site, index, valuesOf(values, index));
    },
    push: (...values) => {
      const index = elements().length;
      insertAt(site, index, valuesOf(values, index));
    },
    move: (first, second) => {
      const all = elements();
      const from = checkedIndex('from', first, all.length - 1);
      const to = checkedIndex('to', second, all.length - 1);
      const element = all[from];
      if (!element || from === to) return;
      const { run, keys } = placesAt(site, all, to < from ? to : to + 1, 1, from);
      perform<'move'>(site, { kind: 'move', element: element.id, place: { run, key: keys[0] ?? '' } });
    },
    set: (given, value) => {
      const all = elements();
      const index = checkedIndex('index', given, all.length - 1);
      const stored = valueFor(site, value, index);
      const element = all[index];
      if (!element || sameValue(element.value, stored)) return;
      perform<'replace'>(site, { kind: 'replace', element: element.id, value: stored });
    },
    remove: (given, count = 1) => {
      const all = elements();
      const index = checkedIndex('index', given, all.length - 1);
      const some = all.slice(index, index + checkedIndex('count', count, all.length - index));
      if (some.length > 0) perform<'remove'>(site, { kind: 'remove', elements: idsOf(some) });
    },
    clear: () => {
      if (elements().length > 0) perform<'clear'>(site, { kind: 'clear' });
    },
  };
};

const present = (entries: Entries, key: string): Value | undefined => {
  const entry = entries.get(key);
  return entry === undefined || entry.gone ? undefined : entry.value;
};

export const presentKeys = (entries: Entries): readonly string[] =>
  [...entries].filter(([, { gone }]) => !gone).map(([key]) => key);

export const keyOf = (argument: string, given: unknown): string => {
  if (isEntryKey(given) && given !== '__proto__') return given;
  const expected = `a text of at most ${limits.entryKeyCharsMax} whole characters, and not "__proto__"`;
  throw new InvalidArgumentError(argument, expected, given);
};

export const putAll = (site: Site, entries: readonly (readonly [string, Value])[]): void => {
  const { entries: before } = site.part();
  const fresh = entries.filter(([key, value]) => !sameValue(present(before, key), value));
  if (fresh.length === 0) return;
  const isNew = ([key]: readonly [string, Value]): boolean => present(before, key) === undefined;
  // What is gone is in there, too: it is left out only where that may matter.
  const size = before.size + fresh.length;
  refuseMore(site, size <= limits.elementsMax ? size : presentKeys(before).length + fresh.filter(isNew).length);
  perform<'put'>(site, { kind: 'put', entries: fresh });
};

export const dropAll = (site: Site, keys: readonly string[]): void => {
  const { entries } = site.part();
  const there = keys.filter((key) => present(entries, key) !== undefined);
  if (there.length > 0) perform<'drop'>(site, { kind: 'drop', keys: there });
};

const clearAll = (site: Site): void => {
  if ([...site.part().entries.values()].some(({ gone }) => !gone)) perform<'clear'>(site, { kind: 'clear' });
};

/** What a transaction may do with a set. What is there already, or is not, stays so. */
export interface SetEdit<V> {
  readonly add: (...values: readonly V[]) => void;
  readonly remove: (...values: readonly V[]) => void;
  /** Removes everything that was added up to now, also what is still on its way from elsewhere. */
  readonly clear: () => void;
}

export const elementOf = (site: SiteName, given: unknown, at: number): readonly [string, Value] => {
  const value = valueFor(site, given, at);
  return [keyOf(site.property.name, elementKey(value)), value];
};

export const setEdit = (site: Site): SetEdit<unknown> => {
  const keyed = (given: readonly unknown[]) => [...new Map(given.map((each, at) => elementOf(site, each, at)))];
  return {
    add: (...values) => {
      putAll(site, keyed(values));
    },
    remove: (...values) => {
      dropAll(
        site,
        keyed(values).map(([key]) => key),
      );
    },
    clear: () => {
      clearAll(site);
    },
  };
};

/** What a transaction may do with a dictionary. */
export interface DictionaryEdit<V> {
  readonly set: (key: string, value: V) => void;
  readonly remove: (key: string) => void;
  /** Removes everything that was set up to now, also what is still on its way from elsewhere. */
  readonly clear: () => void;
}

export const dictionaryEdit = (site: Site): DictionaryEdit<unknown> => ({
  set: (key, value) => {
    putAll(site, [[keyOf('key', key), valueFor(site, value, key)]]);
  },
  remove: (key) => {
    dropAll(site, [keyOf('key', key)]);
  },
  clear: () => {
    clearAll(site);
  },
});
