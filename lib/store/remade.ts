import { isBytes } from '../model/built-ins.js';
import type { ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { insertingAs, placesBetween } from '../merge/place.js';
import { limits } from '../model/limits.js';
import type { Key, Value, Values } from '../model/value.js';
import { countIn } from './views.js';

/** Elements or entries of one operation, at most. */
const chunk = 1_000;

/** About how many bytes a value takes on the wire, and not fewer but for its header. */
const weightOf = (value: Value): number => {
  if (typeof value === 'string') return 3 * value.length;
  if (typeof value !== 'object' || value === null) return 9;
  if (isBytes(value)) return value.byteLength;
  const entries = Object.entries(value as Readonly<Record<string, Value>>);
  return entries.reduce((sum, [name, each]) => sum + 3 * name.length + weightOf(each), 9);
};

/** In pieces of about a page, each of one thing at least: whatever has become of an object, each fits a changeset. */
const chunksOf = <A>(all: readonly A[], weigh: (one: A) => number): readonly (readonly A[])[] => {
  const chunks: A[][] = [];
  let bytes = Infinity;
  for (const one of all) {
    const weight = weigh(one);
    const last = chunks.at(-1);
    if (last && bytes + weight <= limits.pageBytesMax && last.length < chunk) {
      last.push(one);
      bytes += weight;
    } else {
      chunks.push([one]);
      bytes = weight;
    }
  }
  return chunks;
};

/** The values of an object as it would be created now: a counter begins with what it has come to. */
const valuesOf = (state: ObjectState): Values => {
  const values: Record<string, Value> = { ...state.values };
  for (const [property, { counter }] of Object.entries(state.parts ?? {})) {
    if (counter.length > 0) values[property] = countIn(state, property);
  }
  return values;
};

const weightOfEntry = ([name, value]: readonly [string, Value]): number => 3 * name.length + weightOf(value);

/** The least first: a create has as many of them as go into a page, and what is large follows. */
const valuesIn = (state: ObjectState): readonly Values[] => {
  const entries = Object.entries(valuesOf(state)).sort((a, b) => weightOfEntry(a) - weightOfEntry(b));
  const chunks = chunksOf(entries, weightOfEntry);
  return chunks.length === 0 ? [{}] : chunks.map((some) => Object.fromEntries(some));
};

/**
 * The operations that make an object as readers see it from nothing, without its past: what a replica says of it that has never
 * told anybody. Each fits a changeset of its own. For an object that readers see.
 */
export const remade = (type: string, key: Key, state: ObjectState, replica: string): readonly Operation[] => {
  const [first = {}, ...more] = valuesIn(state);
  const operations: Operation[] = [
    { kind: 'create', type, key, values: first },
    ...more.map((values): Operation => ({ kind: 'update', type, key, values })),
  ];
  for (const [property, { list, entries }] of Object.entries(state.parts ?? {})) {
    const { run, keys } = placesBetween(null, null, insertingAs(replica), list.elements.length);
    const elements = list.elements.map(({ value }, at) => ({ value, key: keys[at] ?? '' }));
    for (const some of chunksOf(elements, ({ value, key: place }) => weightOf(value) + place.length)) {
      const [values, places] = [some.map(({ value }) => value), some.map(({ key: place }) => place)];
      operations.push({ kind: 'insert', type, key, property, run, keys: places, values });
    }
    const present = [...entries].flatMap(([name, { value, gone }]) => (gone ? [] : [[name, value] as const]));
    for (const some of chunksOf(present, weightOfEntry))
      operations.push({ kind: 'put', type, key, property, entries: some });
  }
  return operations;
};
