import { firstValueFrom } from 'rxjs';
import type { ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { TypeChanges } from '../../../lib/store/objects/object-change.js';
import type { Store } from '../../../lib/store/store.js';
import { createServer, type ModelServer } from './view-world.js';

/* Writes and reads of one device with a view. */

export const write = (store: Store, change: Parameters<Store['write']>[0]) => firstValueFrom(store.write(change));

export const update = (store: Store, key: string, values: object) =>
  write(store, (tx) => tx.update('Task', key, values));

export const stateOf = ({ context }: Store, key: string): ObjectState | undefined =>
  context.objects.latestState('Task', key);

/** A server with one changeset for each operation. */
export const serverWith = (...operations: readonly Operation[]): ModelServer => {
  const server = createServer();
  for (const each of operations) server.add([each]);
  return server;
};

/** Returns the list to which every change is added from now on. */
export const noteChanges = (store: Store): readonly TypeChanges[] => {
  const noted: TypeChanges[] = [];
  store.changes$('Task').subscribe((changes) => noted.push(changes));
  return noted;
};
