import {
  BehaviorSubject,
  defer,
  filter,
  finalize,
  first,
  map,
  merge,
  type Observable,
  of,
  switchMap,
  throwError,
} from 'rxjs';
import { ConnectionError, createSyncClient, memoryStorage, openRealm } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';
import { schema, type TaskRealm } from '../schema';

export const milk = { id: 'milk', title: 'Buy milk', done: false };
export const bread = { id: 'bread', title: 'Bake bread', done: true };

/** Counts the subscriptions to a stream. */
const createCounter = () => {
  const counter = {
    present: 0,
    total: 0,
    count: <T>(stream$: Observable<T>): Observable<T> =>
      defer(() => {
        counter.present += 1;
        counter.total += 1;
        return stream$;
      }).pipe(finalize(() => (counter.present -= 1))),
  };
  return counter;
};

/** A realm in memory whose streams are counted, the switch of its network, and another device. */
export const createWorld = async () => {
  const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
  const isOnline$ = new BehaviorSubject(true);
  const failure = (): Error => new ConnectionError({ kind: 'unreachable', detail: 'The network is switched off.' });
  const cut$: Observable<never> = isOnline$.pipe(
    filter((isOnline) => !isOnline),
    first(),
    map(() => {
      throw failure();
    }),
  );
  const dial = isOnline$.pipe(
    first(),
    switchMap((isOnline) =>
      isOnline
        ? of((sent$: Parameters<typeof server.wire>[0]) => merge(cut$, server.wire(sent$)))
        : throwError(() => failure()),
    ),
  );
  const open = async (client: ReturnType<typeof createSyncClient>): Promise<TaskRealm> =>
    openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
  const [client, otherClient] = [createSyncClient({ dial }), createSyncClient({ dial: of(server.wire) })];
  const [own, other] = [await open(client), await open(otherClient)];
  await own.write((tx) => [milk, bread].forEach((task) => tx.create('Task', task)));
  const [objects, status] = [createCounter(), createCounter()];
  const status$ = status.count(own.session.status$);
  const session = new Proxy(own.session, {
    get: (target, name) => (name === 'status$' ? status$ : (Reflect.get(target, name) as unknown)),
  });
  const realm: TaskRealm = {
    ...own,
    session,
    objects$: (type, query) => objects.count(own.objects$(type, query)),
  };
  return {
    dial,
    realm,
    other,
    counts: { objects, status },
    setOnline: (isOnline: boolean) => {
      isOnline$.next(isOnline);
      if (isOnline) client.reconnect();
    },
    close: async () => {
      await client.close();
      await otherClient.close();
      await server.close();
    },
  };
};

export type World = Awaited<ReturnType<typeof createWorld>>;
