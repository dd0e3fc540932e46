import type { ListElement } from '../../merge/list-element.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import type { CollectionState } from '../../merge/collection-state.js';
import { compareInstants, compareStamps, type Stamp } from '../../merge/timestamp.js';
import type { Instant } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Key, Values } from '../../model/value.js';
import { entryWeightOf } from '../transaction/operation-pieces.js';

/** An operation with the instant at which it was written. */
export interface DatedOperation {
  readonly instant: Instant;
  readonly operation: Operation;
}

const groupByStamp = <A>(all: Iterable<A>, stampOf: (one: A) => Stamp): readonly (readonly [Stamp, readonly A[]])[] => {
  const groups = new Map<string, readonly [Stamp, A[]]>();
  for (const one of all) {
    const stamp = stampOf(one);
    const name = `${stamp.time}.${stamp.count}.${stamp.replica}`;
    const group = groups.get(name);
    if (group) group[1].push(one);
    else groups.set(name, [stamp, [one]]);
  }
  return [...groups.values()];
};

/**
 * Chooses the values of a create: those that it wrote, and as many later values as fit a page, smallest first. So
 * readers do not see a half-empty object before the updates that follow.
 */
const createValuesOf = ({ values, laterStamps }: ObjectState): Values => {
  const isLater = (name: string): boolean => laterStamps !== null && Object.hasOwn(laterStamps, name);
  const names = Object.keys(values);
  const weights = new Map(names.map((name) => [name, entryWeightOf([name, values[name] ?? null])]));
  const weightAt = (name: string): number => weights.get(name) ?? 0;
  const taken = new Set(names.filter((name) => !isLater(name)));
  let bytes = [...taken].reduce((sum, name) => sum + weightAt(name), 0);
  for (const name of names.filter(isLater).sort((a, b) => weightAt(a) - weightAt(b))) {
    bytes += weightAt(name);
    if (bytes > limits.pageBytesMax) break;
    taken.add(name);
  }
  return Object.fromEntries(names.filter((name) => taken.has(name)).map((name) => [name, values[name] ?? null]));
};

type PropertyPath = { readonly type: string; readonly key: Key; readonly property: string };

/**
 * Recreates the insert of some elements, as if removed elements had never been in it, followed by their moves and
 * replacements.
 */
const insertOperationsOf = (
  target: PropertyPath,
  stamp: Stamp,
  unsorted: readonly ListElement[],
): readonly DatedOperation[] => {
  const elements = [...unsorted].sort((a, b) => a.id.index - b.id.index);
  const [first] = elements;
  if (!first) return [];
  const { position } = elements.find(({ moved }) => moved === null) ?? first;
  const indexes = elements.map(({ id }) => id.index);
  const insert: Operation = {
    ...{ kind: 'insert', ...target, run: position.run },
    keys: elements.map((each) => each.position.key),
    values: elements.map(({ value }) => value),
    ...(indexes.some((index, at) => index !== at) && { indexes }),
    ...(first.defaultOf > 0 && { defaultOf: first.defaultOf }),
  };
  const all: DatedOperation[] = [{ instant: stamp, operation: insert }];
  for (const { id, moved, position: to, replaced, value } of elements) {
    if (moved) all.push({ instant: moved, operation: { kind: 'move', ...target, element: id, position: to } });
    if (replaced) all.push({ instant: replaced, operation: { kind: 'replace', ...target, element: id, value } });
  }
  return all;
};

const partOperationsOf = (
  target: PropertyPath,
  { list, entries, counter }: CollectionState,
): readonly DatedOperation[] => {
  const present = [...entries].filter(([, { isRemoved }]) => !isRemoved);
  return [
    ...groupByStamp(list.elements, ({ id }) => id).flatMap(([stamp, some]) => insertOperationsOf(target, stamp, some)),
    ...groupByStamp(present, ([, { stamp }]) => stamp).map(([stamp, some]): DatedOperation => ({
      instant: stamp,
      operation: { kind: 'put', ...target, entries: some.map(([name, { value }]) => [name, value]) },
    })),
    ...counter.flatMap(({ born, chains }) =>
      chains.map(({ after, upTo, sum }): DatedOperation => ({
        instant: upTo,
        operation: { kind: 'increment', ...target, born, after, by: sum },
      })),
    ),
  ];
};

/**
 * Recreates the operations that build an object from nothing, sorted by the instants at which they were written. Each
 * is at most as large as one that the object was written with. For an object that readers see; used when a local realm
 * gets a server.
 */
export const recreateOperations = (type: string, key: Key, state: ObjectState): readonly DatedOperation[] => {
  const { born, values, laterStamps, collections } = state;
  if (born === null) return [];
  const all: DatedOperation[] = [
    { instant: born, operation: { kind: 'create', type, key, values: createValuesOf(state) } },
  ];
  for (const [stamp, some] of groupByStamp(Object.entries(laterStamps ?? {}), ([, each]) => each)) {
    if (compareStamps(stamp, born) === 0) continue;
    const changed = Object.fromEntries(some.map(([name]) => [name, values[name] ?? null]));
    all.push({ instant: stamp, operation: { kind: 'update', type, key, values: changed } });
  }
  for (const [property, part] of Object.entries(collections ?? {}))
    all.push(...partOperationsOf({ type, key, property }, part));
  return all.sort((a, b) => compareInstants(a.instant, b.instant));
};
