import { BehaviorSubject, firstValueFrom, map } from 'rxjs';
import type { ServerOptions, VisibleObjects } from '../../../lib/server/index.js';
import { waitUntil } from '../test-kit.js';
import {
  addTask,
  createDisk,
  idsOf,
  openServer,
  startDevice,
  waitForDownload,
  waitForUpload,
  type Device,
  type DeviceOptions,
} from './partial-devices.js';

/** A server on which the token is the user's name, and a stream has what each user may see. */
const openScoped = (visible: Readonly<Record<string, VisibleObjects>>, options: Partial<ServerOptions> = {}) => {
  const visible$ = new BehaviorSubject(visible);
  const server = openServer({
    authenticate: (token) => ({ id: token }),
    scope: ({ id }) => visible$.pipe(map((all) => all[id] ?? true)),
    ...options,
  });
  return { server, visible$ };
};

const startUser = async (server: ReturnType<typeof openServer>, user: string, options: DeviceOptions = {}) => {
  const device = await startDevice(server, { user, ...options });
  if (options.isPartial !== false) device.realm.subscribe('Task', {}, { name: 'all' });
  return device;
};

const startAdmin = (server: ReturnType<typeof openServer>): Promise<Device> =>
  startUser(server, 'admin', { isPartial: false });

const waitForTasks = ({ realm }: Device, ids: string): Promise<unknown> =>
  waitUntil(realm.objects$('Task'), (tasks) => tasks.map(({ id }) => id).join() === ids);

const reasonsOf = async ({ realm }: Device): Promise<readonly string[]> =>
  (await firstValueFrom(realm.rejectedWrites$)).flatMap(({ objects }) => objects.map(({ reason }) => reason));

describe('a device of a user with a scope', () => {
  it('V16 holds the visible objects of its subscriptions, and follows changes of what is visible', async () => {
    const { server, visible$ } = openScoped({ ann: { Task: { list: { $in: ['home', 'work'] } } } });
    const admin = await startAdmin(server);
    await addTask(admin, 'milk', 'home');
    await addTask(admin, 'plan', 'secret');
    await waitForUpload(admin);
    const phone = await startUser(server, 'ann');
    await waitForDownload(phone);
    expect(idsOf(phone)).toEqual(['milk']);

    visible$.next({ ann: { Task: { list: { $in: ['work', 'secret'] } } } });
    await waitForTasks(phone, 'plan');
    const states: string[] = [];
    phone.realm.subscriptions.state$.subscribe((state) => states.push(state));
    visible$.next({ ann: {} });
    await waitForTasks(phone, '');
    visible$.next({ ann: true });
    await waitForTasks(phone, 'milk,plan');
    expect(states).toEqual(['complete']);
  });

  it('V17 loses what was hidden while it was away, and keeps its unsent changes until they are rejected', async () => {
    const { server, visible$ } = openScoped({ ann: { Task: { list: 'home' } } });
    const admin = await startAdmin(server);
    await addTask(admin, 'milk', 'home');
    await addTask(admin, 'tea', 'home');
    await waitForUpload(admin);
    const storage = createDisk();
    const phone = await startUser(server, 'ann', { storage });
    await waitForDownload(phone);
    phone.setOnline(false);
    await phone.realm.write((tx) => tx.update('Task', 'milk', { n: 1 }));
    await phone.stop();

    visible$.next({ ann: { Task: { list: 'work' } } });
    const again = await startUser(server, 'ann', { storage, isOnline: false });
    expect(idsOf(again)).toEqual(['milk', 'tea']);
    again.setOnline(true);
    await waitForDownload(again);
    await waitForTasks(again, ''); // The rejection may come after the download.
    expect(await reasonsOf(again)).toEqual(['The write is not permitted.']);
    expect(admin.realm.get('Task', 'milk')?.n).toBeNull();

    visible$.next({ ann: { Task: { list: 'home' } } });
    await waitForTasks(again, 'milk,tea');
  });

  it('edge case 11: learns nothing of a hidden object by creating it, but that it may not', async () => {
    const { server } = openScoped(
      { ann: { Task: { list: 'home' } } },
      { permit: ({ id }, _, { before }) => (id === 'ann' && before === null ? 'Only the shop makes tasks.' : true) },
    );
    const admin = await startAdmin(server);
    await addTask(admin, 'hidden', 'work');
    await waitForUpload(admin);
    const phone = await startUser(server, 'ann');
    await waitForDownload(phone);
    await addTask(phone, 'hidden', 'home');
    await addTask(phone, 'free', 'home');
    await waitForUpload(phone);
    expect(await reasonsOf(phone)).toEqual(['Only the shop makes tasks.', 'Only the shop makes tasks.']);
    expect(idsOf(phone)).toEqual([]);
  });

  it('edge case 48: may write what it may not see: the object leaves when the server has it', async () => {
    const { server } = openScoped({ ann: { Task: { list: 'home' } } });
    const admin = await startAdmin(server);
    const phone = await startUser(server, 'ann');
    await addTask(phone, 'complaint', 'box');
    await waitForUpload(phone);
    await waitForDownload(phone);
    await waitForDownload(admin);
    expect(idsOf(phone)).toEqual([]);
    expect(idsOf(admin)).toEqual(['complaint']);

    // Edge case 49: an edit after the move was uploaded is rejected, and shown as that.
    phone.setOnline(false);
    await addTask(phone, 'note', 'home');
    await phone.realm.write((tx) => tx.update('Task', 'note', { list: 'box' }));
    await phone.realm.write((tx) => tx.update('Task', 'note', { n: 7 }));
    phone.setOnline(true);
    await waitForUpload(phone);
    await waitForDownload(phone);
    await waitForDownload(admin);
    expect(await reasonsOf(phone)).toEqual(['The write is not permitted.']);
    expect(admin.realm.get('Task', 'note')).toMatchObject({ list: 'box' });
    expect(idsOf(phone)).toEqual([]);
  });

  it('edge case 19: has what is visible in the end when its rights change several times at once', async () => {
    const { server, visible$ } = openScoped({ ann: { Task: { list: 'a' } } });
    const admin = await startAdmin(server);
    for (const list of ['a', 'b', 'c']) await addTask(admin, `task-${list}`, list);
    await waitForUpload(admin);
    const phone = await startUser(server, 'ann');
    await waitForDownload(phone);
    for (const list of ['b', 'a', 'c', 'a', 'b', 'c', 'b']) visible$.next({ ann: { Task: { list } } });
    await waitForTasks(phone, 'task-b');
    await waitForDownload(phone);
    expect(idsOf(phone)).toEqual(['task-b']);
  });

  it('V18 is needed with subscriptions: a whole realm ends with an error that keeps unsent changes', async () => {
    const { server, visible$ } = openScoped({});
    const phone = await startUser(server, 'ann', { isPartial: false });
    await waitForDownload(phone);
    const failed = firstValueFrom(phone.realm.session.errors$);
    visible$.next({ ann: { Task: true } });
    expect((await failed).code).toBe('needs-subscriptions');
    await addTask(phone, 'kept', 'home');
    expect(idsOf(phone)).toEqual(['kept']);
  });
});
