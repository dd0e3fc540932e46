import { delay, of } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm$ } from '../../lib/index.js';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { createSyncServer } from '../../lib/server/index.js';
import { marbles } from '../../lib/testing/marbles.js';
import { runAt } from '../session/test-kit.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

describe('a viewer that opens a realm before the first writer', () => {
  it(
    'field report B-10: is suspended, comes back by itself, and has the content at most ten seconds after it is there',
    marbles((m) => {
      const { clock, scheduler } = m;
      const server = createSyncServer({
        storage: memoryStorage(),
        clock,
        authenticate: (id) => ({ id }),
        authorize: ({ id }) => (id === 'writer' ? 'write' : 'read'),
      });
      const opened = (user: string, seed: number) => {
        const client = createSyncClient({
          dial: of(server.wire).pipe(delay(10, scheduler)),
          clock: { ...clock, random: createSeededRandom(seed) },
          accessToken: () => of(user),
        });
        return openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
      };
      const errors: string[] = [];
      let content = '';
      let calls = 0;
      const watched = opened('viewer', 1).subscribe((realm) => {
        const { syncSession } = realm;
        if (!isSome(syncSession)) throw new Error('no session');
        syncSession.value.errors$.subscribe(({ code, fatal }) => errors.push(`${code} ${fatal}`));
        syncSession.value.connectionState$.subscribe((state) => (calls += state === 'connecting' ? 1 : 0));
        realm.objects$('Task').subscribe((tasks) => (content = tasks.map(({ id }) => id).join()));
      });
      runAt(m, '10m w', {
        w: () => {
          expect([content, errors]).toEqual(['', ['suspended false']]);
          const writer = opened('writer', 2).subscribe(
            (realm) => void realm.write((tx) => tx.create('Task', { id: 'a' })),
          );
          m.cold('1m x').subscribe(() => writer.unsubscribe());
        },
      });
      runAt(m, '610100ms x', {
        x: () => {
          expect(content).toBe('a');
          expect(calls).toBeLessThan(100);
          watched.unsubscribe();
        },
      });
    }),
  );
});
