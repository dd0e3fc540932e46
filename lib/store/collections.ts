import { isSet } from '../model/built-ins.js';
import { compareIds, type Element, type ElementId } from '../merge/element.js';
import { type Entries } from '../merge/entries.js';
import { isEntryKey } from '../merge/fields.js';
import type { List } from '../merge/list.js';
import type { Operation, PartOperation } from '../merge/operation.js';
import { type Part } from '../merge/part.js';
import { comparePlaces, insertingAs, type Inserting, type Place, placesBetween } from '../merge/place.js';
import type { Stamp } from '../merge/stamp.js';
import { InvalidArgumentError, SchemaError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Property } from '../model/schema.js';
import { type Key, sameValue, type Value } from '../model/value.js';
import { elementKey } from './fit.js';
import { checkedValue } from './values.js';

/** One list, set or dictionary of one object, as a transaction sees it and changes it. */
export interface Site {
  readonly type: string;
  readonly key: Key;
  readonly property: Property;
  /** Who writes. */
  readonly replica: string;
  /** What the next operation will be stamped with. */
  readonly stamp: () => Stamp;
  /** As it is now. Throws when the transaction is over, or the object is not there any more. */
  readonly part: () => Part;
  readonly perform: (operation: Operation) => void;
}

type Details<K extends PartOperation['kind']> = Omit<Extract<PartOperation, { kind: K }>, 'type' | 'key' | 'property'>;

const perform = <K extends PartOperation['kind']>(
  { type, key, property, ...site }: Site,
  details: Details<K>,
): void => {
  site.perform({ ...details, type, key, property: property.name } as unknown as Operation);
};

const valueFor = ({ type, key, property }: Site, given: unknown, at: string | number): Value =>
  checkedValue(type, key, property, given, `[${typeof at === 'string' ? JSON.stringify(at) : at}]`);

const refuseMore = ({ type, key, property }: Site, count: number): void => {
  if (count <= limits.elementsMax) return;
  const expected = `at most ${limits.elementsMax} elements`;
  throw new SchemaError({ type, key, property: property.name, expected, received: count });
};

const checkedIndex = (argument: string, given: unknown, most: number): number => {
  if (Number.isInteger(given) && (given as number) >= 0 && (given as number) <= most) return given as number;
  throw new InvalidArgumentError(
    argument,
    most < 0 ? 'nothing: the list is empty' : `an index from 0 to ${most}`,
    given,
  );
};

/** The first element from an index on that is behind a place: what was moved may share one. */
const placeBehind = (elements: readonly Element[], index: number, left: Place | null): Place | null => {
  if (left === null) return elements[index]?.place ?? null;
  return elements.slice(index).find(({ place }) => comparePlaces(left, place) < 0)?.place ?? null;
};

/**
 * What was taken out of one of his runs, or moved out of it, has left its key, and somebody else's insert beside that may still come: it
 * must not land in the middle of what he inserts now. So he goes on only behind what he inserted later than all of that.
 */
const insertingAt = ({ replica, stamp }: Site, { elements, gone }: List): Inserting => {
  const left = [...gone.values(), ...elements.filter(({ moved }) => moved !== null).map(({ id }) => id)];
  const own = left.filter((id) => id.replica === replica);
  const last = own.reduce<ElementId | null>((sofar, id) => (sofar && compareIds(sofar, id) > 0 ? sofar : id), null);
  if (last === null) return insertingAs(replica);
  const { time, count } = stamp();
  return {
    replica,
    runName: `${replica}.${time.toString(36)}.${count.toString(36)}`,
    goesOn: (place) => {
      const neighbour = elements.find((each) => each.place === place);
      return neighbour?.moved === null && compareIds(neighbour.id, last) > 0;
    },
  };
};

const placesAt = (site: Site, elements: readonly Element[], index: number, count: number) => {
  const left = elements[index - 1]?.place ?? null;
  const inserting = insertingAt(site, site.part().list);
  const { run, keys } = placesBetween(left, placeBehind(elements, index, left), inserting, count);
  if (!keys.some((each) => each.length > limits.placeCharsMax)) return { run, keys };
  const { type, key, property } = site;
  const expected = 'a place with room for more: clear the list and fill it again';
  throw new SchemaError({ type, key, property: property.name, expected, received: index });
};

const insertAt = (site: Site, index: number, values: readonly Value[]): void => {
  const { elements } = site.part().list;
  if (values.length === 0) return;
  refuseMore(site, elements.length + values.length);
  perform<'insert'>(site, { kind: 'insert', ...placesAt(site, elements, index, values.length), values });
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
      const { run, keys } = placesAt(site, all.toSpliced(from, 1), to, 1);
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

const presentKeys = (entries: Entries): readonly string[] =>
  [...entries].filter(([, { gone }]) => !gone).map(([key]) => key);

const keyOf = (argument: string, given: unknown): string => {
  if (isEntryKey(given) && given !== '__proto__') return given;
  throw new InvalidArgumentError(argument, `a text of at most ${limits.entryKeyCharsMax} characters`, given);
};

const putAll = (site: Site, entries: readonly (readonly [string, Value])[]): void => {
  const { entries: before } = site.part();
  const fresh = entries.filter(([key, value]) => !sameValue(present(before, key), value));
  if (fresh.length === 0) return;
  const isNew = ([key]: readonly [string, Value]): boolean => present(before, key) === undefined;
  refuseMore(site, presentKeys(before).length + fresh.filter(isNew).length);
  perform<'put'>(site, { kind: 'put', entries: fresh });
};

const dropAll = (site: Site, keys: readonly string[]): void => {
  const { entries } = site.part();
  const there = keys.filter((key) => present(entries, key) !== undefined);
  if (there.length > 0) perform<'drop'>(site, { kind: 'drop', keys: there });
};

const clearAll = (site: Site): void => {
  if (presentKeys(site.part().entries).length > 0) perform<'clear'>(site, { kind: 'clear' });
};

/** What a transaction may do with a set. What is there already, or is not, stays so. */
export interface SetEdit<V> {
  readonly add: (...values: readonly V[]) => void;
  readonly remove: (...values: readonly V[]) => void;
  /** Removes everything that was added up to now, also what is still on its way from elsewhere. */
  readonly clear: () => void;
}

const elementOf = (site: Site, given: unknown, at: number): readonly [string, Value] => {
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

/** Makes a list what is given, and leaves alone what both begin and end with: who appends to a copy appends. */
const assignList = (site: Site, given: readonly unknown[]): void => {
  const values = given.map((each, at) => valueFor(site, each, at));
  const { elements } = site.part().list;
  const least = Math.min(values.length, elements.length);
  const same = (at: number, other: number): boolean => sameValue(values[at], elements[other]?.value);
  let start = 0;
  while (start < least && same(start, start)) start += 1;
  let end = 0;
  while (end < least - start && same(values.length - 1 - end, elements.length - 1 - end)) end += 1;
  const gone = elements.slice(start, elements.length - end).map(({ id }) => id);
  if (gone.length > 0) perform<'remove'>(site, { kind: 'remove', elements: gone });
  insertAt(site, start, values.slice(start, values.length - end));
};

const assignEntries = (site: Site, entries: readonly (readonly [string, Value])[]): void => {
  const wanted = new Set(entries.map(([key]) => key));
  dropAll(
    site,
    presentKeys(site.part().entries).filter((key) => !wanted.has(key)),
  );
  putAll(site, entries);
};

const wrong = ({ type, key, property }: Site, expected: string, received: unknown): never => {
  throw new SchemaError({ type, key, property: property.name, expected, received });
};

/** Makes a collection what is given, by what differs. */
export const assign = (site: Site, given: unknown): void => {
  const { container } = site.property;
  if (container === 'dictionary') {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) wrong(site, 'a record', given);
    const entries = Object.entries(given as object);
    assignEntries(
      site,
      entries.map(([key, value]) => [keyOf('key', key), valueFor(site, value, key)]),
    );
    return;
  }
  const all: unknown = isSet(given) ? [...given] : given;
  if (!Array.isArray(all)) wrong(site, 'an array', given);
  const values = all as readonly unknown[];
  if (container === 'list') assignList(site, values);
  else assignEntries(site, [...new Map(values.map((each, at) => elementOf(site, each, at)))]);
};
