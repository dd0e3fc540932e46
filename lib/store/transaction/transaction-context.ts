import { emptyCollection, collectionStateOf } from '../../merge/collection-state.js';
import type { ObjectState } from '../../merge/object-state.js';
import { InvalidArgumentError } from '../../model/errors.js';
import type { Container, Property, Shapes, TypeShape } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import { clearOldContainer } from './clear-old-container.js';
import type { EditTarget } from './edit-target.js';
import type { Overlay } from './overlay.js';

export const requireShape = (shapes: Shapes, type: unknown): TypeShape => {
  const shape = shapes.get(type as string);
  if (shape) return shape;
  throw new InvalidArgumentError('type', `one of ${[...shapes.keys()].join(', ')}`, type);
};

/** Access of a transaction to its realm. Fails after the transaction has ended. */
export interface TransactionContext extends Pick<
  Overlay,
  | 'replica'
  | 'visibleState'
  | 'view'
  | 'misfit'
  | 'nextStamp'
  | 'perform'
  | 'previousIncrement'
  | 'ownership'
  | 'keysOf'
> {
  readonly requireOpenShape: (type: unknown) => TypeShape;
  /** Returns the key and state of an object. Throws if it does not exist. */
  readonly requireObject: (shape: TypeShape, given: unknown) => readonly [Key, ObjectState];
}

export const requireProperty = (shape: TypeShape, name: unknown, container: Container): Property => {
  const property = shape.properties.get(name as string);
  if (property?.container === container) return property;
  const names = [...shape.properties.values()].filter((each) => each.container === container).map((each) => each.name);
  throw new InvalidArgumentError(
    'property',
    `a ${container} property of ${shape.name} (${names.join(', ') || 'it has none'})`,
    name,
  );
};

export const editTargetOf = (
  context: TransactionContext,
  shape: TypeShape,
  given: unknown,
  property: Property,
): EditTarget => {
  const [key, state] = context.requireObject(shape, given);
  clearOldContainer(context, { type: shape.name, key, property }, state);
  return {
    ...newEditTargetOf(context, shape, key, property),
    part: () =>
      collectionStateOf(context.requireObject(context.requireOpenShape(shape.name), key)[1].collections, property.name),
  };
};

/**
 * A collection of an object that is being created. It appears empty, so that elements which other devices have inserted
 * are not taken for removed by the app.
 */
export const newEditTargetOf = (
  { replica, nextStamp, perform, ownership }: TransactionContext,
  shape: TypeShape,
  key: Key,
  property: Property,
): EditTarget => ({
  ...{ type: shape.name, key, property, replica, nextStamp, part: () => emptyCollection, perform, ownership },
});
