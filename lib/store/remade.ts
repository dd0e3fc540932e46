import type { ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { insertingAs, placesBetween } from '../merge/place.js';
import type { Key, Value, Values } from '../model/value.js';
import { countIn } from './views.js';

/** Elements or entries of one operation: their bytes have to fit a changeset, whatever there is of them. */
const chunk = 1_000;

const chunksOf = <A>(all: readonly A[]): readonly (readonly A[])[] =>
  Array.from({ length: Math.ceil(all.length / chunk) }, (_, at) => all.slice(at * chunk, (at + 1) * chunk));

/** The values of an object as it would be created now: a counter begins with what it has come to. */
const valuesOf = (state: ObjectState): Values => {
  const values: Record<string, Value> = { ...state.values };
  for (const [property, { counter }] of Object.entries(state.parts ?? {})) {
    if (counter.length > 0) values[property] = countIn(state, property);
  }
  return values;
};

/**
 * The operations that make an object as readers see it from nothing, without its past: what a replica says of it that has never
 * told anybody. For an object that readers see.
 */
export const remade = (type: string, key: Key, state: ObjectState, replica: string): readonly Operation[] => {
  const operations: Operation[] = [{ kind: 'create', type, key, values: valuesOf(state) }];
  for (const [property, { list, entries }] of Object.entries(state.parts ?? {})) {
    const { run, keys } = placesBetween(null, null, insertingAs(replica), list.elements.length);
    chunksOf(list.elements).forEach((elements, at) => {
      const some = keys.slice(at * chunk, at * chunk + elements.length);
      operations.push({
        kind: 'insert',
        type,
        key,
        property,
        run,
        keys: some,
        values: elements.map(({ value }) => value),
      });
    });
    const present = [...entries].flatMap(([name, { value, gone }]) => (gone ? [] : [[name, value] as const]));
    for (const some of chunksOf(present)) operations.push({ kind: 'put', type, key, property, entries: some });
  }
  return operations;
};
