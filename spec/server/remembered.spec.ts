import { tap } from 'rxjs';
import { createSyncServer } from '../../lib/server/index.js';
import { createRemembered } from '../../lib/server/remembered.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { bind, call, inShort, upload } from './support.js';

const record = (accepted: number) => ({ user: 'ann', accepted, hasRefused: false, stamp: null, run: null });

describe('what is remembered of replicas', () => {
  it('is that of the ones that were used last, of each realm its own', () => {
    const remembered = createRemembered(2);
    remembered.note('team', 'a', record(1));
    remembered.note('other', 'a', record(2));
    expect(remembered.of('team', 'a')).toEqual(record(1));
    remembered.note('team', 'b', record(3));
    expect(remembered.of('other', 'a')).toBeUndefined();
    expect(remembered.of('team', 'a')).toEqual(record(1));
    remembered.note('team', 'a', record(4));
    expect([remembered.of('team', 'a'), remembered.of('team', 'b')]).toEqual([record(4), record(3)]);
  });

  it('saves the storage a read when a replica comes back, and is what the storage has', async () => {
    const read: string[] = [];
    const memory = memoryStorage();
    const storage: Storage = {
      ...memory,
      range: (range) => memory.range(range).pipe(tap(() => read.push(range.from))),
    };
    const replicas = () => read.splice(0).filter((key) => key.includes('/replica/'));
    const server = createSyncServer({ storage });
    const first = call(server.wire);
    first.say(bind(), upload(1, 3));
    expect(first.heard().map(inShort).slice(-1)).toEqual(['accepted 3']);
    first.drop();
    expect(replicas()).toEqual(['realm/team/replica/a']);

    const second = call(server.wire);
    second.say(bind({ history: null }));
    expect(second.heard().map(inShort)[0]).toBe('bound head 3 accepted 3');
    second.drop();
    expect(replicas()).toEqual([]);
    await server.close();

    const other = call(createSyncServer({ storage }).wire);
    other.say(bind());
    expect(other.heard().map(inShort)[0]).toBe('bound head 3 accepted 3');
    expect(replicas()).toEqual(['realm/team/replica/a']);
  });
});
