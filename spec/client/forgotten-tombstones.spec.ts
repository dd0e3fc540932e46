import { defer, firstValueFrom, of, repeat } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { memoryStorage, openRealm } from '../../lib/index.js';
import { open, nextTurn, waitUntil } from './test-kit.js';

const schema = { Page: { primaryKey: 'id', properties: { id: 'string', steps: 'string[]' } } } as const;
const day = 24 * 60 * 60 * 1000;

describe('a synced realm', () => {
  it('field report C-6: forgets what its server has forgotten, and agrees with a device that was away meanwhile', async () => {
    let now = Date.parse('2026-03-01T12:00Z');
    const clock = { ...systemClock, now: () => now };
    const disk = memoryStorage();
    const server = open.server({ storage: disk, clock, limits: { compactionMs: 5, snapshotLeaseMs: 1 } });
    const device = async () => {
      const client = open.client({ dial: of(server.wire), clock });
      const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'pages' } });
      if (realm.syncSession._tag === 'None') throw new Error('no session');
      return { realm, session: realm.syncSession.value };
    };
    const [stays, leaves] = [await device(), await device()];
    await stays.realm.write((tx) => {
      tx.create('Page', { id: 'p', steps: ['go', 'stay'] });
      for (let n = 0; n < 50; n += 1) tx.create('Page', { id: `gone ${n}`, steps: [] });
    });
    await firstValueFrom(stays.session.uploadComplete$);
    await firstValueFrom(leaves.session.downloadComplete$);
    leaves.session.pause();
    await leaves.realm.write((tx) => tx.list('Page', 'p', 'steps').push('from away'));
    await stays.realm.write((tx) => {
      tx.list('Page', 'p', 'steps').remove(0);
      for (let n = 0; n < 50; n += 1) tx.delete('Page', `gone ${n}`);
    });
    await firstValueFrom(stays.session.uploadComplete$);
    expect(stays.realm.stats().tombstones).toBe(50);

    now += 60 * day;
    const rows$ = defer(() => disk.range({ from: 'realm/', to: 'realm/~', limit: Infinity, bytesMax: Infinity }));
    await waitUntil(rows$.pipe(repeat({ delay: nextTurn })), (rows) => rows.some(([key]) => key.endsWith('horizon')));
    stays.session.pause();
    stays.session.resume();
    const tombstones$ = defer(() => of(stays.realm.stats().tombstones)).pipe(repeat({ delay: nextTurn }));
    await waitUntil(tombstones$, (count) => count === 0);

    leaves.session.resume();
    const both$ = defer(() => of([stays, leaves].map(({ realm }) => realm.get('Page', 'p')?.steps))).pipe(
      repeat({ delay: nextTurn }),
    );
    const steps = ['stay', 'from away'];
    await waitUntil(both$, (both) => both.every((each) => JSON.stringify(each) === JSON.stringify(steps)));
    expect(leaves.realm.get('Page', 'gone 1')).toBeUndefined();
  }, 60_000);
});
