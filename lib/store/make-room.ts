import { lastIncrement, sumOf } from '../merge/counter.js';
import { type ObjectState, valueIn } from '../merge/object.js';
import { partIn } from '../merge/part.js';
import { fitsIn } from '../model/kinds.js';
import type { Property, TypeShape } from '../model/schema.js';
import type { Key } from '../model/value.js';
import type { Sheet } from './sheet.js';

/**
 * Empties what a property holds of another container than its own, before it is written: a migration makes a list of a text, or a text of a
 * list. There is nothing of the kind in an object that fits its schema.
 */
export const makeRoom = (
  { perform, replica }: Pick<Sheet, 'perform' | 'replica'>,
  { type, key, property }: { readonly type: string; readonly key: Key; readonly property: Property },
  state: ObjectState,
): void => {
  const { name, container } = property;
  const value = valueIn(state, name) ?? null;
  const { list, entries, counter } = partIn(state.parts, name);
  const isOfEntries = container === 'set' || container === 'dictionary';
  if (container === 'counter') {
    if (value !== null && !fitsIn(property, value)) perform({ kind: 'update', type, key, values: { [name]: 0 } });
  } else if (container !== 'value' && value !== null) {
    perform({ kind: 'update', type, key, values: { [name]: null } });
  }
  if ((container !== 'list' && list.elements.length > 0) || (!isOfEntries && entries.size > 0))
    perform({ kind: 'clear', type, key, property: name });
  const sum = sumOf(counter);
  if (container === 'counter' || sum === 0 || state.born === null) return;
  const after = lastIncrement(counter, state.born, replica);
  perform({ kind: 'increment', type, key, property: name, born: state.born, after, by: -sum });
};

/** The same, for the properties of a patch that are one value. */
export const makeRoomForValues = (
  room: Pick<Sheet, 'perform' | 'replica'>,
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
      makeRoom(room, { type: shape.name, key, property }, state);
  }
};
