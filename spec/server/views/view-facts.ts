import { createFilterTest } from '../../../lib/filter/filter-test.js';
import { keyName, type StoredFilter } from '../../../lib/filter/stored-filter.js';
import { applyOperation, isAlive, type ObjectState, propertyValueOf } from '../../../lib/merge/object-state.js';
import { decodeOperations, targetsOf } from '../../../lib/merge/operation-codec.js';
import { decodeState } from '../../../lib/merge/state-codec.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import type { Changeset, ObjectName, ServerChangeset, StoredObject } from '../../../lib/model/changeset.js';
import { objectTextOf, parseObjectText } from '../../../lib/model/object-key.js';
import type { ViewFilter } from '../../../lib/model/view.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';

/** Objects by their texts. */
export type States = Map<string, ObjectState>;

/** Decodes a state. */
export const stateOf = (bytes: Uint8Array): ObjectState => {
  const state = decodeState(bytes);
  if (!('right' in state)) throw new Error(state.left);
  return state.right;
};

/** Applies a changeset to some objects. Returns the texts of the objects that it names. */
export const applyTo = (
  states: States,
  origin: string,
  { time, count, body }: Pick<Changeset, 'time' | 'count' | 'body'>,
): readonly string[] => {
  const operations = decodeOperations(body);
  if (!('right' in operations)) throw new Error(operations.left);
  return operations.right.map((operation, index) => {
    const text = objectTextOf(operation.type, operation.key);
    states.set(text, applyOperation(states.get(text), operation, operationStampOf({ time, count }, origin, index)));
    return text;
  });
};

/** Applies operations of another replica on objects that are here. */
export const applyPiece = (states: States, replica: string, piece: ServerChangeset): void => {
  if (piece.origin === replica) throw new Error('own operations');
  for (const { type, key } of targetsOf(piece.body))
    if (!states.has(objectTextOf(type, key))) throw new Error(`operations on ${type} ${key}, which is not here`);
  applyTo(states, piece.origin, piece);
};

/** Whether an object matches one of some filters. */
export const isIn = (filters: readonly ViewFilter[], text: string, state: ObjectState): boolean => {
  const { type, key } = parseObjectText(text);
  const read = (property: string) => (property === keyName ? key : (propertyValueOf(state, property) ?? null));
  return (
    isAlive(state) && filters.some((each) => each.type === type && createFilterTest(each.filter as StoredFilter)(read))
  );
};

/** Returns the names of the objects of a message. */
export const namesOf = (message: ServerMessage): readonly (ObjectName | StoredObject)[] => {
  if (message.type === 'members') return [...message.objects, ...message.leaves];
  if (message.type === 'parts')
    return [...message.changesets.flatMap(({ body }) => targetsOf(body)), ...message.states, ...message.leaves];
  return [];
};
