import { encodeOperations } from '../../lib/merge/operation-codec.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import type { Operation } from '../../lib/merge/operation.js';
import { operationStampOf } from '../../lib/merge/timestamp.js';
import { encodeState } from '../../lib/merge/state-codec.js';
import type { ServerChangeset, StoredObject } from '../../lib/model/changeset.js';
import type { Store } from '../../lib/store/store.js';
import { waitUntilDone } from './test-kit.js';

/** A server's history: changesets of other replicas, and the resulting objects. */
export const createHistory = () => {
  const changesets: ServerChangeset[] = [];
  const states = new Map<string, ObjectState>();
  const add = (origin: string, operation: Operation, time = 1_000 + changesets.length): void => {
    const { type, key } = operation;
    const name = `${type}/${key}`;
    states.set(name, applyOperation(states.get(name), operation, operationStampOf({ time, count: 0 }, origin, 0)));
    const body = encodeOperations([operation]);
    changesets.push({ version: changesets.length + 1, origin, time, count: 0, body });
  };
  const objects = (): readonly StoredObject[] =>
    [...states].map(([name, state]) => ({ type: 'Task', key: name.slice(5), state: encodeState(state) }));
  const replaced = (store: Store) =>
    waitUntilDone(store.replace({ version: changesets.length, objects: objects(), bytes: 500, remainingBytes: 20 }));
  return { changesets, states, add, objects, replaced };
};

export const createTaskOperation = (key: string, more: object = {}): Operation => ({
  kind: 'create',
  type: 'Task',
  key,
  values: { id: key, title: key, due: null, votes: 0, done: false, ...more },
});
export const createVotesOperation = (key: string, count: number): Operation => ({
  kind: 'update',
  type: 'Task',
  key,
  values: { votes: count },
});
