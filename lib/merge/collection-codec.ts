import type { Instant } from '../model/changeset.js';
import { isRecord } from '../model/value.js';
import { isCount } from '../model/version.js';
import type { Chain, Counter, Life } from './counter.js';
import { type ListElement, type ElementId, idTextOf } from './list-element.js';
import { type LwwMap, type LwwEntry, emptyEntries } from './lww-map.js';
import {
  checkField,
  readElementId,
  readEntryKey,
  readInstant,
  isName,
  readPositionKey,
  readRun,
  readStamp,
  UnreadableError,
  readValue,
} from './decoders.js';
import { type EarlyEdit, isEmptyList, type List, emptyList } from './list.js';
import type { CollectionState, CollectionStates } from './collection-state.js';
import type { Stamp } from './timestamp.js';

const instantOf = (instant: Instant | null) => instant && [instant.time, instant.count];
const stampOf = (stamp: Stamp | null) => stamp && [stamp.time, stamp.count, stamp.replica];
const idOf = ({ time, count, replica, index }: ElementId) => [time, count, replica, index];

const encodeElement = ({ id, position, moved, value, replaced, defaultOf }: ListElement): unknown[] => {
  if (defaultOf > 0) return [position.key, idOf(id), value, stampOf(moved), stampOf(replaced), defaultOf];
  return moved === null && replaced === null
    ? [position.key, idOf(id), value]
    : [position.key, idOf(id), value, stampOf(moved), stampOf(replaced)];
};

/** Groups the elements by run: `[run, element, …]`. */
const encodeElements = (elements: readonly ListElement[]): unknown[] => {
  const groups: unknown[][] = [];
  let run: readonly string[] | undefined;
  for (const element of elements) {
    if (element.position.run !== run) groups.push([(run = element.position.run)]);
    groups.at(-1)?.push(encodeElement(element));
  }
  return groups;
};

const encodeEarlyEdit = ({ id, moved, replaced }: EarlyEdit) => [
  idOf(id),
  moved && [moved.position.run, moved.position.key, stampOf(moved.stamp)],
  replaced && [replaced.value, stampOf(replaced.stamp)],
];

const encodeList = (list: List): unknown =>
  isEmptyList(list)
    ? null
    : [
        encodeElements(list.elements),
        [...list.earlyEdits.values()].map(encodeEarlyEdit),
        [...list.tombstones.values()].map(idOf),
      ];

const encodeLife = ({ born, chains }: Life) => [
  stampOf(born),
  chains.map(({ replica, after, upTo, sum }) => [replica, instantOf(after), instantOf(upTo), sum]),
];

/**
 * Encodes the collections of a stored state: for each property `[cleared, list, entries, counter]`, null where a part
 * is empty. A list is `[runs, early, gone]`. An entry is `[key, value, stamp]`, or `[key, stamp]` when it was removed.
 */
export const encodeCollections = (collections: NonNullable<CollectionStates>): unknown =>
  Object.fromEntries(
    Object.entries(collections).map(([property, { clearedAt, list, entries, counter }]) => [
      property,
      [
        stampOf(clearedAt),
        encodeList(list),
        entries.size === 0
          ? null
          : [...entries].map(([key, { value, isRemoved, stamp }]) =>
              isRemoved ? [key, stampOf(stamp)] : [key, value, stampOf(stamp)],
            ),
        counter.length === 0 ? null : counter.map(encodeLife),
      ],
    ]),
  );

const readArray = (field: string, given: unknown): readonly unknown[] => {
  if (Array.isArray(given)) return given as readonly unknown[];
  throw new UnreadableError(field, 'an array', given);
};

const readNullable = <T>(given: unknown, read: (given: unknown) => T): T | null =>
  given === null || given === undefined ? null : read(given);

const readElements = (given: unknown): readonly ListElement[] =>
  readArray('elements', given).flatMap((group) => {
    const [first, ...elements] = readArray('elements', group);
    const run = readRun(first);
    return elements.map((packed): ListElement => {
      const [key, id, value, moved, replaced, defaultOf = 0] = readArray('element', packed);
      return {
        id: readElementId('element', id),
        position: { run, key: readPositionKey('key', key) },
        moved: readNullable(moved, (each) => readStamp('moved', each)),
        value: readValue('value', value),
        replaced: readNullable(replaced, (each) => readStamp('replaced', each)),
        defaultOf: checkField('element', 'a whole number', isCount, defaultOf),
      };
    });
  });

const readEarlyEdit = (given: unknown): EarlyEdit => {
  const [id, moved, replaced] = readArray('early', given);
  return {
    id: readElementId('early', id),
    moved: readNullable(moved, (each) => {
      const [run, key, stamp] = readArray('moved', each);
      return { position: { run: readRun(run), key: readPositionKey('key', key) }, stamp: readStamp('moved', stamp) };
    }),
    replaced: readNullable(replaced, (each) => {
      const [value, stamp] = readArray('replaced', each);
      return { value: readValue('value', value), stamp: readStamp('replaced', stamp) };
    }),
  };
};

const indexById = <T>(all: readonly T[], id: (each: T) => ElementId): ReadonlyMap<string, T> =>
  new Map(all.map((each) => [idTextOf(id(each)), each]));

const readList = (given: unknown): List => {
  const [elements, early, gone] = readArray('list', given);
  return {
    elements: readElements(elements),
    earlyEdits: indexById(readArray('early', early).map(readEarlyEdit), ({ id }) => id),
    tombstones: indexById(
      readArray('gone', gone).map((each) => readElementId('gone', each)),
      (id) => id,
    ),
  };
};

const readEntries = (given: unknown): LwwMap =>
  new Map(
    readArray('entries', given).map((packed): [string, LwwEntry] => {
      const entry = readArray('entry', packed);
      const key = readEntryKey('entry', entry[0]);
      const gone = entry.length === 2;
      const stamp = readStamp('entry', entry[gone ? 1 : 2]);
      return [key, { value: gone ? null : readValue('entry', entry[1]), isRemoved: gone, stamp }];
    }),
  );

const isFiniteNumber = (given: unknown): given is number => Number.isFinite(given);

const readChain = (given: unknown): Chain => {
  const [replica, after, upTo, sum] = readArray('chain', given);
  return {
    // Checked like a stamp: by its instant and its replica.
    replica: readStamp('chain', [...readArray('upTo', upTo), replica]).replica,
    after: readNullable(after, (each) => readInstant('after', each)),
    upTo: readInstant('upTo', upTo),
    sum: checkField('sum', 'a number', isFiniteNumber, sum),
  };
};

const readCounter = (given: unknown): Counter =>
  readArray('counter', given).map((packed): Life => {
    const [born, chains] = readArray('life', packed);
    return { born: readStamp('born', born), chains: readArray('chains', chains).map(readChain) };
  });

const readCollection = (given: unknown): CollectionState => {
  const [cleared, list, entries, counter] = readArray('collection', given);
  return {
    clearedAt: readNullable(cleared, (each) => readStamp('cleared', each)),
    list: readNullable(list, readList) ?? emptyList,
    entries: readNullable(entries, readEntries) ?? emptyEntries,
    counter: readNullable(counter, readCounter) ?? [],
  };
};

/**
 * Reads the collections of a stored state.
 *
 * @throws UnreadableError for invalid data.
 */
export const readCollections = (given: unknown): CollectionStates => {
  if (!isRecord(given)) throw new UnreadableError('collections', 'a map', given);
  return Object.fromEntries(
    Object.entries(given).map(([property, collection]) => [
      checkField('collections', 'a property name', isName, property),
      readCollection(collection),
    ]),
  );
};
