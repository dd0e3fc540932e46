import type { ListElement } from '../../merge/list-element.js';
import { countLiveEntries, liveEntriesOf, type LwwMap } from '../../merge/lww-map.js';
import { isEntryKey } from '../../merge/decoders.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { isSameValue, type Value } from '../../model/value.js';
import { elementKeyOf } from '../../merge/check-schema-fit.js';
import { createPositionsAt } from './insert-position.js';
import {
  insertElements,
  performOn,
  checkElementCount,
  type EditTarget,
  type PropertyTarget,
  checkElementValue,
} from './edit-target.js';

const checkIndex = (argument: string, given: unknown, most: number): number => {
  if (Number.isInteger(given) && (given as number) >= 0 && (given as number) <= most) return given as number;
  throw new InvalidArgumentError(
    argument,
    most < 0 ? 'the index of an element, but the list is empty' : `an index from 0 to ${most}`,
    given,
  );
};

const insertAt = (target: EditTarget, index: number, values: readonly Value[]): void => {
  const { elements } = target.part().list;
  if (values.length === 0) return;
  checkElementCount(target, elements.length + values.length);
  insertElements(target, createPositionsAt(target, elements, index, values.length), values, null);
};

/**
 * Changes of a list in a transaction. Indexes start at 0. Changes of the same list by other devices are merged element
 * by element.
 *
 * @example
 * ```ts
 * await realm.write((tx) => {
 *   const steps = tx.list('Recipe', 'tea', 'steps');
 *   steps.push('boil water', 'pour');
 *   steps.move(1, 0);
 * });
 * ```
 */
export interface ListEdit<V> {
  /**
   * Inserts values before the element at an index.
   *
   * @param index - The index of the first inserted value, from 0 to the length of the list.
   * @param values - The values.
   * @throws InvalidArgumentError for an index outside the list.
   * @throws SchemaError for a value that does not fit the schema, and for more elements than a list may have.
   *
   * @example
   * ```ts
   * tx.list('Recipe', 'tea', 'steps').insert(0, 'fill the kettle');
   * ```
   */
  readonly insert: (index: number, ...values: readonly V[]) => void;
  /**
   * Appends values.
   *
   * @param values - The values.
   * @throws SchemaError for a value that does not fit the schema, and for more elements than a list may have.
   *
   * @example
   * ```ts
   * tx.list('Recipe', 'tea', 'steps').push('boil water', 'pour');
   * ```
   */
  readonly push: (...values: readonly V[]) => void;
  /**
   * Moves an element so that its index is `to` afterwards. A concurrent `set` by another device applies to the moved
   * element.
   *
   * @param from - The index of the element.
   * @param to - Its index afterwards.
   * @throws InvalidArgumentError for an index outside the list.
   *
   * @example
   * ```ts
   * tx.list('Recipe', 'tea', 'steps').move(1, 0);
   * ```
   */
  readonly move: (from: number, to: number) => void;
  /**
   * Replaces the value of an element.
   *
   * @param index - The index of the element.
   * @param value - The new value.
   * @throws InvalidArgumentError for an index outside the list.
   * @throws SchemaError for a value that does not fit the schema.
   *
   * @example
   * ```ts
   * tx.list('Recipe', 'tea', 'steps').set(0, 'boil fresh water');
   * ```
   */
  readonly set: (index: number, value: V) => void;
  /**
   * Removes elements.
   *
   * @param index - The index of the first removed element.
   * @param count - The number of removed elements, 1 by default.
   * @throws InvalidArgumentError when the list does not have these elements.
   *
   * @example
   * ```ts
   * tx.list('Recipe', 'tea', 'steps').remove(0, 2);
   * ```
   */
  readonly remove: (index: number, count?: number) => void;
  /**
   * Removes all elements that were inserted before now, including those of other devices that have not arrived yet.
   *
   * @example
   * ```ts
   * tx.list('Recipe', 'tea', 'steps').clear();
   * ```
   */
  readonly clear: () => void;
}

export const createListEdit = (target: EditTarget): ListEdit<unknown> => {
  const elements = (): readonly ListElement[] => target.part().list.elements;
  const valuesOf = (given: readonly unknown[], from: number): readonly Value[] =>
    given.map((each, at) => checkElementValue(target, each, from + at));
  const idsOf = (some: readonly ListElement[]) => some.map(({ id }) => id);
  return {
    insert: (given, ...values) => {
      const index = checkIndex('index', given, elements().length);
      insertAt(target, index, valuesOf(values, index));
    },
    push: (...values) => {
      const index = elements().length;
      insertAt(target, index, valuesOf(values, index));
    },
    move: (first, second) => {
      const all = elements();
      const from = checkIndex('from', first, all.length - 1);
      const to = checkIndex('to', second, all.length - 1);
      const element = all[from];
      if (!element || from === to) return;
      const { run, keys } = createPositionsAt(target, all, to < from ? to : to + 1, 1, from);
      performOn<'move'>(target, { kind: 'move', element: element.id, position: { run, key: keys[0] ?? '' } });
    },
    set: (given, value) => {
      const all = elements();
      const index = checkIndex('index', given, all.length - 1);
      const stored = checkElementValue(target, value, index);
      const element = all[index];
      if (!element || isSameValue(element.value, stored)) return;
      performOn<'replace'>(target, { kind: 'replace', element: element.id, value: stored });
    },
    remove: (given, count = 1) => {
      const all = elements();
      const index = checkIndex('index', given, all.length - 1);
      const some = all.slice(index, index + checkIndex('count', count, all.length - index));
      if (some.length > 0) performOn<'remove'>(target, { kind: 'remove', elements: idsOf(some) });
    },
    clear: () => {
      if (elements().length > 0) performOn<'clear'>(target, { kind: 'clear' });
    },
  };
};

const presentValueOf = (entries: LwwMap, key: string): Value | undefined => {
  const entry = entries.get(key);
  return entry === undefined || entry.isRemoved ? undefined : entry.value;
};

export const presentKeysOf = (entries: LwwMap): readonly string[] => liveEntriesOf(entries).map(([key]) => key);

export const checkEntryKey = (argument: string, given: unknown): string => {
  if (isEntryKey(given) && given !== '__proto__') return given;
  const expected = `a string of at most ${limits.entryKeyCharsMax} whole characters, and not "__proto__"`;
  throw new InvalidArgumentError(argument, expected, given);
};

export const putEntries = (target: EditTarget, entries: readonly (readonly [string, Value])[]): void => {
  const { entries: before } = target.part();
  const changed = entries.filter(([key, value]) => !isSameValue(presentValueOf(before, key), value));
  if (changed.length === 0) return;
  const isNew = ([key]: readonly [string, Value]): boolean => presentValueOf(before, key) === undefined;
  // `before` includes removed entries. They are left out only where the exact count may matter.
  const size = before.size + changed.length;
  checkElementCount(
    target,
    size <= limits.elementsMax ? size : presentKeysOf(before).length + changed.filter(isNew).length,
  );
  performOn<'put'>(target, { kind: 'put', entries: changed });
};

export const dropEntries = (target: EditTarget, keys: readonly string[]): void => {
  const { entries } = target.part();
  const present = keys.filter((key) => presentValueOf(entries, key) !== undefined);
  if (present.length > 0) performOn<'drop'>(target, { kind: 'drop', keys: present });
};

const clearEntries = (target: EditTarget): void => {
  if (countLiveEntries(target.part().entries) > 0) performOn<'clear'>(target, { kind: 'clear' });
};

/**
 * Changes of a set in a transaction. Adding a value that is in the set, or removing one that is not, has no effect.
 *
 * @example
 * ```ts
 * await realm.write((tx) => tx.set('Task', 'milk', 'tags').add('home', 'urgent'));
 * ```
 */
export interface SetEdit<V> {
  /**
   * Adds values.
   *
   * @param values - The values.
   * @throws SchemaError for a value that does not fit the schema, and for more elements than a set may have.
   *
   * @example
   * ```ts
   * tx.set('Task', 'milk', 'tags').add('home', 'urgent');
   * ```
   */
  readonly add: (...values: readonly V[]) => void;
  /**
   * Removes values.
   *
   * @param values - The values.
   * @throws SchemaError for a value that does not fit the schema.
   *
   * @example
   * ```ts
   * tx.set('Task', 'milk', 'tags').remove('urgent');
   * ```
   */
  readonly remove: (...values: readonly V[]) => void;
  /**
   * Removes all elements that were added before now, including those of other devices that have not arrived yet.
   *
   * @example
   * ```ts
   * tx.set('Task', 'milk', 'tags').clear();
   * ```
   */
  readonly clear: () => void;
}

export const checkSetElement = (target: PropertyTarget, given: unknown, at: number): readonly [string, Value] => {
  const value = checkElementValue(target, given, at);
  return [checkEntryKey(target.property.name, elementKeyOf(value)), value];
};

export const createSetEdit = (target: EditTarget): SetEdit<unknown> => {
  const toEntries = (given: readonly unknown[]) => [
    ...new Map(given.map((each, at) => checkSetElement(target, each, at))),
  ];
  return {
    add: (...values) => {
      putEntries(target, toEntries(values));
    },
    remove: (...values) => {
      dropEntries(
        target,
        toEntries(values).map(([key]) => key),
      );
    },
    clear: () => {
      clearEntries(target);
    },
  };
};

/**
 * Changes of a dictionary in a transaction.
 *
 * @example
 * ```ts
 * await realm.write((tx) => tx.dictionary('Product', 'shirt', 'stock').set('M', 3));
 * ```
 */
export interface DictionaryEdit<V> {
  /**
   * Sets the value of a key.
   *
   * @param key - The key.
   * @param value - The value.
   * @throws InvalidArgumentError for an invalid key.
   * @throws SchemaError for a value that does not fit the schema, and for more entries than a dictionary may have.
   *
   * @example
   * ```ts
   * tx.dictionary('Product', 'shirt', 'stock').set('M', 3);
   * ```
   */
  readonly set: (key: string, value: V) => void;
  /**
   * Removes the entry of a key, if there is one.
   *
   * @param key - The key.
   * @throws InvalidArgumentError for an invalid key.
   *
   * @example
   * ```ts
   * tx.dictionary('Product', 'shirt', 'stock').remove('M');
   * ```
   */
  readonly remove: (key: string) => void;
  /**
   * Removes all entries that were set before now, including those of other devices that have not arrived yet.
   *
   * @example
   * ```ts
   * tx.dictionary('Product', 'shirt', 'stock').clear();
   * ```
   */
  readonly clear: () => void;
}

export const createDictionaryEdit = (target: EditTarget): DictionaryEdit<unknown> => ({
  set: (key, value) => {
    putEntries(target, [[checkEntryKey('key', key), checkElementValue(target, value, key)]]);
  },
  remove: (key) => {
    dropEntries(target, [checkEntryKey('key', key)]);
  },
  clear: () => {
    clearEntries(target);
  },
});
