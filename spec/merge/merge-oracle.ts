import type { Operation } from '../../lib/merge/operation.js';
import type { ListPosition } from '../../lib/merge/list-position.js';
import type { Stamp } from '../../lib/merge/timestamp.js';
import type { Value } from '../../lib/model/value.js';
import type { Stamped } from './arbitrary-operations.js';

/**
 * The answer of the oracle, which derives a view from all operations ever written, by the sentences of
 * docs/PROTOCOL.md. The oracle has no states, and compares stamps and positions with code of its own.
 */
export interface OracleView {
  readonly values: Readonly<Record<string, Value>>;
  readonly lists: Readonly<Record<string, readonly Value[]>>;
  /** Entries of sets and dictionaries. Those of a set have their text as name. */
  readonly entries: Readonly<Record<string, Readonly<Record<string, Value>>>>;
  readonly counters: Readonly<Record<string, number>>;
}

type Part = string | number;

/** Compares two rows of parts by their first difference. A row comes before the rows that begin with it. */
const compareParts = (a: readonly Part[], b: readonly Part[]): number => {
  const at = a.findIndex((part, index) => part !== b[index]);
  if (at === -1) return a.length - b.length;
  const other = b[at];
  return other !== undefined && (a[at] ?? '') < other ? -1 : 1;
};

const whenOf = ({ time, count, replica }: Stamp): readonly Part[] => [time, count, replica];
const isAfter = (a: Stamp, b: Stamp | undefined): boolean => b === undefined || compareParts(whenOf(a), whenOf(b)) > 0;
const isSameMoment = (a: Stamp, b: Stamp): boolean => compareParts(whenOf(a), whenOf(b)) === 0;

type Of<K extends Operation['kind']> = { readonly operation: Extract<Operation, { kind: K }>; readonly stamp: Stamp };

const filterKinds = <K extends Operation['kind']>(all: readonly Stamped[], ...kinds: readonly K[]): readonly Of<K>[] =>
  all.filter(({ operation }) => (kinds as readonly string[]).includes(operation.kind)) as unknown as readonly Of<K>[];

const latestOf = <T extends { readonly stamp: Stamp }>(all: readonly T[]): T | undefined =>
  all.find((each) => all.every((other) => other === each || isAfter(each.stamp, other.stamp)));

/** Removes repeated operations: an operation that is received again is equal to the first one. */
const removeDuplicates = (all: readonly Stamped[]): readonly Stamped[] =>
  all.filter((each, index) => all.findIndex((other) => isSameMoment(other.stamp, each.stamp)) === index);

interface Inserted {
  readonly name: readonly Part[];
  readonly position: ListPosition;
  readonly value: Value;
}

const elementsOf = (all: readonly Stamped[], floor: Stamp | undefined, born: Stamp): readonly Inserted[] => {
  const elements: Inserted[] = [];
  for (const { operation, stamp } of filterKinds(all, 'insert')) {
    if (!isAfter(stamp, floor)) continue;
    if (operation.defaultOf && isAfter(born, { ...stamp, count: stamp.count - operation.defaultOf })) continue;
    operation.keys.forEach((key, index) => {
      const isThis = (id: Stamp & { readonly index: number }) => isSameMoment(id, stamp) && id.index === index;
      if (filterKinds(all, 'remove').some((each) => each.operation.elements.some(isThis))) return;
      const move = latestOf(filterKinds(all, 'move').filter((each) => isThis(each.operation.element)));
      const replacement = latestOf(filterKinds(all, 'replace').filter((each) => isThis(each.operation.element)));
      elements.push({
        name: [...whenOf(stamp), index],
        position: move?.operation.position ?? { run: operation.run, key },
        value: replacement ? replacement.operation.value : (operation.values[index] ?? null),
      });
    });
  }
  const compareElements = (a: Inserted, b: Inserted) =>
    compareParts([...a.position.run, a.position.key], [...b.position.run, b.position.key]);
  return elements.sort((a, b) => compareElements(a, b) || compareParts(a.name, b.name));
};

const entriesOf = (all: readonly Stamped[], floor: Stamp | undefined): Readonly<Record<string, Value>> => {
  const puts = filterKinds(all, 'put', 'drop')
    .filter(({ stamp }) => isAfter(stamp, floor))
    .flatMap(({ operation, stamp }) =>
      operation.kind === 'put'
        ? operation.entries.map(([key, value]) => ({ key, value: [value], stamp }))
        : operation.keys.map((key) => ({ key, value: [], stamp })),
    );
  const entries: Record<string, Value> = {};
  for (const key of new Set(puts.map((each) => each.key))) {
    const [value] = latestOf(puts.filter((each) => each.key === key))?.value ?? [];
    if (value !== undefined) entries[key] = value;
  }
  return entries;
};

const valuesOf = (all: readonly Stamped[], died: Stamp | undefined): Readonly<Record<string, Value>> => {
  const writes = filterKinds(all, 'create', 'update').filter(({ stamp }) => isAfter(stamp, died));
  const values: Record<string, Value> = {};
  for (const name of new Set(writes.flatMap(({ operation }) => Object.keys(operation.values)))) {
    const value = latestOf(writes.filter(({ operation }) => Object.hasOwn(operation.values, name)))?.operation.values[
      name
    ];
    if (value !== undefined) values[name] = value;
  }
  return values;
};

/**
 * Returns the view of one object for readers when all these operations are written to it. `null`: the object does not
 * exist.
 */
export const oracleViewOf = (written: readonly Stamped[]): OracleView | null => {
  const all = removeDuplicates(written);
  const died = latestOf(filterKinds(all, 'delete'))?.stamp;
  const born = latestOf(filterKinds(all, 'create'))?.stamp;
  if (!born || !isAfter(born, died)) return null;
  const values = valuesOf(all, died);
  const lists: Record<string, readonly Value[]> = {};
  const entries: Record<string, Readonly<Record<string, Value>>> = {};
  const counters: Record<string, number> = {};
  const names = new Set(all.flatMap(({ operation }) => ('property' in operation ? [operation.property] : [])));
  for (const name of names) {
    const ofProperty = all.filter(({ operation }) => 'property' in operation && operation.property === name);
    const emptied = latestOf(filterKinds(ofProperty, 'clear'))?.stamp;
    const floor = died && (!emptied || isAfter(died, emptied)) ? died : emptied;
    lists[name] = elementsOf(ofProperty, floor, born).map(({ value }) => value);
    entries[name] = entriesOf(ofProperty, floor);
    counters[name] = filterKinds(ofProperty, 'increment')
      .filter(({ operation }) => isAfter(operation.born, died))
      .reduce((sum, { operation }) => sum + operation.by, 0);
  }
  return { values, lists, entries, counters };
};
