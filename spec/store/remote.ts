import { encodeOperations } from '../../lib/merge/body.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object.js';
import type { Operation } from '../../lib/merge/operation.js';
import { stampAt } from '../../lib/merge/stamp.js';
import { encodeState } from '../../lib/merge/state.js';
import type { ServerChangeset, StoredObject } from '../../lib/model/changeset.js';
import type { Store } from '../../lib/store/store.js';
import { done } from './kit.js';

/** A history as a server has it: changesets of others, and what the objects come to. */
export const history = () => {
  const changesets: ServerChangeset[] = [];
  const states = new Map<string, ObjectState>();
  const add = (origin: string, operation: Operation, time = 1_000 + changesets.length): void => {
    const { type, key } = operation;
    const name = `${type}/${key}`;
    states.set(name, applyOperation(states.get(name), operation, stampAt({ time, count: 0 }, origin, 0)));
    const body = encodeOperations([operation]);
    changesets.push({ version: changesets.length + 1, origin, time, count: 0, body });
  };
  const objects = (): readonly StoredObject[] =>
    [...states].map(([name, state]) => ({ type: 'Task', key: name.slice(5), state: encodeState(state) }));
  const replaced = (store: Store) =>
    done(store.replace({ version: changesets.length, objects: objects(), bytes: 500, remainingBytes: 20 }));
  return { changesets, states, add, objects, replaced };
};

export const task = (key: string, more: object = {}): Operation => ({
  kind: 'create',
  type: 'Task',
  key,
  values: { id: key, title: key, due: null, votes: 0, done: false, ...more },
});
export const votes = (key: string, count: number): Operation => ({
  kind: 'update',
  type: 'Task',
  key,
  values: { votes: count },
});
