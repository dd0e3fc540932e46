import type { ListElement } from '../../merge/list-element.js';
import { comparePositions, type InsertContext } from '../../merge/list-position.js';
import { isSet, isPlainObject } from '../../model/built-ins.js';
import { SchemaError } from '../../model/errors.js';
import { isRecord, isSameValue, type Value } from '../../model/value.js';
import { dropEntries, checkSetElement, checkEntryKey, presentKeysOf, putEntries } from './collection-edits.js';
import { differenceOf } from './object-difference.js';
import { type InsertPosition, createInserting, movedRunSuffix, createPositions, runNameOf } from './insert-position.js';
import {
  insertElements,
  performOn,
  checkElementCount,
  type EditTarget,
  type PropertyTarget,
  checkElementValue,
} from './edit-target.js';

/** One value of an assigned list: a new value, or an existing element that stays or is moved. */
interface Target {
  readonly value: Value;
  readonly element: ListElement | undefined;
  readonly isKept: boolean;
}

/** Counts the equal values at the start and at the end of two lists. */
const countSharedEnds = (values: readonly Value[], elements: readonly ListElement[]) => {
  const least = Math.min(values.length, elements.length);
  const same = (at: number, other: number): boolean => isSameValue(values[at], elements[other]?.value);
  let start = 0;
  while (start < least && same(start, start)) start += 1;
  let end = 0;
  while (end < least - start && same(values.length - 1 - end, elements.length - 1 - end)) end += 1;
  return { start, end };
};

const targetsOf = (values: readonly Value[], elements: readonly ListElement[]): readonly Target[] => {
  const { start, end } = countSharedEnds(values, elements);
  const middle = elements.slice(start, elements.length - end);
  const { sourceIndexes, stays } = differenceOf(
    middle.map(({ value }) => value),
    values.slice(start, values.length - end),
  );
  return values.map((value, at): Target => {
    if (at < start) return { value, element: elements[at], isKept: true };
    if (at >= values.length - end)
      return { value, element: elements[at - values.length + elements.length], isKept: true };
    return { value, element: middle[sourceIndexes[at - start] ?? -1], isKept: stays[at - start] === true };
  });
};

/** Inserts new elements and moves existing ones, in their order, between two elements that stay. */
const fillPosition = (
  target: EditTarget,
  gap: InsertPosition,
  targets: readonly Target[],
  created: number | null,
): void => {
  const isMoving = targets.some(({ element }) => element !== undefined);
  const inserting: InsertContext = isMoving
    ? {
        replica: target.replica,
        runName: runNameOf(target.replica, target.nextStamp()) + movedRunSuffix,
        canContinue: () => false,
      }
    : createInserting(target, gap);
  const { run, keys } = createPositions(target, gap, inserting, targets.length);
  let from = 0;
  const insertUpTo = (to: number): void => {
    const values = targets.slice(from, to).map(({ value }) => value);
    insertElements(target, { run, keys: keys.slice(from, to) }, values, created);
    from = to + 1;
  };
  targets.forEach(({ element }, at) => {
    if (!element) return;
    insertUpTo(at);
    performOn<'move'>(target, { kind: 'move', element: element.id, position: { run, key: keys[at] ?? '' } });
  });
  insertUpTo(targets.length);
};

/**
 * Makes a list equal to the given values. Values that are in both lists keep their elements, which stay or are moved.
 * So concurrent changes by other devices apply to the same elements.
 */
const assignList = (list: EditTarget, values: readonly Value[], created: number | null): void => {
  const { elements } = list.part().list;
  const targets = targetsOf(values, elements);
  const kept = new Set(targets.map(({ element }) => element));
  const gone = elements.filter((element) => !kept.has(element)).map(({ id }) => id);
  if (gone.length > 0) performOn<'remove'>(list, { kind: 'remove', elements: gone });
  let left: ListElement | undefined;
  let waiting: Target[] = [];
  for (const target of targets) {
    const { element, isKept } = target;
    // Moves can give two elements the same position, and nothing fits between those. Then the second one is moved too.
    const isApart = !left || waiting.length === 0 || (element && comparePositions(left.position, element.position) < 0);
    if (!isKept || !isApart) {
      waiting.push(target);
      continue;
    }
    if (waiting.length > 0) fillPosition(list, { left, right: element }, waiting, created);
    waiting = [];
    left = element;
  }
  if (waiting.length > 0) fillPosition(list, { left, right: undefined }, waiting, created);
};

const assignEntries = (target: EditTarget, entries: readonly (readonly [string, Value])[]): void => {
  const wanted = new Set(entries.map(([key]) => key));
  dropEntries(
    target,
    presentKeysOf(target.part().entries).filter((key) => !wanted.has(key)),
  );
  putEntries(target, entries);
};

const throwSchemaError = ({ type, key, property }: PropertyTarget, expected: string, received: unknown): never => {
  throw new SchemaError({ type, key, property: property.name, expected, received });
};

/**
 * Makes a collection equal to a checked value. `created`: the count of the create operation when the value is a
 * default, else `null`.
 */
export type Assign = (target: EditTarget, created: number | null) => void;

/** Checks the value for a collection. The result changes the collection by the difference, and never throws. */
export const createAssign = (target: PropertyTarget, given: unknown): Assign => {
  const { container } = target.property;
  if (container === 'dictionary') {
    if (!isRecord(given) || !isPlainObject(given) || Object.getOwnPropertySymbols(given).length > 0) {
      throwSchemaError(target, 'a plain record', given);
    }
    const pairs = Object.entries(given as object);
    const argument = `${target.type}[${JSON.stringify(target.key)}].${target.property.name} key`;
    return createEntriesAssign(
      target,
      pairs.map(([key, value]) => [checkEntryKey(argument, key), checkElementValue(target, value, key)]),
    );
  }
  const all: unknown = isSet(given) ? [...given] : given;
  if (!Array.isArray(all)) throwSchemaError(target, 'an array', given);
  const values = Array.from(all as readonly unknown[]); // Turns holes into `undefined`, which is rejected.
  if (container === 'set')
    return createEntriesAssign(target, [...new Map(values.map((each, at) => checkSetElement(target, each, at)))]);
  const checked = values.map((each, at) => checkElementValue(target, each, at));
  checkElementCount(target, checked.length);
  return (collection, created) => {
    assignList(collection, checked, created);
  };
};

const createEntriesAssign = (target: PropertyTarget, entries: readonly (readonly [string, Value])[]): Assign => {
  checkElementCount(target, entries.length);
  return (collection) => {
    assignEntries(collection, entries);
  };
};
