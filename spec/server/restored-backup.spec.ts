import { join } from 'node:path';
import { BehaviorSubject, filter, firstValueFrom, map, switchMap, take, tap, type Observable } from 'rxjs';
import { writeBackup, restore } from '../../lib/backup/backup.js';
import { systemClock } from '../../lib/clock.js';
import type { ClientReset } from '../../lib/index.js';
import { createSubscriptions, memoryStorage, openRealm } from '../../lib/index.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import type { SyncServer } from '../../lib/server/index.js';
import { levelStorage } from '../../lib/storage/level.js';
import type { Wire } from '../../lib/transport/wire.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import { addTask, createFolder, open, schema, sessionOf, readTitles, waitUntil } from '../client/test-kit.js';
import { waitForValue } from '../wait-for.js';

type MessageWire = Wire<ClientMessage, ServerMessage>;

/** Creates a server that can be offline, and can return with another storage. */
const serverAt = (storagePath: string) => {
  const up$ = new BehaviorSubject<SyncServer | null>(null);
  let binds = 0;
  const counted =
    (wire: MessageWire): MessageWire =>
    (sent) =>
      wire(sent.pipe(tap(({ type }) => void (binds += type === 'bind' ? 1 : 0))));
  const dial: Observable<MessageWire> = up$.pipe(
    filter((server) => server !== null),
    take(1),
    map(({ wire }) => counted(wire)),
  );
  const start = async (from: string) => {
    const storage = await firstValueFrom(levelStorage(from));
    const server = open.server({ storage });
    up$.next(server);
    return {
      storage,
      stop: async () => {
        up$.next(null);
        await server.close();
        await firstValueFrom(storage.close(), { defaultValue: undefined });
      },
    };
  };
  return { dial, start: (from = storagePath) => start(from), binds: () => binds };
};

const deviceAt = async (dial: Observable<MessageWire>, clientReset: ClientReset = 'recoverOrDiscard') => {
  const client = open.client({ dial, timeouts: { linger: 0 } });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'tasks', clientReset } });
  const session = sessionOf(realm);
  const synced = async () => {
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
  };
  return { client, realm, session, synced };
};

const titlesOf = (realm: { objects: (type: 'Task') => readonly { readonly title: string }[] }): readonly string[] =>
  realm
    .objects('Task')
    .map(({ title }) => title)
    .sort();

/** Plays a day of a server: a backup in the morning, writes during the day, and the restore in the evening. */
const day = async () => {
  const storagePath = createFolder();
  const [data, file, restored] = [
    join(storagePath, 'data'),
    join(storagePath, 'backup'),
    join(storagePath, 'restored'),
  ];
  const at = serverAt(data);
  const morning = await at.start();
  const writer = await deviceAt(at.dial);
  const reader = await deviceAt(at.dial);
  const asleep = await deviceAt(at.dial);
  const listener = await deviceAt(at.dial); // This device writes nothing: only its downloaded version can show the restore.
  const devices = [writer, reader, asleep, listener];
  await addTask(writer.realm, 'a1');
  await addTask(reader.realm, 'a2');
  for (const { synced } of [...devices, ...devices]) await synced();
  asleep.session.pause();
  await addTask(asleep.realm, 'unsent while asleep');
  await writeBackup(morning.storage, file);
  await addTask(writer.realm, 'b1');
  await addTask(reader.realm, 'b2');
  for (const { synced } of [writer, reader, writer, listener]) await synced();
  expect(await readTitles(listener.realm)).toEqual(['a1', 'a2', 'b1', 'b2']);
  await morning.stop();
  for (const { session } of [writer, reader, listener])
    await waitUntil(session.connectionState$, (state) => state !== 'connected');
  await addTask(writer.realm, 'unsent while away');
  await restore(file, restored, systemClock);
  return { at, restored, writer, reader, asleep, devices };
};

describe('a server that was restored from a backup', () => {
  it('E12 is noticed by every client, which resets with its unsent changesets, and no client resets repeatedly', async () => {
    const { at, restored, asleep, devices } = await day();
    const before = at.binds();
    const evening = await at.start(restored);
    asleep.session.resume();
    for (const { session } of devices) session.reconnect();
    for (const { synced } of [...devices, ...devices]) await synced();
    for (const { realm } of devices) {
      expect(await readTitles(realm)).toEqual(['a1', 'a2', 'unsent while asleep', 'unsent while away']);
    }
    // Each device was notified and was reset. Two of them, of which the backup has less than was acknowledged, then
    // reset once more under a new id.
    expect(at.binds() - before).toBe(2 * devices.length + 2);
    for (const { session } of devices) expect(session.syncState).toBe('active');
    await evening.stop();
  });

  it('E12 is noticed also when later writes have made its history as long as it was', async () => {
    const { at, restored, asleep, devices } = await day();
    const evening = await at.start(restored);
    const early = await deviceAt(at.dial);
    for (let n = 1; n <= 9; n += 1) await addTask(early.realm, `n${n}`);
    await early.synced();
    asleep.session.resume();
    for (const { session } of devices) session.reconnect();
    const all = [...devices, early];
    for (const { synced } of [...all, ...all]) await synced();
    const expected = ['a1', 'a2', ...Array.from({ length: 9 }, (_, n) => `n${n + 1}`)];
    for (const { realm } of all) {
      expect(await readTitles(realm)).toEqual([...expected, 'unsent while asleep', 'unsent while away']);
    }
    await evening.stop();
  });

  it('edge case 39: is noticed by a device whose view is later than the backup, and its subscriptions survive', async () => {
    const storagePath = createFolder();
    const at = serverAt(join(storagePath, 'data'));
    const morning = await at.start();
    const writer = await deviceAt(at.dial);
    await addTask(writer.realm, 'a1');
    await addTask(writer.realm, 'b1');
    await writer.synced();
    // The backup is of a time at which no filter was known to the server.
    await writeBackup(morning.storage, join(storagePath, 'backup'));
    const client = open.client({ dial: at.dial, timeouts: { linger: 0 } });
    const sync = { client, realm: 'tasks', clientReset: 'recoverOrDiscard' } as const;
    const phone = await openRealm({ schema, storage: memoryStorage(), sync, subscriptions: createSubscriptions() });
    const inA = phone.subscribe('Task', { where: { title: { $in: ['a1', 'a2', 'a3'] } } }, { name: 'a' });
    await waitForValue(inA.sync$, 'sync$');
    await addTask(writer.realm, 'a2');
    await writer.synced();
    await waitForValue(phone.session.downloadComplete$, 'downloadComplete$');
    expect(titlesOf(phone)).toEqual(['a1', 'a2']);
    const placed = phone.subscriptions.version;
    await morning.stop();
    await waitUntil(phone.session.connectionState$, (state) => state !== 'connected');
    await phone.write((tx) => tx.create('Task', { id: 'unsent', title: 'a3', done: false }));
    await restore(join(storagePath, 'backup'), join(storagePath, 'restored'), systemClock);

    const states: string[] = [];
    inA.state$.subscribe((state) => states.push(state));
    const evening = await at.start(join(storagePath, 'restored'));
    for (const session of [writer.session, phone.session]) session.reconnect();
    await writer.synced();
    await waitForValue(phone.session.uploadComplete$, 'uploadComplete$');
    await waitForValue(phone.session.downloadComplete$, 'downloadComplete$');
    expect(titlesOf(phone)).toEqual(['a1', 'a3']);
    expect(phone.subscriptions.version).toBe(placed);
    expect([states[0], states.includes('pending'), states.at(-1)]).toEqual(['complete', true, 'complete']);
    await writer.synced();
    expect(await readTitles(writer.realm)).toEqual(['a1', 'b1', 'a3']);
    await phone.close();
    await evening.stop();
  });

  it('E12 is shown to an app that wants to decide itself', async () => {
    const storagePath = createFolder();
    const at = serverAt(join(storagePath, 'data'));
    const morning = await at.start();
    const { realm, session, synced } = await deviceAt(at.dial, 'manual');
    await addTask(realm, 'a');
    await synced();
    await writeBackup(morning.storage, join(storagePath, 'backup'));
    await morning.stop();
    await restore(join(storagePath, 'backup'), join(storagePath, 'restored'), systemClock);
    const error = firstValueFrom(session.errors$.pipe(switchMap((shown) => (shown.fatal ? [shown] : []))));
    const evening = await at.start(join(storagePath, 'restored'));
    session.reconnect();
    expect(await error).toMatchObject({ name: 'ClientResetError', code: 'history-changed' });
    expect(session.syncState).toBe('inactive');
    expect(await readTitles(realm)).toEqual(['a']);
    await evening.stop();
  });
});
