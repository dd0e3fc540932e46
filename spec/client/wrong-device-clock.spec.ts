import { firstValueFrom, NEVER, of } from 'rxjs';
import { memoryStorage, openRealm, type Storage, type SyncClient, systemClock } from '../../lib/index.js';
import type { SyncServer } from '../../lib/server/index.js';
import { addTask, open, schema, sessionOf, type Tasks, waitUntil } from './test-kit.js';

const hour = 3_600_000;
const day = 24 * hour;

/** Creates the time of day, which a spec moves, and clocks that differ from it. */
const worldAt = (start: string) => {
  let now = Date.parse(start);
  const clockOff = (error: { by: number }) => ({ ...systemClock, now: () => now + error.by });
  return {
    pass: (ms: number) => void (now += ms),
    server: () => open.server({ clock: clockOff({ by: 0 }) }),
    clockOff,
  };
};
type World = ReturnType<typeof worldAt>;

interface Device {
  readonly realm: Tasks;
  readonly error: { by: number };
  readonly client: SyncClient;
}

/** Copies the storage of a device that is switched off. */
const switchedOff = async (storage: Storage): Promise<Storage> => {
  const all = await firstValueFrom(storage.range({ from: ' ', to: '~', limit: Infinity, bytesMax: Infinity }));
  const copy = memoryStorage();
  copy
    .batch(
      all.map(([key, value]) => ({ type: 'put', key, value }) as const),
      { durable: true },
    )
    .subscribe();
  return copy;
};

/** Without a server the device is offline. */
const deviceOf = async (
  world: World,
  server: SyncServer | null,
  by: number,
  storage: Storage = memoryStorage(),
): Promise<Device> => {
  const error = { by };
  const client = open.client({ dial: server ? of(server.wire) : NEVER, clock: world.clockOff(error) });
  const realm = await openRealm({ schema, storage, sync: { client, realm: 'tasks' } });
  return { realm, error, client };
};

const online = async (...devices: readonly Device[]) => {
  const sessions = devices.map(({ realm }) => sessionOf(realm));
  for (const session of sessions) session.resume();
  for (const { uploadComplete$ } of sessions) await firstValueFrom(uploadComplete$);
  for (const { downloadComplete$ } of sessions) await firstValueFrom(downloadComplete$);
};

const offline = (...devices: readonly Device[]) => {
  for (const { realm } of devices) sessionOf(realm).pause();
};

const titled = ({ realm }: Device, title: string) => realm.write((tx) => tx.update('Task', 'tea', { title }));
const titlesOf = (...devices: readonly Device[]) => devices.map(({ realm }) => realm.get('Task', 'tea')?.title);

const pair = async (world: World, server: SyncServer, by: number) => {
  const [a, b] = [await deviceOf(world, server, by), await deviceOf(world, server, 0)];
  await addTask(b.realm, 'tea');
  await online(b, a);
  return [a, b] as const;
};

describe('a device whose clock is wrong', () => {
  it.each([
    ['a day', day],
    ['two days, which the server would refuse,', 2 * day],
  ])(
    '%s ahead does not win over a device that writes an hour later, and wins when it writes after that',
    async (_, offsetMs) => {
      const world = worldAt('2024-05-01T08:00Z');
      const server = world.server();
      const [a, b] = await pair(world, server, 0);
      offline(a, b);
      world.pass(hour);
      a.error.by = offsetMs;
      await titled(a, 'by A, at nine');
      world.pass(hour);
      await titled(b, 'by B, at ten');
      world.pass(hour);
      const errors: unknown[] = [];
      sessionOf(a.realm).errors$.subscribe((error) => errors.push(error));
      await online(b, a, b);
      expect(titlesOf(a, b)).toEqual(['by B, at ten', 'by B, at ten']);
      expect(errors).toEqual([]);
      await titled(a, 'by A, at eleven');
      await online(a, b);
      expect(titlesOf(a, b)).toEqual(['by A, at eleven', 'by A, at eleven']);
      world.pass(1_000);
      await titled(b, 'by B, a second later');
      await online(b, a);
      expect(titlesOf(a, b)).toEqual(['by B, a second later', 'by B, a second later']);
    },
  );

  it('from its first start on does not win either, with what it wrote before it ever met the server', async () => {
    const world = worldAt('2024-05-01T08:00Z');
    const server = world.server();
    const storage = memoryStorage();
    const first = await deviceOf(world, null, day, storage);
    await addTask(first.realm, 'tea', 'by A, at eight');
    world.pass(hour);
    const b = await deviceOf(world, server, 0);
    await addTask(b.realm, 'tea', 'by B, at nine');
    await online(b);
    world.pass(2 * day); // By now the stamp is in the past of every clock.
    const a = await deviceOf(world, server, day, await switchedOff(storage));
    await online(a, b);
    expect(titlesOf(a, b)).toEqual(['by B, at nine', 'by B, at nine']);
  });

  it('knows how wrong it is when it is offline, also after a restart', async () => {
    const world = worldAt('2024-05-01T08:00Z');
    const server = world.server();
    const storage = memoryStorage();
    const b = await deviceOf(world, server, 0);
    await addTask(b.realm, 'tea');
    const first = await deviceOf(world, server, day, storage);
    await online(b, first);
    const off = await switchedOff(storage);
    const offlineDevice = await deviceOf(world, null, day, off);
    await titled(offlineDevice, 'by A, at eight');
    world.pass(hour);
    await titled(b, 'by B, at nine');
    const a = await deviceOf(world, server, day, await switchedOff(off));
    await online(b, a, b);
    expect(titlesOf(a, b)).toEqual(['by B, at nine', 'by B, at nine']);
  });

  it('that jumps back does not stamp later writes earlier than seen stamps', async () => {
    const world = worldAt('2024-05-01T08:00Z');
    const server = world.server();
    const [a, b] = await pair(world, server, 0);
    world.pass(hour);
    await titled(b, 'by B, at nine');
    await online(b, a);
    offline(a);
    a.error.by = -day;
    await titled(a, 'by A, after it');
    await titled(a, 'and again');
    await online(a, b);
    expect(titlesOf(a, b)).toEqual(['and again', 'and again']);
    world.pass(hour);
    await titled(b, 'by B, at ten');
    await online(b, a);
    expect(titlesOf(a, b)).toEqual(['by B, at ten', 'by B, at ten']);
    world.pass(hour);
    await titled(a, 'by A, at eleven, by the corrected clock');
    await online(a, b);
    await waitUntil(b.realm.object$('Task', 'tea'), (task) => task?.title.startsWith('by A, at eleven') === true);
  });
});
