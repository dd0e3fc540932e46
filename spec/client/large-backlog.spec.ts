import { firstValueFrom, map, of, tap } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm } from '../../lib/index.js';
import { limits } from '../../lib/model/limits.js';
import type { Upload } from '../../lib/protocol/messages.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { waitForValue } from '../wait-for.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;
const many = 5_000;

describe('a large backlog', () => {
  it('W12 is uploaded in pages within their limits, and downloaded in pages on another device; both waits emit', async () => {
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
    const uploads: Upload[] = [];
    const noted = of(server.wire).pipe(
      map(
        (wire) => (sent: Parameters<typeof wire>[0]) =>
          wire(sent.pipe(tap((message) => message.type === 'upload' && uploads.push(message)))),
      ),
    );
    const open = async (dial: typeof noted) => {
      const client = createSyncClient({ dial });
      const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
      if (!isSome(realm.syncSession)) throw new Error('no session');
      return { client, realm, session: realm.syncSession.value };
    };
    const writer = await open(noted);
    writer.session.pause();
    const title = 'x'.repeat(100);
    await Promise.all(
      Array.from({ length: many }, (_, at) => writer.realm.write((tx) => tx.create('Task', { id: `t${at}`, title }))),
    );
    expect(writer.session.status.pending.changesets).toBe(many);
    writer.session.resume();
    expect(await waitForValue(writer.session.uploadComplete$, 'uploadComplete$')).toBe(many);
    expect(uploads.length).toBeGreaterThan(2);
    expect(uploads.reduce((sum, { changesets }) => sum + changesets.length, 0)).toBe(many);
    for (const { changesets } of uploads) expect(changesets.length).toBeLessThanOrEqual(limits.pageChangesetsMax);

    const reader = await open(of(server.wire));
    expect(await waitForValue(reader.session.downloadComplete$, 'downloadComplete$')).toBe(many);
    expect(await firstValueFrom(reader.realm.objects$('Task'))).toHaveLength(many);
    await writer.client.close();
    await reader.client.close();
  });
});
