import { concatMap, delay, from, map, merge, of, switchMap, tap, type Observable } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm$, type Realm, type SyncSession } from '../../lib/index.js';
import { createSyncServer } from '../../lib/server/index.js';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', done: 'bool' } } } as const;
type Tasks = Realm<typeof schema>;

const sessionOf = ({ syncSession }: Tasks): SyncSession => {
  if (isSome(syncSession)) return syncSession.value;
  throw new Error('no session');
};

/** Creates a server and devices in virtual time. A connection opens after ten milliseconds. */
const worldOf = ({ clock, scheduler }: MarbleHelpers) => {
  const server = createSyncServer({ storage: memoryStorage(), clock });
  const device = (seed: number): Observable<Tasks> => {
    const own = { ...clock, random: createSeededRandom(seed) }; // Otherwise both would draw the same replica id.
    const client = createSyncClient({ dial: of(server.wire).pipe(delay(10, scheduler)), clock: own });
    return openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
  };
  return { device };
};

const names: Readonly<Record<string, string>> = { disconnected: 'd', connecting: 'c', connected: 'C' };

describe('a whole app in virtual time', () => {
  it(
    'opens, connects, writes and reads on two devices without a promise',
    marbles((m) => {
      const { device } = worldOf(m);
      const writer = device(1).pipe(
        switchMap((realm) =>
          merge(
            sessionOf(realm).connectionState$.pipe(map((state) => names[state] ?? '?')),
            of(0).pipe(
              delay(50, m.scheduler),
              concatMap(() => realm.write((tx) => tx.create('Task', { id: 'a', done: false }))),
              map(({ version }) => `${version}`),
            ),
          ),
        ),
      );
      const reader = device(2).pipe(
        switchMap((realm) => realm.objects$('Task')),
        map((tasks) => tasks.map(({ id }) => id).join('') || '-'),
      );
      const writes = 'c---------C 39ms 1';
      const reads = 'n--------- 40ms a';
      m.expectObservable(writer, '100ms !').toBe(writes);
      m.expectObservable(reader, '100ms !').toBe(reads, { n: '-', a: 'a' });
    }),
  );

  it(
    'takes a write as the stream that it is, its error too',
    marbles((m) => {
      const written = openRealm$({ schema, storage: memoryStorage(), clock: m.clock }).pipe(
        concatMap((realm) =>
          from(
            realm.write(() => {
              throw new Error('no');
            }),
          ),
        ),
      );
      m.expectObservable(written).toBe('#', {}, new Error('no'));
    }),
  );

  it(
    'closes a realm when no handle of it is left',
    marbles((m) => {
      const { device } = worldOf(m);
      let session: SyncSession | undefined;
      const held = device(1).pipe(tap((realm) => (session = sessionOf(realm))));
      m.expectObservable(held.pipe(map(() => 'r')), '30ms !').toBe('r');
      const after = of(0).pipe(
        delay(40, m.scheduler),
        switchMap(() => session?.syncState$ ?? of('none')),
      );
      m.expectObservable(after).toBe('40ms (s|)', { s: 'inactive' });
    }),
  );
});
