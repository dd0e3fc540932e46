import { firstValueFrom, of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from 'tidemark';
import type { SyncServer } from 'tidemark/server';
import { schema } from './web/src/app/schema.js';

/** The name of the realm that both devices of the board sync with. */
export const realmName = 'board';

const titles: readonly (readonly [column: string, title: string])[] = [
  ['done', 'Choose a date'],
  ['done', 'Ask the neighbours'],
  ['done', 'Book the garden'],
  ['doing', 'Write the invitations'],
  ['doing', 'Find loudspeakers'],
  ['todo', 'Put up the lanterns'],
  ['todo', 'Order bread and cheese'],
  ['todo', 'Borrow four tables'],
  ['todo', 'Plan for rain'],
];

/** Writes a few tasks to the realm of the board, through a client in the same process. */
export const addSampleTasks = async (server: SyncServer): Promise<void> => {
  const client = createSyncClient({ dial: of(server.wire) });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: realmName } });
  const now = Date.now();
  await realm.write((tx) => {
    for (const [index, [column, title]] of titles.entries())
      tx.create('Task', { id: `sample-${index}`, title, column, movedAt: now - (titles.length - index) * 60_000 });
  });
  await firstValueFrom(realm.session.uploadComplete$);
  await client.close();
};
