import type { Instant } from '../model/changeset.js';
import type { ElementId } from './element.js';
import { type Counter, counterAfter, incremented } from './counter.js';
import { entriesAfter, type Entries, entriesWith, noEntries } from './entries.js';
import { inserted, isNoList, type List, listAfter, moved, noList, removed, replaced } from './list.js';
import type { PartOperation } from './operation.js';
import { isLater, type Stamp } from './stamp.js';

/**
 * What a property holds besides its value: a list, the entries of a set or dictionary, what was added to a counter. The schema
 * says which of them it has; the merging does not know schemas, so that it also merges what this app does not know.
 */
export interface Part {
  /** When it was last emptied: what was put in up to then has never been. `null`: it was not. */
  readonly cleared: Stamp | null;
  readonly list: List;
  readonly entries: Entries;
  readonly counter: Counter;
}

/** Parts by the names of their properties; `null`: there are none, as in most objects. */
export type Parts = Readonly<Record<string, Part>> | null;

export const noPart: Part = { cleared: null, list: noList, entries: noEntries, counter: [] };

const isNoPart = ({ cleared, list, entries, counter }: Part): boolean =>
  cleared === null && isNoList(list) && entries.size === 0 && counter.length === 0;

export const partIn = (parts: Parts, property: string): Part =>
  parts !== null && Object.hasOwn(parts, property) ? (parts[property] ?? noPart) : noPart;

const emptied = (part: Part, floor: Stamp): Part => ({
  ...part,
  list: listAfter(part.list, floor),
  entries: entriesAfter(part.entries, floor),
});

const cleared = (part: Part, stamp: Stamp): Part =>
  isLater(stamp, part.cleared) ? { ...emptied(part, stamp), cleared: stamp } : part;

/** A part after one operation; `floor`: what was put in up to then has never been. */
const changed = (part: Part, operation: PartOperation, stamp: Stamp, floor: Stamp | null): Part => {
  switch (operation.kind) {
    case 'clear':
      return cleared(part, stamp);
    case 'increment':
      return { ...part, counter: incremented(part.counter, operation, stamp) };
    case 'put':
      return isLater(stamp, floor) ? { ...part, entries: entriesWith(part.entries, operation.entries, stamp) } : part;
    case 'drop': {
      const drops = operation.keys.map((key) => [key, undefined] as const);
      return isLater(stamp, floor) ? { ...part, entries: entriesWith(part.entries, drops, stamp) } : part;
    }
    default:
      return { ...part, list: changedList(part.list, operation, stamp, floor) };
  }
};

const changedList = (
  list: List,
  operation: Extract<PartOperation, { readonly kind: 'insert' | 'move' | 'replace' | 'remove' }>,
  stamp: Stamp,
  floor: Stamp | null,
): List => {
  // Nobody honest names what was written after him; a delete that came in between would tell the replicas apart.
  const isKnown = (id: ElementId): boolean => isLater(id, floor) && isLater(stamp, id);
  switch (operation.kind) {
    case 'insert':
      return isLater(stamp, floor) ? inserted(list, operation.run, operation.keys, operation.values, stamp) : list;
    case 'move':
      return isKnown(operation.element) ? moved(list, operation.element, operation.place, stamp) : list;
    case 'replace':
      return isKnown(operation.element) ? replaced(list, operation.element, operation.value, stamp) : list;
    case 'remove':
      return removed(list, operation.elements.filter(isKnown));
  }
};

const isSamePart = (a: Part, b: Part): boolean =>
  a.cleared === b.cleared && a.list === b.list && a.entries === b.entries && a.counter === b.counter;

const later = (a: Stamp | null, b: Stamp | null): Stamp | null => (a !== null && isLater(a, b) ? a : b);

/** Parts after one operation on one of them; the very same ones when that changed nothing. `died`: the object's latest delete. */
export const partsWith = (parts: Parts, operation: PartOperation, stamp: Stamp, died: Stamp | null): Parts => {
  if (!isLater(stamp, died)) return parts;
  if (operation.kind === 'increment' && !(isLater(operation.born, died) && isLater(stamp, operation.born)))
    return parts;
  const before = partIn(parts, operation.property);
  const after = changed(before, operation, stamp, later(died, before.cleared));
  return isSamePart(before, after) ? parts : { ...parts, [operation.property]: after };
};

/** What is left of the parts of an object after a delete. */
export const partsAfter = (parts: Parts, died: Stamp): Parts => {
  if (parts === null) return null;
  const left: Record<string, Part> = {};
  for (const [property, part] of Object.entries(parts)) {
    const kept = {
      ...emptied(part, died),
      counter: counterAfter(part.counter, died),
      cleared: part.cleared !== null && isLater(part.cleared, died) ? part.cleared : null,
    };
    if (!isNoPart(kept)) left[property] = kept;
  }
  return Object.keys(left).length > 0 ? left : null;
};

/** When everything in it was written: nothing in it is later than the latest of these. */
export const instantsOf = (parts: Parts): readonly Instant[] =>
  Object.values(parts ?? {}).flatMap(({ cleared: floor, list, entries, counter }) => [
    ...(floor === null ? [] : [floor]),
    ...list.elements.flatMap(({ id, moved: to, replaced: by }) => [id, ...(to ? [to] : []), ...(by ? [by] : [])]),
    ...[...list.early.values()].flatMap(({ id, moved: to, replaced: by }) => [
      id,
      ...(to ? [to.stamp] : []),
      ...(by ? [by.stamp] : []),
    ]),
    ...list.gone.values(),
    ...[...entries.values()].map(({ stamp }) => stamp),
    ...counter.flatMap(({ chains }) => chains.map(({ upTo }) => upTo)),
  ]);
