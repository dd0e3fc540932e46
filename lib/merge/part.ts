import type { Instant } from '../model/changeset.js';
import { type ElementId, isOutdated } from './element.js';
import { type Counter, counterAfter, incremented } from './counter.js';
import { entriesAfter, type Entries, entriesWith, entriesWithout, noEntries } from './entries.js';
import {
  inserted,
  isNoList,
  type List,
  listAfter,
  listSince,
  listWithout,
  moved,
  noList,
  removed,
  replaced,
} from './list.js';
import type { PartOperation } from './operation.js';
import { isLater, type Stamp } from './stamp.js';
import { ownRecord, type Working } from './working.js';

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

/** What an operation on a part meets there. */
interface At {
  readonly stamp: Stamp;
  /** What was put in up to then has never been. */
  readonly floor: Stamp | null;
  /** The latest create of the object. */
  readonly born: Stamp | null;
  readonly work: Working | null;
}

const withEntries = (part: Part, entries: Entries | null): Part => (entries === null ? part : { ...part, entries });

/** A part after one operation; the very same one when that changed nothing. */
const changed = (part: Part, operation: PartOperation, at: At): Part => {
  const { stamp, floor, work } = at;
  switch (operation.kind) {
    case 'clear':
      return cleared(part, stamp);
    case 'increment': {
      const counter = incremented(part.counter, operation, stamp, work);
      return counter === null ? part : { ...part, counter };
    }
    case 'put':
      return isLater(stamp, floor)
        ? withEntries(part, entriesWith(part.entries, operation.entries, stamp, work))
        : part;
    case 'drop': {
      const drops = operation.keys.map((key) => [key, undefined] as const);
      return isLater(stamp, floor) ? withEntries(part, entriesWith(part.entries, drops, stamp, work)) : part;
    }
    default: {
      const list = changedList(part.list, operation, at);
      return list === part.list ? part : { ...part, list };
    }
  }
};

const changedList = (
  list: List,
  operation: Extract<PartOperation, { readonly kind: 'insert' | 'move' | 'replace' | 'remove' }>,
  { stamp, floor, born, work }: At,
): List => {
  // Nobody honest names what was written after him; a delete that came in between would tell the replicas apart.
  const isKnown = (id: ElementId): boolean => isLater(id, floor) && isLater(stamp, id);
  switch (operation.kind) {
    case 'insert':
      return isLater(stamp, floor) && !isOutdated(stamp, operation.defaultOf ?? 0, born)
        ? inserted(list, operation, stamp, work)
        : list;
    case 'move':
      return isKnown(operation.element) ? moved(list, operation.element, operation.place, stamp, work) : list;
    case 'replace':
      return isKnown(operation.element) ? replaced(list, operation.element, operation.value, stamp, work) : list;
    case 'remove':
      return removed(list, operation.elements.filter(isKnown), work);
  }
};

const later = (a: Stamp | null, b: Stamp | null): Stamp | null => (a !== null && isLater(a, b) ? a : b);

/** Parts after one operation on one of them; `undefined`: that changed nothing. `born`, `died`: the object's latest create and delete. */
export const partsWith = (
  parts: Parts,
  operation: PartOperation,
  stamp: Stamp,
  { born, died }: { readonly born: Stamp | null; readonly died: Stamp | null },
  work: Working | null,
): Parts | undefined => {
  if (!isLater(stamp, died)) return undefined;
  if (operation.kind === 'increment' && !(isLater(operation.born, died) && isLater(stamp, operation.born)))
    return undefined;
  const before = partIn(parts, operation.property);
  const after = changed(before, operation, { stamp, floor: later(died, before.cleared), born, work });
  if (after === before) return undefined;
  const own = ownRecord(parts ?? {}, work);
  own[operation.property] = after;
  return own;
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

/** Parts of which some are changed, and those left out of which nothing is left; the very same ones when none is. */
const partsBy = (parts: Parts, change: (part: Part) => Part): Parts => {
  const before = Object.entries(parts ?? {});
  const after = before.map(([property, part]) => [property, change(part)] as const);
  if (after.every(([, part], at) => part === before[at]?.[1])) return parts;
  const left = after.filter(([, part]) => !isNoPart(part));
  return left.length > 0 ? Object.fromEntries(left) : null;
};

/** What is left of the parts of an object when it was created later: not what an earlier create began its lists with. */
export const partsSince = (parts: Parts, born: Stamp): Parts =>
  partsBy(parts, (part) => {
    const list = listSince(part.list, born);
    return list === part.list ? part : { ...part, list };
  });

/** What the parts of an object still need when nothing that is stamped so comes any more. */
export const partsWithout = (parts: Parts, isPast: (stamp: Stamp) => boolean): Parts =>
  partsBy(parts, (part) => {
    const list = listWithout(part.list, isPast);
    const entries = entriesWithout(part.entries, isPast);
    const floor = part.cleared !== null && isPast(part.cleared) ? null : part.cleared;
    return list === part.list && entries === part.entries && floor === part.cleared
      ? part
      : { ...part, list, entries, cleared: floor };
  });

/** The times of what parts keep only because others may still speak of it. */
export const removedTimes = (parts: Parts): number[] => {
  const times: number[] = [];
  for (const { list, entries } of Object.values(parts ?? {})) {
    for (const { time } of list.gone.values()) times.push(time);
    for (const { id } of list.early.values()) times.push(id.time);
    for (const { gone, stamp } of entries.values()) if (gone) times.push(stamp.time);
  }
  return times;
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
