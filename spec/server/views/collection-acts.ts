import fc from 'fast-check';
import { generateKeyBetween } from 'fractional-indexing';
import { collectionStateOf } from '../../../lib/merge/collection-state.js';
import { isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { compareInstants } from '../../../lib/merge/timestamp.js';
import type { Instant } from '../../../lib/model/changeset.js';
import type { Key } from '../../../lib/model/value.js';

/** A change of a collection or counter, or of a long text. Its operation depends on what its writer knows. */
export interface CollectionAct {
  readonly collect: 'push' | 'remove' | 'replace' | 'move' | 'clear' | 'put' | 'drop' | 'count' | 'text';
  readonly type: string;
  readonly key: Key;
  readonly at: number;
}

const kinds = ['push', 'push', 'remove', 'replace', 'move', 'clear', 'put', 'put', 'drop', 'count', 'count'] as const;

export const anyCollectionAct = (types: readonly string[], keys: readonly Key[]): fc.Arbitrary<CollectionAct> =>
  fc.record({
    collect: fc.constantFrom<CollectionAct['collect'][]>(...kinds, 'text', 'text'),
    type: fc.constantFrom(...types),
    key: fc.constantFrom(...keys),
    at: fc.nat(3),
  });

/** Returns the last increment of a replica since the latest create, in the state or in the operations after it. */
const lastIncrementOf = ({ born, collections }: ObjectState, replica: string): Instant | null =>
  collectionStateOf(collections, 'likes')
    .counter.filter((life) => born !== null && compareInstants(life.born, born) === 0)
    .flatMap(({ chains }) => chains.filter((each) => each.replica === replica))
    .reduce((last: Instant | null, { upTo }) => (last && compareInstants(last, upTo) > 0 ? last : upTo), null);

/** Returns the operation of a writer that knows the object in this state. */
export const operationOf = (
  { collect, type, key, at }: CollectionAct,
  state: ObjectState | undefined,
  replica: string,
): Operation => {
  const target = { type, key };
  const text = 'long text '.repeat(5 + at);
  if (state === undefined || !isAlive(state) || collect === 'text')
    return { kind: 'update', ...target, values: { text } };
  const { elements } = collectionStateOf(state.collections, 'tags').list;
  const element = elements[at % Math.max(1, elements.length)];
  const last = elements.filter(({ position }) => position.run[1] === replica).at(-1)?.position.key ?? null;
  if (collect === 'count' && state.born !== null)
    return {
      kind: 'increment',
      ...{ ...target, property: 'likes', born: state.born },
      ...{ after: lastIncrementOf(state, replica), by: at + 1 },
    };
  if (collect === 'put')
    return { kind: 'put', ...target, property: 'marks', entries: [[`m${at}`, `${replica} ${text}`]] };
  if (collect === 'drop') return { kind: 'drop', ...target, property: 'marks', keys: [`m${at}`] };
  if (collect === 'clear') return { kind: 'clear', ...target, property: at === 0 ? 'tags' : 'marks' };
  const position = { run: ['a0', replica], key: generateKeyBetween(last, null) };
  if (collect === 'push' || element === undefined)
    return { kind: 'insert', ...target, property: 'tags', run: position.run, keys: [position.key], values: [at] };
  const changed = { ...target, property: 'tags', element: element.id };
  if (collect === 'replace') return { kind: 'replace', ...changed, value: at };
  if (collect === 'move') return { kind: 'move', ...changed, position };
  return { kind: 'remove', ...target, property: 'tags', elements: [element.id] };
};
