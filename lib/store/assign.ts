import type { Element } from '../merge/element.js';
import { comparePlaces, type Inserting } from '../merge/place.js';
import { isSet } from '../model/built-ins.js';
import { SchemaError } from '../model/errors.js';
import { isPlain, isRecord, sameValue, type Value } from '../model/value.js';
import { dropAll, elementOf, keyOf, presentKeys, putAll } from './collections.js';
import { differenceOf } from './difference.js';
import { type Gap, insertingAt, movedTo, placesIn, runNameOf } from './gaps.js';
import { insertElements, perform, refuseMore, type Site, type SiteName, valueFor } from './site.js';

/** One value of an assigned list: a new one, or an element that is there and stays or is to move. */
interface Target {
  readonly value: Value;
  readonly element: Element | undefined;
  readonly stays: boolean;
}

/** How many values two lists begin with, and end with, that are the same. */
const sharedEnds = (values: readonly Value[], elements: readonly Element[]) => {
  const least = Math.min(values.length, elements.length);
  const same = (at: number, other: number): boolean => sameValue(values[at], elements[other]?.value);
  let start = 0;
  while (start < least && same(start, start)) start += 1;
  let end = 0;
  while (end < least - start && same(values.length - 1 - end, elements.length - 1 - end)) end += 1;
  return { start, end };
};

const targetsOf = (values: readonly Value[], elements: readonly Element[]): readonly Target[] => {
  const { start, end } = sharedEnds(values, elements);
  const middle = elements.slice(start, elements.length - end);
  const { from, stays } = differenceOf(
    middle.map(({ value }) => value),
    values.slice(start, values.length - end),
  );
  return values.map((value, at): Target => {
    if (at < start) return { value, element: elements[at], stays: true };
    if (at >= values.length - end)
      return { value, element: elements[at - values.length + elements.length], stays: true };
    return { value, element: middle[from[at - start] ?? -1], stays: stays[at - start] === true };
  });
};

/** Puts new elements and moved ones, in their order, between two that stay. */
const fill = (site: Site, gap: Gap, targets: readonly Target[], created: number | null): void => {
  const isMoving = targets.some(({ element }) => element !== undefined);
  const inserting: Inserting = isMoving
    ? { replica: site.replica, runName: runNameOf(site.replica, site.stamp()) + movedTo, goesOn: () => false }
    : insertingAt(site, gap);
  const { run, keys } = placesIn(site, gap, inserting, targets.length);
  let from = 0;
  const insertUpTo = (to: number): void => {
    const values = targets.slice(from, to).map(({ value }) => value);
    insertElements(site, { run, keys: keys.slice(from, to) }, values, created);
    from = to + 1;
  };
  targets.forEach(({ element }, at) => {
    if (!element) return;
    insertUpTo(at);
    perform<'move'>(site, { kind: 'move', element: element.id, place: { run, key: keys[at] ?? '' } });
  });
  insertUpTo(targets.length);
};

/** Makes a list what is given: what is in both stays or is moved, so that what others do to it meanwhile is done to the same elements. */
const assignList = (site: Site, values: readonly Value[], created: number | null): void => {
  const { elements } = site.part().list;
  const targets = targetsOf(values, elements);
  const kept = new Set(targets.map(({ element }) => element));
  const gone = elements.filter((element) => !kept.has(element)).map(({ id }) => id);
  if (gone.length > 0) perform<'remove'>(site, { kind: 'remove', elements: gone });
  let left: Element | undefined;
  let waiting: Target[] = [];
  for (const target of targets) {
    const { element, stays } = target;
    // Two that share a place, which moves may bring about, have nothing between them: then the second one moves, too.
    const isApart = !left || waiting.length === 0 || (element && comparePlaces(left.place, element.place) < 0);
    if (!stays || !isApart) {
      waiting.push(target);
      continue;
    }
    if (waiting.length > 0) fill(site, { left, right: element }, waiting, created);
    waiting = [];
    left = element;
  }
  if (waiting.length > 0) fill(site, { left, right: undefined }, waiting, created);
};

const assignEntries = (site: Site, entries: readonly (readonly [string, Value])[]): void => {
  const wanted = new Set(entries.map(([key]) => key));
  dropAll(
    site,
    presentKeys(site.part().entries).filter((key) => !wanted.has(key)),
  );
  putAll(site, entries);
};

const wrong = ({ type, key, property }: SiteName, expected: string, received: unknown): never => {
  throw new SchemaError({ type, key, property: property.name, expected, received });
};

/** Makes a collection what was given. `created`: the count of the create that gives it, because the app gave nothing. */
export type Assign = (site: Site, created: number | null) => void;

/** Checks what is given for a collection. The result makes the collection that, by what differs, and throws nothing. */
export const assigning = (site: SiteName, given: unknown): Assign => {
  const { container } = site.property;
  if (container === 'dictionary') {
    if (!isRecord(given) || !isPlain(given) || Object.getOwnPropertySymbols(given).length > 0) {
      wrong(site, 'a plain record', given);
    }
    const pairs = Object.entries(given as object);
    const argument = `${site.type}[${JSON.stringify(site.key)}].${site.property.name} key`;
    return assigningEntries(
      site,
      pairs.map(([key, value]) => [keyOf(argument, key), valueFor(site, value, key)]),
    );
  }
  const all: unknown = isSet(given) ? [...given] : given;
  if (!Array.isArray(all)) wrong(site, 'an array', given);
  const values = Array.from(all as readonly unknown[]); // A hole is refused, as what is undefined.
  if (container === 'set')
    return assigningEntries(site, [...new Map(values.map((each, at) => elementOf(site, each, at)))]);
  const checked = values.map((each, at) => valueFor(site, each, at));
  refuseMore(site, checked.length);
  return (there, created) => {
    assignList(there, checked, created);
  };
};

const assigningEntries = (site: SiteName, entries: readonly (readonly [string, Value])[]): Assign => {
  refuseMore(site, entries.length);
  return (there) => {
    assignEntries(there, entries);
  };
};
