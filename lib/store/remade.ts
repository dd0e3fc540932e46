import type { Element } from '../merge/element.js';
import type { ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import type { Part } from '../merge/part.js';
import { compareInstants, compareStamps, type Stamp } from '../merge/stamp.js';
import type { Instant } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Key, Values } from '../model/value.js';
import { weightOfEntry } from './pieces.js';

/** An operation, and when it was written. */
export interface Dated {
  readonly instant: Instant;
  readonly operation: Operation;
}

const byStamp = <A>(all: Iterable<A>, stampOf: (one: A) => Stamp): readonly (readonly [Stamp, readonly A[]])[] => {
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
 * The values that a create begins an object with: those that it wrote, and as many of the later ones as fit a page, the least first, so that
 * readers who hear of it do not see it half empty. The updates that wrote those follow.
 */
const createdValues = ({ values, later }: ObjectState): Values => {
  const isLater = (name: string): boolean => later !== null && Object.hasOwn(later, name);
  const names = Object.keys(values);
  const weights = new Map(names.map((name) => [name, weightOfEntry([name, values[name] ?? null])]));
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

type Target = { readonly type: string; readonly key: Key; readonly property: string };

/** The insert that brought some elements, as it would be had those that are gone never been in it, and where they have moved to since. */
const insertOf = (target: Target, stamp: Stamp, unsorted: readonly Element[]): readonly Dated[] => {
  const elements = [...unsorted].sort((a, b) => a.id.index - b.id.index);
  const [first] = elements;
  if (!first) return [];
  const { place } = elements.find(({ moved }) => moved === null) ?? first;
  const indexes = elements.map(({ id }) => id.index);
  const insert: Operation = {
    ...{ kind: 'insert', ...target, run: place.run },
    keys: elements.map((each) => each.place.key),
    values: elements.map(({ value }) => value),
    ...(indexes.some((index, at) => index !== at) && { indexes }),
    ...(first.defaultOf > 0 && { defaultOf: first.defaultOf }),
  };
  const all: Dated[] = [{ instant: stamp, operation: insert }];
  for (const { id, moved, place: to, replaced, value } of elements) {
    if (moved) all.push({ instant: moved, operation: { kind: 'move', ...target, element: id, place: to } });
    if (replaced) all.push({ instant: replaced, operation: { kind: 'replace', ...target, element: id, value } });
  }
  return all;
};

const partOf = (target: Target, { list, entries, counter }: Part): readonly Dated[] => {
  const present = [...entries].filter(([, { gone }]) => !gone);
  return [
    ...byStamp(list.elements, ({ id }) => id).flatMap(([stamp, some]) => insertOf(target, stamp, some)),
    ...byStamp(present, ([, { stamp }]) => stamp).map(([stamp, some]): Dated => ({
      instant: stamp,
      operation: { kind: 'put', ...target, entries: some.map(([name, { value }]) => [name, value]) },
    })),
    ...counter.flatMap(({ born, chains }) =>
      chains.map(({ after, upTo, sum }): Dated => ({
        instant: upTo,
        operation: { kind: 'increment', ...target, born, after, by: sum },
      })),
    ),
  ];
};

/**
 * The operations that make an object as readers see it from nothing, each with the instant at which it was written: what a replica says
 * of it that has never told anybody. Each is at most as large as one that it was written with. In the order of their instants. For an object that readers see.
 */
export const remade = (type: string, key: Key, state: ObjectState): readonly Dated[] => {
  const { born, values, later, parts } = state;
  if (born === null) return [];
  const all: Dated[] = [{ instant: born, operation: { kind: 'create', type, key, values: createdValues(state) } }];
  for (const [stamp, some] of byStamp(Object.entries(later ?? {}), ([, each]) => each)) {
    if (compareStamps(stamp, born) === 0) continue;
    const changed = Object.fromEntries(some.map(([name]) => [name, values[name] ?? null]));
    all.push({ instant: stamp, operation: { kind: 'update', type, key, values: changed } });
  }
  for (const [property, part] of Object.entries(parts ?? {})) all.push(...partOf({ type, key, property }, part));
  return all.sort((a, b) => compareInstants(a.instant, b.instant));
};
