import { NEVER } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { createSyncClient, openRealm } from '../../lib/index.js';

/** A clock that stands at noon of one day, with fixed random numbers. */
export const clock = { ...systemClock, now: () => Date.parse('2024-05-01T12:00:00Z'), random: () => 0.5 };
export const schema = {
  Task: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      due: 'date?',
      raw: 'data?',
      votes: 'counter',
      steps: 'string[]',
      tags: 'string<>',
      notes: 'mixed{}',
    },
  },
  Tag: { primaryKey: 'id', properties: { id: 'int' } },
} as const;

/** Opens a realm that has never reached its server. */
export const openOfflineRealm = async (folder: string) => {
  const client = createSyncClient({ dial: NEVER });
  const sync = { client, realm: 'tasks', stopPolicy: 'immediately' } as const;
  const realm = await openRealm({ schema, storage: folder, clock, sync });
  const close = async () => {
    await realm.close();
    await client.close();
  };
  return { realm, close };
};

/** Fills a realm with values of many kinds, closes it and returns its replica id. */
export const fillRealm = async (folder: string) => {
  const { realm, close } = await openOfflineRealm(folder);
  await realm.write((tx) => {
    const collections = { steps: ['fetch', 'drink'], tags: ['b', 'a'], notes: { by: 'Anna' } };
    tx.create('Task', {
      id: 'milk',
      title: 'Milk\u009b',
      due: new Date(5),
      raw: Uint8Array.of(1, 2),
      votes: 2,
      ...collections,
    });
    tx.create('Task', { id: 'tea', title: 'Tea' });
    tx.create('Tag', { id: 7 });
  });
  await realm.write((tx) => {
    tx.increment('Task', 'milk', 'votes', 5);
    tx.delete('Task', 'tea');
  });
  const { replica } = realm.stats();
  await close();
  return replica;
};
