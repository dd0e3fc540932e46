import { BehaviorSubject, firstValueFrom, map, tap } from 'rxjs';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
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

const nothing: VisibleObjects = {};

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

  it('V17 edge case 18: loses what was hidden while it was away, and keeps its unsent changes until they are rejected', async () => {
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
    await addTask(phone, 'mine', 'work');
    await phone.realm.write((tx) => tx.update('Task', 'milk', { n: 2 }));
    await phone.stop();

    visible$.next({ ann: { Task: { list: 'work' } } });
    const again = await startUser(server, 'ann', { storage, isOnline: false });
    expect(idsOf(again)).toEqual(['milk', 'mine', 'tea']);
    again.setOnline(true);
    await waitForDownload(again);
    await waitForTasks(again, 'mine'); // The rejections may come after the download.
    expect(await reasonsOf(again)).toEqual(['The write is not permitted.', 'The write is not permitted.']);
    expect(admin.realm.get('Task', 'milk')?.n).toBeNull();

    visible$.next({ ann: { Task: { list: 'home' } } });
    await waitForTasks(again, 'milk,tea');
  });

  it('edge case 18: gets nothing of what is hidden while its objects are on the way', async () => {
    const { server, visible$ } = openScoped({ ann: { Task: { list: 'home' } } });
    const admin = await startAdmin(server);
    await admin.realm.write((tx) => {
      for (let key = 0; key < 3_000; key += 1)
        tx.create('Task', { id: `task-${key}`, list: key < 2_999 ? 'home' : 'work' });
    });
    await waitForUpload(admin);
    const received: ServerMessage[] = [];
    const wire: typeof server.wire = (sent$) =>
      server.wire(sent$).pipe(
        tap((message) => {
          received.push(message);
          if (message.type === 'members' && message.objects.length > 1) visible$.next({ ann: nothing });
        }),
      );
    const phone = await startUser({ ...server, wire }, 'ann');
    const shown: number[] = [];
    phone.realm.objects$('Task').subscribe((tasks) => shown.push(tasks.length));
    await waitForDownload(phone);
    const pages = received.flatMap((message) => (message.type === 'members' ? [message] : []));
    const full = pages.filter(({ objects }) => objects.length > 0);
    expect([full.length, full[0]?.upTo, pages.length > 1]).toEqual([1, null, true]); // It was not the last page.
    expect([idsOf(phone), Math.max(...shown)]).toEqual([[], 0]);

    visible$.next({ ann: { Task: { list: 'work' } } });
    await waitForTasks(phone, 'task-2999');
  });

  it('edge case 21: is bound to its user, whose subscriptions and objects it keeps when another one logs in', async () => {
    const { server } = openScoped({ ann: { Task: { list: 'home' } }, bob: { Task: { list: 'work' } } });
    const admin = await startAdmin(server);
    await addTask(admin, 'milk', 'home');
    await addTask(admin, 'plan', 'work');
    await waitForUpload(admin);
    const storage = createDisk();
    const ann = await startUser(server, 'ann', { storage });
    await waitForDownload(ann);
    ann.setOnline(false);
    await addTask(ann, 'tea', 'home');
    await ann.stop();

    const bob = await startDevice(server, { user: 'bob', storage, isOnline: false });
    const failed = firstValueFrom(bob.realm.session.errors$);
    bob.setOnline(true);
    expect((await failed).code).toBe('other-user');
    expect(idsOf(bob)).toEqual(['milk', 'tea']);
    await bob.stop();
    expect(admin.realm.get('Task', 'tea')).toBeUndefined();

    const again = await startDevice(server, { user: 'ann', storage, isOnline: false });
    const states: string[] = [];
    again.realm.subscriptions.state$.subscribe((state) => states.push(state));
    again.setOnline(true);
    await waitForUpload(again);
    await waitForDownload(again);
    expect([states, idsOf(again)]).toEqual([['complete'], ['milk', 'tea']]);
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

  it('edge cases 48 and 49: may write what it may not see: the object leaves when the server has it', async () => {
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
