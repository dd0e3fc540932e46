import { EMPTY, filter, finalize, firstValueFrom, of, Subject, type Observable } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type Realm } from '../../lib/index.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { createSyncServer, allowAnyone, type SyncServer } from '../../lib/server/index.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import type { Storage } from '../../lib/storage/storage.js';
import { waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const schema = {
  Tally: { primaryKey: 'id', properties: { id: 'string', count: 'counter', notes: 'string[]' } },
} as const;
type Tallies = Realm<typeof schema>;

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const serverOn = (storage: Storage): SyncServer => {
  const server = createSyncServer({ storage, authenticate: allowAnyone, authorize: () => 'write' });
  opened.push(server.close);
  return server;
};

/** Copies a server's storage as a restored backup: under another history id. */
const backupOf = async (storage: Storage): Promise<Storage> => {
  const entries = await firstValueFrom(storage.range({ from: ' ', to: '~', limit: Infinity, bytesMax: Infinity }));
  const copy = memoryStorage();
  const changes = entries.map(([key, value]) => {
    const isId = /^realm\/[^/]+\/id$/.test(key);
    return { type: 'put', key, value: isId ? encodeValue('another-history-0001') : value } as const;
  });
  copy.batch(changes, { durable: true }).subscribe();
  return copy;
};

const unclosed = (storage: Storage): Storage => ({ ...storage, close: () => EMPTY });

/** Creates a device that can move between servers, and can stop receiving acknowledgements or answers to its bind. */
const deviceOn = async (first: SyncServer, disk: Storage = memoryStorage()) => {
  const at: { server: SyncServer; deafFor: ServerMessage['type'] | null } = { server: first, deafFor: null };
  const isReceived = (message: ServerMessage): boolean => message.type !== at.deafFor;
  const storage = unclosed(disk);
  const disconnected = new Subject<void>();
  const serverWire = (sent: Observable<never>) =>
    at.server.wire(sent).pipe(
      filter(isReceived),
      finalize(() => disconnected.next()),
    );
  const client = createSyncClient({ dial: of(serverWire as SyncServer['wire']), timeouts: { linger: 0 } });
  opened.push(client.close);
  const realm: Tallies = await openRealm({ schema, storage, sync: { client, realm: 'tallies' } });
  opened.push(realm.close);
  if (realm.syncSession._tag === 'None') throw new Error('no session');
  const session = realm.syncSession.value;
  /** Pauses the session and waits until the server receives no more messages. */
  const paused = async (): Promise<void> => {
    const isGone = firstValueFrom(disconnected);
    session.pause();
    await isGone;
  };
  return { at, realm, session, paused, disk };
};

const increment = (realm: Tallies, note: string) =>
  realm.write((tx) => {
    tx.increment('Tally', 'all', 'count');
    tx.list('Tally', 'all', 'notes').insert(0, note);
  });

const isSynced = ({ pending }: { readonly pending: { readonly changesets: number } }): boolean =>
  pending.changesets === 0;

/** Creates a device and its server, which both have a tally that counts 1. */
const counting = async () => {
  const storage = memoryStorage();
  const device = await deviceOn(serverOn(storage));
  await device.realm.write((tx) => tx.create('Tally', { id: 'all', count: 0, notes: [] }));
  await increment(device.realm, 'one');
  await waitUntil(device.session.status$, isSynced);
  return { storage, ...device };
};

const readTotal = async (server: SyncServer) => {
  const { realm, session } = await deviceOn(server);
  await waitForValue(session.downloadComplete$, 'downloadComplete$');
  return realm.get('Tally', 'all');
};

describe('a server that was restored from a backup', () => {
  it('E12 does not count twice what it had, and the device did not know', async () => {
    const { storage, at, realm, session, paused } = await counting();
    at.deafFor = 'accepted';
    const { version } = await increment(realm, 'two');
    await waitUntil(session.written$(version), ({ state }) => state === 'sent');
    await increment(realm, 'three');
    const { at: other } = await deviceOn(at.server);
    await readTotal(other.server); // By then both writes are durable on the server, and their acknowledgements are lost.
    await paused();
    const restored = serverOn(await backupOf(storage));
    await increment(realm, 'four');
    Object.assign(at, { server: restored, deafFor: null });
    session.resume();
    await waitUntil(session.status$, isSynced);
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    const expected = { id: 'all', count: 4, notes: ['four', 'three', 'two', 'one'] };
    expect(realm.get('Tally', 'all')).toEqual(expected);
    expect(await readTotal(restored)).toEqual(expected);
    expect(session.status.sync).toBe('active');
  });

  it('E12 gets what was not acknowledged from a device that had more acknowledged than it has', async () => {
    const { storage, at, realm, session, paused } = await counting();
    const backup = await backupOf(storage);
    await increment(realm, 'lost'); // The server that acknowledged the write.
    await waitUntil(session.status$, isSynced);
    await paused();
    await increment(realm, 'kept');
    at.server = serverOn(backup);
    session.resume();
    await waitUntil(session.status$, isSynced);
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    const expected = { id: 'all', count: 2, notes: ['kept', 'one'] };
    expect(realm.get('Tally', 'all')).toEqual(expected);
    expect(await readTotal(at.server)).toEqual(expected);
  });

  describe('loses nothing unsent of a device that ended between two binds', () => {
    /**
     * Creates a replica without a history: after a client reset it was never bound, and it wrote before and after that.
     */
    const between = async () => {
      const { storage, at, realm, session, paused, disk } = await counting();
      await paused();
      await increment(realm, 'two');
      Object.assign(at, { server: serverOn(await backupOf(storage)), deafFor: 'bound' });
      const startedOver = firstValueFrom(realm.objects$('Tally').pipe(filter((tallies) => tallies.length === 0)));
      session.resume();
      await startedOver;
      await realm.close();
      return { disk, server: at.server };
    };

    it('and is opened again', async () => {
      const { disk, server } = await between();
      const { realm, session } = await deviceOn(server, disk);
      await waitUntil(session.status$, isSynced);
      await waitForValue(session.downloadComplete$, 'downloadComplete$');
      const expected = { id: 'all', count: 2, notes: ['two', 'one'] };
      expect(realm.get('Tally', 'all')).toEqual(expected);
      expect(await readTotal(server)).toEqual(expected);
    });

    it('and is opened without a server first, as before', async () => {
      const { disk, server } = await between();
      const local: Tallies = await openRealm({ schema, storage: unclosed(disk) });
      expect(local.stats().outbox.changesets).toBe(1);
      await local.write((tx) => tx.create('Tally', { id: 'other', count: 5, notes: [] }));
      await local.close();
      const { session } = await deviceOn(server, disk);
      await waitUntil(session.status$, isSynced);
      expect(await readTotal(server)).toEqual({ id: 'all', count: 2, notes: ['two', 'one'] });
    });
  });
});
