import {
  concatMap,
  defer,
  firstValueFrom,
  lastValueFrom,
  map,
  type Observable,
  of,
  ReplaySubject,
  Subject,
  take,
  tap,
  throwError,
  VirtualTimeScheduler,
} from 'rxjs';
import { createSyncClient } from '../../lib/client/sync-client.js';
import { openRealm } from '../../lib/client/open-realm.js';
import { systemClock } from '../../lib/clock.js';
import { StorageError } from '../../lib/model/errors.js';
import { isSome } from '../../lib/model/result.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { createReopeningStorage } from '../../lib/storage/reopening-storage.js';
import type { OpenStorage, Storage } from '../../lib/storage/storage.js';
import { waitForValue } from '../wait-for.js';

const schema = {
  Note: { primaryKey: 'id', properties: { id: 'string', text: 'string', tags: 'string[]', likes: 'counter' } },
} as const;

/** Creates a storage that can become unavailable and return. */
const folder = () => {
  const state = {
    there: true,
    opened: 0,
    inner: memoryStorage(),
    lost: new ReplaySubject<StorageError>(1),
    isLost: false,
  };
  const open: OpenStorage = defer(() => {
    if (!state.there) return throwError(() => new StorageError('there is no room'));
    state.opened += 1;
    const [inner, lost] = [state.inner, state.lost];
    const dead = () => throwError(() => new StorageError('it is gone'));
    const isDead = (): boolean => state.inner !== inner;
    const storage: Storage = {
      range: (range) => defer(() => (isDead() ? dead() : inner.range(range))),
      batch: (changes, options) => defer(() => (isDead() ? dead() : inner.batch(changes, options))),
      close: () => inner.batch([], { durable: false }),
      lost$: lost,
    };
    return of(storage);
  });
  return {
    open,
    opened: () => state.opened,
    lose: ({ comesBack }: { comesBack: boolean }) => {
      const { lost } = state;
      Object.assign(state, { there: comesBack, inner: memoryStorage(), lost: new ReplaySubject<StorageError>(1) });
      lost.next(new StorageError('The database was deleted.'));
    },
    fill: () =>
      firstValueFrom(state.inner.batch([{ type: 'put', key: 'x', value: new Uint8Array(1) }], { durable: true }), {
        defaultValue: null,
      }),
    comeBack: () => void (state.there = true),
  };
};

const virtual = () => {
  const scheduler = new VirtualTimeScheduler();
  let at = 0;
  const pass = (ms: number): void => {
    at += ms;
    scheduler.maxFrames = at;
    scheduler.flush();
  };
  return { clock: { ...systemClock, scheduler }, pass };
};

describe('a storage that is lost under way', () => {
  it('is opened again, and gets everything that is in memory: objects, outbox and cursors', async () => {
    const { open, lose, opened } = folder();
    const realm = await openRealm({ schema, storage: open });
    await realm.write((tx) => {
      tx.create('Note', { id: 'a', text: 'one', tags: ['x', 'y'] });
      tx.increment('Note', 'a', 'likes', 3);
    });
    lose({ comesBack: true });
    expect(opened()).toBe(2);
    await realm.write((tx) => {
      tx.list('Note', 'a', 'tags').push('z');
    });
    await realm.close();
    const again = await openRealm({ schema, storage: open });
    expect(again.get('Note', 'a')).toEqual({ id: 'a', text: 'one', tags: ['x', 'y', 'z'], likes: 3 });
    await again.close();
  });

  it('ends the session with a typed error in status$ and errors$, and starts it again when it is back; unsent writes arrive', async () => {
    const { open, lose, comeBack } = folder();
    const { clock, pass } = virtual();
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
    const client = createSyncClient({ dial: of(server.wire) });
    const realm = await openRealm({ schema, storage: open, sync: { client, realm: 'r' }, clock });
    if (!isSome(realm.syncSession)) throw new Error('it syncs');
    const session = realm.syncSession.value;
    session.pause();
    await realm.write((tx) => {
      tx.create('Note', { id: 'unsent', text: 'one' });
    });
    session.resume();
    session.pause();
    const errors: string[] = [];
    session.errors$.subscribe(({ code }) => errors.push(code));
    session.resume();
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    session.pause();
    await realm.write((tx) => {
      tx.create('Note', { id: 'later', text: 'two' });
    });
    session.resume();
    lose({ comesBack: false });
    const { connection, sync } = session.status;
    expect(errors).toEqual(['storage']);
    expect([sync, connection]).toMatchObject([
      'inactive',
      { state: 'disconnected', reason: { kind: 'failed', code: 'storage' } },
    ]);
    await expect(realm.write((tx) => tx.delete('Note', 'later'))).rejects.toBeInstanceOf(StorageError);
    expect(realm.get('Note', 'later')).toMatchObject({ text: 'two' });
    comeBack();
    pass(1_000);
    expect(session.status.sync).toBe('active');
    await waitForValue(session.uploadComplete$, 'uploadComplete$');

    const other = createSyncClient({ dial: of(server.wire) });
    const reader = await openRealm({ schema, storage: memoryStorage(), sync: { client: other, realm: 'r' } });
    if (isSome(reader.syncSession)) await waitForValue(reader.syncSession.value.downloadComplete$, 'downloadComplete$');
    const notes = await firstValueFrom(reader.objects$('Note'));
    expect(notes.map(({ id }) => id)).toEqual(['later', 'unsent']);
    for (const each of [reader, realm, client, other, server]) await each.close();
  });

  it('is tried again after 1, 2, 4 … seconds, and no more once the realm is closed', async () => {
    const { open, lose, opened, comeBack } = folder();
    const { clock, pass } = virtual();
    let asked = 0;
    const counted: OpenStorage = defer(() => {
      asked += 1;
      return open;
    });
    const realm = await openRealm({ schema, storage: counted, clock });
    lose({ comesBack: false });
    for (const [ms, times] of [
      [0, 2],
      [999, 2],
      [1, 3],
      [1_999, 3],
      [1, 4],
      [4_000, 5],
    ] as const) {
      pass(ms);
      expect(asked).toBe(times);
    }
    await realm.close();
    comeBack();
    pass(600_000);
    expect([asked, opened()]).toEqual([5, 1]);
  });

  it('is not changed when another process has filled the storage meanwhile', async () => {
    const { open, lose, fill } = folder();
    const { clock, pass } = virtual();
    const realm = await openRealm({ schema, storage: open, clock });
    await realm.write((tx) => {
      tx.create('Note', { id: 'a', text: 'one' });
    });
    lose({ comesBack: false });
    await fill();
    pass(10_000);
    await expect(realm.write((tx) => tx.delete('Note', 'a'))).rejects.toBeInstanceOf(StorageError);
    await realm.close();
  });

  it('closes a storage that it could open but not fill, and tries again', async () => {
    const { open, lose } = folder();
    const { clock, pass } = virtual();
    const held = { now: 0, isRejecting: false };
    const full = () => throwError(() => new StorageError('no room'));
    const counted: OpenStorage = open.pipe(
      map((storage) => {
        held.now += 1;
        return {
          ...storage,
          batch: (changes, options) => defer(() => (held.isRejecting ? full() : storage.batch(changes, options))),
          close: () =>
            defer(() => {
              held.now -= 1;
              return storage.close();
            }),
        };
      }),
    );
    const realm = await openRealm({ schema, storage: counted, clock });
    await realm.write((tx) => {
      tx.create('Note', { id: 'a', text: 'one' });
    });
    held.isRejecting = true;
    lose({ comesBack: true });
    expect(held.now).toBe(0);
    held.isRejecting = false;
    pass(1_000);
    expect(held.now).toBe(1);
    await realm.write((tx) => {
      tx.update('Note', 'a', { text: 'two' });
    });
    await realm.close();
    expect(held.now).toBe(0);
  });

  it.each(['opened', 'filled'])(
    'leaves nothing open when its realm is closed while the place is being %s again',
    async (when) => {
      const { open, lose } = folder();
      const held = { now: 0, late: false };
      const gate = new Subject<void>();
      const later = <T>(what: Observable<T>, isLate: boolean): Observable<T> =>
        isLate
          ? gate.pipe(
              take(1),
              concatMap(() => what),
            )
          : what;
      const counted = (storage: Storage): Storage => {
        held.now += 1;
        return {
          ...storage,
          batch: (changes, options) => later(storage.batch(changes, options), held.late && when === 'filled'),
          close: () =>
            defer(() => {
              held.now -= 1;
              return storage.close();
            }),
        };
      };
      // Like a database, the opening finishes once it has begun, even when its subscriber is gone.
      const opening: OpenStorage = defer(() =>
        held.late && when === 'opened' ? firstValueFrom(later(open, true).pipe(map(counted))) : open.pipe(map(counted)),
      );
      const realm = await openRealm({ schema, storage: opening });
      held.late = true;
      lose({ comesBack: true });
      const closing = realm.close();
      gate.next();
      await closing;
      expect(held.now).toBe(0);
    },
  );

  it('does not keep its realm from closing when not all of it is in memory, or it waits for the next try', async () => {
    const { open, lose } = folder();
    const { clock } = virtual();
    const realm = await openRealm({ schema, storage: open, clock });
    lose({ comesBack: false });
    await realm.close();
    const lost = new ReplaySubject<StorageError>(1);
    const { storage, health$ } = createReopeningStorage(
      defer(() => of(memoryStorage())),
      { ...memoryStorage(), lost$: lost },
      clock,
    );
    const states: string[] = [];
    const ended = lastValueFrom(health$(() => null).pipe(tap(({ state }) => states.push(state))));
    lost.next(new StorageError('gone'));
    await lastValueFrom(storage.close(), { defaultValue: undefined });
    await ended;
    expect(states).toEqual(['lost']);
  });
});
