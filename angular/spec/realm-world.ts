import '@angular/compiler';
import { BehaviorSubject, filter, first, map, type Observable, of, merge, switchMap, throwError } from 'rxjs';
import { ConnectionError, createSyncClient, memoryStorage, openRealm, type SyncClientOptions } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';

export const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;

export const milk = { id: 'milk', title: 'Buy milk', done: false };
export const bread = { id: 'bread', title: 'Bake bread', done: true };

/** A server in this process, the network of the app, and another device. */
export const createWorld = () => {
  const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
  const isOnline$ = new BehaviorSubject(true);
  const world = { dials: 0, subscribers: 0 };
  const failure: Observable<never> = isOnline$.pipe(
    filter((isOnline) => !isOnline),
    first(),
    map(() => {
      throw new ConnectionError({ kind: 'unreachable', detail: 'The network is switched off.' });
    }),
  );
  const dial = isOnline$.pipe(
    first(),
    switchMap((isOnline) => {
      world.dials += 1;
      return isOnline
        ? of((sent$: Parameters<typeof server.wire>[0]) => merge(failure, server.wire(sent$)))
        : throwError(() => new ConnectionError({ kind: 'unreachable', detail: 'The network is switched off.' }));
    }),
  );
  const client = createSyncClient({ dial: of(server.wire) });
  return {
    options: { dial } satisfies SyncClientOptions,
    isOnline$,
    world,
    openOther: () => openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } }),
    close: async () => {
      await client.close();
      await server.close();
    },
  };
};
