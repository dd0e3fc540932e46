import { of } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { createSyncClient, isSome, memoryStorage, openRealm } from '../../lib/index.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { measureHeap } from '../client/heap-used.js';
import { createAnsweringServer, createTestClient } from './test-kit.js';
import { createTestRealm } from './test-realm.js';

/*
 * Measures idle sessions in a process of its own: bytes of heap of each, once bound.
 *
 * Arguments: `session`, on realms that existed before, or `realm`, with everything that `openRealm` creates; and the
 * number.
 */
const [what = '', count = '0'] = process.argv.slice(2);
const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;
const dial = of(createAnsweringServer());

/** Returns the heap that this number of additional sessions takes. */
const measureSessions = async (many: number): Promise<{ before: number; after: number; bound: number }> => {
  if (what === 'session') {
    const client = createTestClient({ clock: systemClock } as MarbleHelpers, { dial });
    const realms = Array.from({ length: many }, () => createTestRealm());
    const before = await measureHeap();
    const all = realms.map((realm) => client.open(realm).session);
    const after = await measureHeap();
    return { before, after, bound: all.filter(({ connectionState }) => connectionState === 'connected').length };
  }
  const client = createSyncClient({ dial });
  const before = await measureHeap();
  const all = [];
  for (let one = 0; one < many; one += 1) {
    all.push(await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: `realm-${one}` } }));
  }
  const after = await measureHeap();
  const states = all.map(({ syncSession }) => isSome(syncSession) && syncSession.value.connectionState);
  return { before, after, bound: states.filter((state) => state === 'connected').length };
};

await measureSessions(Number(count)); // A first run creates what exists once: compiled code and shapes of objects.
const { before, after, bound } = await measureSessions(Number(count));
process.send?.({ bytes: Math.round((after - before) / Number(count)), bound });
