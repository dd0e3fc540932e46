import type { Operation, CollectionOperation } from '../../merge/operation.js';
import type { CollectionState } from '../../merge/collection-state.js';
import type { Stamp } from '../../merge/timestamp.js';
import type { BatchOwnership } from '../../merge/batch-ownership.js';
import { SchemaError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { Property } from '../../model/schema.js';
import type { Key, Value } from '../../model/value.js';
import { splitByWeight, weightOf } from './operation-pieces.js';
import { checkValue } from '../objects/check-input.js';

/** One collection of one object, as a transaction sees and changes it. */
export interface EditTarget {
  readonly type: string;
  readonly key: Key;
  readonly property: Property;
  /** The replica that writes. */
  readonly replica: string;
  /** The stamp of the next operation. */
  readonly nextStamp: () => Stamp;
  /** Reads the current state. Throws when the transaction is over or the object no longer exists. */
  readonly part: () => CollectionState;
  readonly perform: (operation: Operation) => void;
  readonly ownership: BatchOwnership;
}

type OperationDetails<K extends CollectionOperation['kind']> = Omit<
  Extract<CollectionOperation, { kind: K }>,
  'type' | 'key' | 'property'
>;

export const performOn = <K extends CollectionOperation['kind']>(
  { type, key, property, perform }: EditTarget,
  details: OperationDetails<K>,
): void => {
  perform({ ...details, type, key, property: property.name } as unknown as Operation);
};

/** Names a property of an object, to check values for it. */
export type PropertyTarget = Pick<EditTarget, 'type' | 'key' | 'property'>;

export const checkElementValue = (
  { type, key, property }: PropertyTarget,
  given: unknown,
  at: string | number,
): Value => checkValue(type, key, property, given, `[${typeof at === 'string' ? JSON.stringify(at) : at}]`);

export const checkElementCount = ({ type, key, property }: PropertyTarget, count: number): void => {
  if (count <= limits.elementsMax) return;
  const expected = `at most ${limits.elementsMax} elements`;
  throw new SchemaError({ type, key, property: property.name, expected, received: count });
};

/**
 * Inserts elements at the given positions, in operations that each fit one changeset. `created`: the count of the
 * create operation when the elements are a default, else `null`.
 */
export const insertElements = (
  target: EditTarget,
  { run, keys }: { readonly run: readonly string[]; readonly keys: readonly string[] },
  all: readonly Value[],
  created: number | null,
): void => {
  let from = 0;
  for (const values of splitByWeight(all, weightOf)) {
    const some = { run, keys: keys.slice(from, from + values.length), values };
    from += values.length;
    performOn<'insert'>(target, {
      ...{ kind: 'insert', ...some },
      ...(created !== null && { defaultOf: target.nextStamp().count - created }),
    });
  }
};
