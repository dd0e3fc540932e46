import { defer, EMPTY, firstValueFrom, of, repeat, tap } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { memoryStorage, openRealm, type Realm } from '../../lib/index.js';
import type { Storage, StorageChange } from '../../lib/storage/storage.js';
import { open, nextTurn, waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const schema = {
  Note: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      pinned: 'bool?',
      steps: 'string[]',
      tags: 'string<>',
      sizes: 'int{}',
      likes: 'counter',
      labels: { type: 'string[]', default: () => ['new'] },
    },
  },
} as const;
type Notes = Realm<typeof schema>;

const day = 24 * 60 * 60 * 1000;
/** The correct time. */
let now = 0;
beforeEach(() => {
  now = Date.parse('2026-03-01T12:00Z');
});
/** Creates a clock that is ahead of the correct time. */
const createFastClock = (ms = 0) => ({ ...systemClock, now: () => now + ms });

const unclosed = (storage: Storage): Storage => ({ ...storage, close: () => EMPTY });

/** Copies a storage as a backup does. */
const copyOf = async (storage: Storage): Promise<Storage> => {
  const entries = await firstValueFrom(storage.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }));
  const copy = memoryStorage();
  const changes = entries.map(([key, value]): StorageChange => ({ type: 'put', key, value }));
  await firstValueFrom(copy.batch(changes, { durable: true }), { defaultValue: undefined });
  return copy;
};

/** Writes without a server, at times of the correct clock; each write follows after some milliseconds. */
const local = async (
  storage: Storage,
  writes: readonly (readonly [at: number, write: (realm: Notes) => Promise<unknown>])[],
  offsetMs = 0,
): Promise<void> => {
  const realm = await openRealm({ schema, storage: unclosed(storage), clock: createFastClock(offsetMs) });
  const before = now;
  for (const [at, write] of writes) {
    now = before + at;
    await write(realm);
  }
  now = before;
  await realm.close();
};

const synced = async (storage: Storage, server: ReturnType<typeof open.server>, offsetMs = 0) => {
  const client = open.client({ dial: of(server.wire), clock: createFastClock(offsetMs) });
  const realm: Notes = await openRealm({ schema, storage: unclosed(storage), sync: { client, realm: 'notes' } });
  if (realm.syncSession._tag === 'None') throw new Error('no session');
  const session = realm.syncSession.value;
  const settle = async () => {
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
  };
  return { realm, session, settle };
};
type Device = Awaited<ReturnType<typeof synced>>;

/** Returns the objects of all devices after each has downloaded everything, and checks that they are equal. */
const agreed = async (...devices: readonly Device[]) => {
  for (const each of [...devices, ...devices]) await each.settle();
  const [first, ...others] = await Promise.all(
    devices.map(({ realm }) => firstValueFrom(realm.objects$('Note', { sort: { id: 1 } }))),
  );
  for (const other of others) expect(other).toEqual(first);
  return first!;
};

const create =
  (id: string, more: Partial<Parameters<Parameters<Notes['write']>[0]>[0]> | object = {}) =>
  (realm: Notes) =>
    realm.write((tx) => tx.create('Note', { id, title: id, ...more }));
const update = (id: string, patch: object) => (realm: Notes) => realm.write((tx) => tx.update('Note', id, patch));

const serverNow = () => open.server({ clock: createFastClock() });

describe('a realm that was local, on the day it syncs', () => {
  it('field report A-7: loses to what others wrote later, property by property, and wins over what they wrote earlier', async () => {
    const server = serverNow();
    const storage = memoryStorage();
    await local(storage, [
      [0, create('a', { pinned: false, sizes: { old: 1, both: 1 } })],
      [9 * day, update('a', { pinned: true, sizes: { old: 1, both: 9 } })],
    ]);
    const other = await synced(memoryStorage(), server);
    now += 5 * day;
    await create('a', { title: 'theirs', sizes: { both: 5, theirs: 5 } })(other.realm);
    await other.settle();
    now += 10 * day;
    const device = await synced(storage, server);
    const [note] = await agreed(device, other);
    expect(note).toMatchObject({ title: 'theirs', pinned: true, sizes: { old: 1, both: 9, theirs: 5 } });
    // Shared values of the beginning appear once.
    expect(note?.labels).toEqual(['new']);
  });

  it('field report A-7: does not bring back what it deleted, nor beat a later delete of others', async () => {
    const server = serverNow();
    const storage = memoryStorage();
    await local(storage, [
      [0, create('a')],
      [1, create('b', { steps: ['one', 'two'] })],
      [2, (realm) => realm.write((tx) => tx.delete('Note', 'a'))],
      [3, (realm) => realm.write((tx) => tx.list('Note', 'b', 'steps').remove(0))],
      [4, create('c')],
    ]);
    const other = await synced(memoryStorage(), server);
    now += day;
    await create('c')(other.realm);
    await other.realm.write((tx) => tx.delete('Note', 'c'));
    await other.settle();
    now += day;
    const device = await synced(storage, server);
    expect((await agreed(device, other)).map(({ id, steps }) => [id, steps])).toEqual([['b', ['two']]]);
  });

  it('field report A-7: has the elements and counts that it shares with a copy once', async () => {
    const server = serverNow();
    const storage = memoryStorage();
    await local(storage, [
      [0, create('a', { steps: ['one', 'two', 'three', 'four'], tags: ['x'], likes: 2 })],
      [1, (realm) => realm.write((tx) => tx.increment('Note', 'a', 'likes', 3))],
      [2, (realm) => realm.write((tx) => tx.list('Note', 'a', 'steps').move(0, 2))],
      [3, (realm) => realm.write((tx) => tx.list('Note', 'a', 'steps').set(0, 'TWO'))],
      [4, (realm) => realm.write((tx) => tx.increment('Note', 'a', 'likes', 4))],
    ]);
    const copy = await copyOf(storage);
    await local(copy, [
      [day, (realm) => realm.write((tx) => tx.list('Note', 'a', 'steps').push('of the copy'))],
      [day + 1, (realm) => realm.write((tx) => tx.increment('Note', 'a', 'likes', 1))],
      [day + 2, update('a', { title: 'of the copy' })],
    ]);
    await local(storage, [
      [2 * day, (realm) => realm.write((tx) => tx.list('Note', 'a', 'steps').push('of the first'))],
      [2 * day, update('a', { pinned: true })],
    ]);
    now += 3 * day;
    const devices = [await synced(storage, server), await synced(copy, server), await synced(memoryStorage(), server)];
    const [note] = await agreed(...devices);
    expect(note).toMatchObject({ title: 'of the copy', pinned: true, likes: 10, tags: ['x'], labels: ['new'] });
    expect([...(note?.steps ?? [])].sort()).toEqual(['TWO', 'four', 'of the copy', 'of the first', 'one', 'three']);
    // They continue under their new replica ids.
    await devices[0]!.realm.write((tx) => tx.increment('Note', 'a', 'likes', 100));
    await devices[1]!.realm.write((tx) => tx.increment('Note', 'a', 'likes', 1_000));
    await devices[1]!.realm.write((tx) => tx.list('Note', 'a', 'steps').insert(0, 'first'));
    const [later] = await agreed(...devices);
    expect(later).toMatchObject({ likes: 1_110 });
    expect(later?.steps).toHaveLength(7);
  });

  it('field report A-7: counts what several devices counted each for themselves', async () => {
    const server = serverNow();
    const devices: Device[] = [];
    for (const by of [1, 10, 100]) {
      const storage = memoryStorage();
      await local(storage, [
        [by, create('a')],
        [by + 1, (realm) => realm.write((tx) => tx.increment('Note', 'a', 'likes', by))],
      ]);
      now += day;
      devices.push(await synced(storage, server));
      await devices.at(-1)!.settle();
    }
    expect(await agreed(...devices)).toMatchObject([{ likes: 111 }]);
  });

  it.each([
    ['an hour', day / 24],
    ['a year', 365 * day],
  ])('field report A-7: loses to later writes, though its clock was ahead by %s', async (_, offsetMs) => {
    const server = serverNow();
    const storage = memoryStorage();
    await local(
      storage,
      [
        [0, create('a', { steps: ['one'] })],
        [1, update('a', { title: 'mine' })],
      ],
      offsetMs,
    );
    const other = await synced(memoryStorage(), server);
    now += 2_000;
    await create('a', { title: 'theirs', steps: ['two'] })(other.realm);
    await other.settle();
    now += day;
    const device = await synced(storage, server, offsetMs);
    await device.realm.write((tx) => {
      const at = tx.get('Note', 'a')?.steps.indexOf('one') ?? 0;
      tx.list('Note', 'a', 'steps').set(at, 'ONE');
    });
    const [note] = await agreed(device, other);
    expect(note).toMatchObject({ title: 'theirs' });
    expect([...(note?.steps ?? [])].sort()).toEqual(['ONE', 'two']);
  });

  it('field report A-7: is taken by a server that has forgotten deletes since, as old as that can be', async () => {
    const storage = memoryStorage();
    await local(storage, [
      [0, create('a')],
      [1, create('deleted')],
      [2, create('old', { steps: ['one', 'two'] })],
    ]);
    const disk = memoryStorage();
    const server = open.server({
      storage: disk,
      clock: createFastClock(),
      limits: { compactionMs: 5, snapshotLeaseMs: 1, projectionLagBytesMax: 1_024 },
    });
    const other = await synced(memoryStorage(), server);
    now += day;
    await create('deleted')(other.realm);
    await other.realm.write((tx) => tx.delete('Note', 'deleted'));
    await other.settle();
    const entries$ = defer(() => disk.range({ from: 'realm/', to: 'realm/~', limit: Infinity, bytesMax: Infinity }));
    /** Waits until the server has the tombstone, or has removed it. */
    const waitForTombstone = (isKnown: boolean) =>
      waitUntil(
        entries$.pipe(repeat({ delay: nextTurn })),
        (entries) => entries.some(([key]) => key.includes('dead/')) === isKnown,
      );
    await waitForTombstone(true);
    now += 60 * day; // Twice the retention period.
    await create('a', { title: 'theirs' })(other.realm);
    await other.settle();
    now += day;
    const codes: string[] = [];
    const wire: typeof server.wire = (sent) =>
      server.wire(sent).pipe(
        tap((message) => {
          if (message.type === 'error') codes.push(message.code);
        }),
      );
    await waitForTombstone(false);
    const device = await synced(storage, { ...server, wire });
    const all = await agreed(device, other);
    expect(codes).toEqual(['history-changed']);
    expect(all.map(({ id, title, steps }) => [id, title, steps])).toEqual([
      ['a', 'theirs', []],
      ['deleted', 'deleted', []],
      ['old', 'old', ['one', 'two']],
    ]);
  });

  it('arrives whole: no object is shown without its required properties', async () => {
    const server = serverNow();
    const storage = memoryStorage();
    await local(storage, [
      [0, create('a')],
      [day, update('a', { title: 'later' })],
      [2 * day, create('b')],
    ]);
    now += 3 * day;
    const other = await synced(memoryStorage(), server);
    const titles: unknown[] = [];
    const watching = other.realm.objects$('Note').subscribe((all) => all.forEach(({ title }) => titles.push(title)));
    await agreed(await synced(storage, server), other);
    watching.unsubscribe();
    expect(titles).not.toContain(null);
  });
});
