import type { Instant } from '../model/changeset.js';
import { isRecord } from '../model/value.js';
import { isVersion } from '../model/version.js';
import type { Chain, Counter, Life } from './counter.js';
import { type Element, type ElementId, idText } from './element.js';
import { type Entries, type Entry, noEntries } from './entries.js';
import {
  checked,
  elementIn,
  entryKeyIn,
  instantIn,
  isName,
  placeKeyIn,
  runIn,
  stampIn,
  Unreadable,
  valueIn,
} from './fields.js';
import { type Early, isNoList, type List, noList } from './list.js';
import type { Part, Parts } from './part.js';
import type { Stamp } from './stamp.js';

const instantOf = (instant: Instant | null) => instant && [instant.time, instant.count];
const stampOf = (stamp: Stamp | null) => stamp && [stamp.time, stamp.count, stamp.replica];
const idOf = ({ time, count, replica, index }: ElementId) => [time, count, replica, index];

const packedElement = ({ id, place, moved, value, replaced, defaultOf }: Element): unknown[] => {
  if (defaultOf > 0) return [place.key, idOf(id), value, stampOf(moved), stampOf(replaced), defaultOf];
  return moved === null && replaced === null
    ? [place.key, idOf(id), value]
    : [place.key, idOf(id), value, stampOf(moved), stampOf(replaced)];
};

/** The elements of a run stand together: `[run, element, …]`. */
const packedElements = (elements: readonly Element[]): unknown[] => {
  const groups: unknown[][] = [];
  let run: readonly string[] | undefined;
  for (const element of elements) {
    if (element.place.run !== run) groups.push([(run = element.place.run)]);
    groups.at(-1)?.push(packedElement(element));
  }
  return groups;
};

const packedEarly = ({ id, moved, replaced }: Early) => [
  idOf(id),
  moved && [moved.place.run, moved.place.key, stampOf(moved.stamp)],
  replaced && [replaced.value, stampOf(replaced.stamp)],
];

const packedList = (list: List): unknown =>
  isNoList(list)
    ? null
    : [packedElements(list.elements), [...list.early.values()].map(packedEarly), [...list.gone.values()].map(idOf)];

const packedLife = ({ born, chains }: Life) => [
  stampOf(born),
  chains.map(({ replica, after, upTo, sum }) => [replica, instantOf(after), instantOf(upTo), sum]),
];

/**
 * Parts as a part of a stored state: by the name of the property `[cleared, list, entries, counter]`, each null where there is
 * none. A list is `[runs, early, gone]`, an entry `[key, value, stamp]` or, when it is gone, `[key, stamp]`.
 */
export const packedParts = (parts: NonNullable<Parts>): unknown =>
  Object.fromEntries(
    Object.entries(parts).map(([property, { cleared, list, entries, counter }]) => [
      property,
      [
        stampOf(cleared),
        packedList(list),
        entries.size === 0
          ? null
          : [...entries].map(([key, { value, gone, stamp }]) =>
              gone ? [key, stampOf(stamp)] : [key, value, stampOf(stamp)],
            ),
        counter.length === 0 ? null : counter.map(packedLife),
      ],
    ]),
  );

const array = (field: string, given: unknown): readonly unknown[] => {
  if (Array.isArray(given)) return given as readonly unknown[];
  throw new Unreadable(field, 'an array', given);
};

const maybe = <T>(given: unknown, read: (given: unknown) => T): T | null =>
  given === null || given === undefined ? null : read(given);

const elementsIn = (given: unknown): readonly Element[] =>
  array('elements', given).flatMap((group) => {
    const [first, ...elements] = array('elements', group);
    const run = runIn(first);
    return elements.map((packed): Element => {
      const [key, id, value, moved, replaced, defaultOf = 0] = array('element', packed);
      return {
        id: elementIn('element', id),
        place: { run, key: placeKeyIn('key', key) },
        moved: maybe(moved, (each) => stampIn('moved', each)),
        value: valueIn('value', value),
        replaced: maybe(replaced, (each) => stampIn('replaced', each)),
        defaultOf: checked('element', 'a whole number', isVersion, defaultOf),
      };
    });
  });

const earlyIn = (given: unknown): Early => {
  const [id, moved, replaced] = array('early', given);
  return {
    id: elementIn('early', id),
    moved: maybe(moved, (each) => {
      const [run, key, stamp] = array('moved', each);
      return { place: { run: runIn(run), key: placeKeyIn('key', key) }, stamp: stampIn('moved', stamp) };
    }),
    replaced: maybe(replaced, (each) => {
      const [value, stamp] = array('replaced', each);
      return { value: valueIn('value', value), stamp: stampIn('replaced', stamp) };
    }),
  };
};

const byId = <T>(all: readonly T[], id: (each: T) => ElementId): ReadonlyMap<string, T> =>
  new Map(all.map((each) => [idText(id(each)), each]));

const listIn = (given: unknown): List => {
  const [elements, early, gone] = array('list', given);
  return {
    elements: elementsIn(elements),
    early: byId(array('early', early).map(earlyIn), ({ id }) => id),
    gone: byId(
      array('gone', gone).map((each) => elementIn('gone', each)),
      (id) => id,
    ),
  };
};

const entriesIn = (given: unknown): Entries =>
  new Map(
    array('entries', given).map((packed): [string, Entry] => {
      const entry = array('entry', packed);
      const key = entryKeyIn('entry', entry[0]);
      const gone = entry.length === 2;
      const stamp = stampIn('entry', entry[gone ? 1 : 2]);
      return [key, { value: gone ? null : valueIn('entry', entry[1]), gone, stamp }];
    }),
  );

const isNumber = (given: unknown): given is number => Number.isFinite(given);

const chainIn = (given: unknown): Chain => {
  const [replica, after, upTo, sum] = array('chain', given);
  return {
    // As a stamp is checked: by its instant and its replica.
    replica: stampIn('chain', [...array('upTo', upTo), replica]).replica,
    after: maybe(after, (each) => instantIn('after', each)),
    upTo: instantIn('upTo', upTo),
    sum: checked('sum', 'a number', isNumber, sum),
  };
};

const counterIn = (given: unknown): Counter =>
  array('counter', given).map((packed): Life => {
    const [born, chains] = array('life', packed);
    return { born: stampIn('born', born), chains: array('chains', chains).map(chainIn) };
  });

const partIn = (given: unknown): Part => {
  const [cleared, list, entries, counter] = array('part', given);
  return {
    cleared: maybe(cleared, (each) => stampIn('cleared', each)),
    list: maybe(list, listIn) ?? noList,
    entries: maybe(entries, entriesIn) ?? noEntries,
    counter: maybe(counter, counterIn) ?? [],
  };
};

/** The parts of a stored state; throws `Unreadable` for what is none. */
export const partsIn = (given: unknown): Parts => {
  if (!isRecord(given)) throw new Unreadable('parts', 'a map', given);
  return Object.fromEntries(
    Object.entries(given).map(([property, part]) => [
      checked('parts', 'a property name', isName, property),
      partIn(part),
    ]),
  );
};
