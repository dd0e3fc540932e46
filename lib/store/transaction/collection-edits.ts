import type { ListElement } from '../../merge/list-element.js';
import { type LwwMap } from '../../merge/lww-map.js';
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

/** What a transaction may do with a list. Elements are counted from 0. */
export interface ListEdit<V> {
  /** Puts values before the element at an index, or at the end. */
  readonly insert: (index: number, ...values: readonly V[]) => void;
  /** Puts values at the end. */
  readonly push: (...values: readonly V[]) => void;
  /**
   * Moves an element, so that it has the index `to` afterwards. Whoever replaces it meanwhile replaces the same
   * element.
   */
  readonly move: (from: number, to: number) => void;
  /** Replaces the value of an element. */
  readonly set: (index: number, value: V) => void;
  /** Removes some elements from an index on: one, unless it says more. */
  readonly remove: (index: number, count?: number) => void;
  /** Removes everything that was put in up to now, also what is still on its way from elsewhere. */
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
      performOn<'move'>(target, { kind: 'move', element: element.id, place: { run, key: keys[0] ?? '' } });
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

export const presentKeysOf = (entries: LwwMap): readonly string[] =>
  [...entries].filter(([, { isRemoved }]) => !isRemoved).map(([key]) => key);

export const checkEntryKey = (argument: string, given: unknown): string => {
  if (isEntryKey(given) && given !== '__proto__') return given;
  const expected = `a string of at most ${limits.entryKeyCharsMax} whole characters, and not "__proto__"`;
  throw new InvalidArgumentError(argument, expected, given);
};

export const putEntries = (target: EditTarget, entries: readonly (readonly [string, Value])[]): void => {
  const { entries: before } = target.part();
  const fresh = entries.filter(([key, value]) => !isSameValue(presentValueOf(before, key), value));
  if (fresh.length === 0) return;
  const isNew = ([key]: readonly [string, Value]): boolean => presentValueOf(before, key) === undefined;
  // What is gone is in there, too: it is left out only where that may matter.
  const size = before.size + fresh.length;
  checkElementCount(
    target,
    size <= limits.elementsMax ? size : presentKeysOf(before).length + fresh.filter(isNew).length,
  );
  performOn<'put'>(target, { kind: 'put', entries: fresh });
};

export const dropEntries = (target: EditTarget, keys: readonly string[]): void => {
  const { entries } = target.part();
  const there = keys.filter((key) => presentValueOf(entries, key) !== undefined);
  if (there.length > 0) performOn<'drop'>(target, { kind: 'drop', keys: there });
};

const clearEntries = (target: EditTarget): void => {
  if ([...target.part().entries.values()].some(({ isRemoved }) => !isRemoved))
    performOn<'clear'>(target, { kind: 'clear' });
};

/** What a transaction may do with a set. What is there already, or is not, stays so. */
export interface SetEdit<V> {
  readonly add: (...values: readonly V[]) => void;
  readonly remove: (...values: readonly V[]) => void;
  /** Removes everything that was added up to now, also what is still on its way from elsewhere. */
  readonly clear: () => void;
}

export const checkSetElement = (target: PropertyTarget, given: unknown, at: number): readonly [string, Value] => {
  const value = checkElementValue(target, given, at);
  return [checkEntryKey(target.property.name, elementKeyOf(value)), value];
};

export const createSetEdit = (target: EditTarget): SetEdit<unknown> => {
  const keyed = (given: readonly unknown[]) => [...new Map(given.map((each, at) => checkSetElement(target, each, at)))];
  return {
    add: (...values) => {
      putEntries(target, keyed(values));
    },
    remove: (...values) => {
      dropEntries(
        target,
        keyed(values).map(([key]) => key),
      );
    },
    clear: () => {
      clearEntries(target);
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
