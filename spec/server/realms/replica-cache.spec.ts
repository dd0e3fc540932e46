import { tap } from 'rxjs';
import { createSyncServer } from '../../../lib/server/index.js';
import { createReplicaCache } from '../../../lib/server/realms/replica-cache.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { createBind, connect, summaryOf, createUpload } from '../test-kit.js';

const record = (accepted: number) => ({ user: 'ann', accepted, hasRejected: false, stamp: null, run: null });

describe('the cache of replicas', () => {
  it('has the replicas that were used last, separately for each realm', () => {
    const remembered = createReplicaCache(2);
    remembered.set('team', 'a', record(1));
    remembered.set('other', 'a', record(2));
    expect(remembered.get('team', 'a')).toEqual(record(1));
    remembered.set('team', 'b', record(3));
    expect(remembered.get('other', 'a')).toBeUndefined();
    expect(remembered.get('team', 'a')).toEqual(record(1));
    remembered.set('team', 'a', record(4));
    expect([remembered.get('team', 'a'), remembered.get('team', 'b')]).toEqual([record(4), record(3)]);
  });

  it('saves a read when a replica comes back, and equals the storage', async () => {
    const read: string[] = [];
    const memory = memoryStorage();
    const storage: Storage = {
      ...memory,
      range: (range) => memory.range(range).pipe(tap(() => read.push(range.from))),
    };
    const replicas = () => read.splice(0).filter((key) => key.includes('/replica/'));
    const server = createSyncServer({ storage });
    const first = connect(server.wire);
    first.send(createBind(), createUpload(1, 3));
    expect(first.received().map(summaryOf).slice(-1)).toEqual(['accepted 3']);
    first.disconnect();
    expect(replicas()).toEqual(['realm/team/replica/a']);

    const second = connect(server.wire);
    second.send(createBind({ history: null }));
    expect(second.received().map(summaryOf)[0]).toBe('bound head 3 accepted 3');
    second.disconnect();
    expect(replicas()).toEqual([]);
    await server.close();

    const other = connect(createSyncServer({ storage }).wire);
    other.send(createBind());
    expect(other.received().map(summaryOf)[0]).toBe('bound head 3 accepted 3');
    expect(replicas()).toEqual(['realm/team/replica/a']);
  });
});
