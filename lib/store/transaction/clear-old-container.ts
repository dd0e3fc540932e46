import { sumOf } from '../../merge/counter.js';
import { type ObjectState, propertyValueOf } from '../../merge/object-state.js';
import { collectionStateOf } from '../../merge/collection-state.js';
import { fitsSlot } from '../../model/value-types.js';
import type { Property, TypeShape } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import type { Overlay } from './overlay.js';

/**
 * Clears what a property has from an earlier container, before the property is written. A migration may turn a string
 * into a list, or a list into a string. An object that fits its schema has nothing to clear.
 */
export const clearOldContainer = (
  { perform, previousIncrement }: Pick<Overlay, 'perform' | 'previousIncrement'>,
  { type, key, property }: { readonly type: string; readonly key: Key; readonly property: Property },
  state: ObjectState,
): void => {
  const { name, container } = property;
  const value = propertyValueOf(state, name) ?? null;
  const { list, entries, counter } = collectionStateOf(state.collections, name);
  const isOfEntries = container === 'set' || container === 'dictionary';
  if (container === 'counter') {
    if (value !== null && !fitsSlot(property, value)) perform({ kind: 'update', type, key, values: { [name]: 0 } });
  } else if (container !== 'value' && value !== null) {
    perform({ kind: 'update', type, key, values: { [name]: null } });
  }
  if ((container !== 'list' && list.elements.length > 0) || (!isOfEntries && entries.size > 0))
    perform({ kind: 'clear', type, key, property: name });
  const sum = sumOf(counter);
  if (container === 'counter' || sum === 0 || state.born === null) return;
  const after = previousIncrement(counter, state.born);
  perform({ kind: 'increment', type, key, property: name, born: state.born, after, by: -sum });
};

/** Does the same for the properties of a patch that hold one value. */
export const clearOldContainers = (
  context: Pick<Overlay, 'perform' | 'previousIncrement'>,
  shape: TypeShape,
  {
    key,
    state,
    changes,
  }: { readonly key: Key; readonly state: ObjectState; readonly changes: Readonly<Record<string, unknown>> },
): void => {
  for (const name of Object.keys(changes)) {
    const property = shape.properties.get(name);
    if (property?.container === 'value' && changes[name] !== undefined)
      clearOldContainer(context, { type: shape.name, key, property }, state);
  }
};
