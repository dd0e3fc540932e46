import { firstValueFrom } from 'rxjs';
import { join } from 'node:path';
import { addTask, openDevice, createFolder, open, sessionOf, readTitles, waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

describe('a write', () => {
  it('travels store → outbox → session → server → other store over `of(server.wire)`: no socket, no timer', async () => {
    const server = open.server();
    const [a, b] = [await openDevice(server), await openDevice(server)];
    await addTask(a.realm, 'milk', 'Buy milk');
    expect(b.realm.get('Task', 'milk')).toEqual({ id: 'milk', title: 'Buy milk', done: false }); // In the same turn.
    expect(await waitForValue(a.session.uploadComplete$, 'uploadComplete$')).toBe(1);
    expect(a.session.status.pending).toEqual({ changesets: 0, bytes: 0 });
    expect(b.session.status.downloaded).toEqual({ version: 1, behind: 0 });
  });

  it('travels through LevelDB and a real socket, there and back', async () => {
    const server = open.server({ storage: join(createFolder(), 'server') });
    const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
    const client = () => open.client({ url: `ws://127.0.0.1:${port}` });
    const a = await open.realm(client(), join(createFolder(), 'a'));
    const b = await open.realm(client(), join(createFolder(), 'b'));
    await addTask(a, 'milk', 'Buy milk');
    await waitForValue(sessionOf(a).uploadComplete$, 'uploadComplete$');
    await waitForValue(sessionOf(b).downloadComplete$, 'downloadComplete$');
    expect(b.get('Task', 'milk')?.title).toBe('Buy milk'); // W3
    await b.write((tx) => tx.update('Task', 'milk', { done: true }));
    await waitUntil(a.object$('Task', 'milk'), (task) => task?.done === true);
  });

  it('made offline is merged with the writes of others, and all devices agree', async () => {
    const server = open.server();
    const [a, b] = [await openDevice(server), await openDevice(server)];
    await addTask(a.realm, 'milk', 'milk');
    await addTask(a.realm, 'bread', 'bread');
    a.session.pause();
    b.session.pause();
    await a.realm.write((tx) => tx.update('Task', 'milk', { title: 'by a' }));
    await a.realm.write((tx) => tx.delete('Task', 'bread'));
    await b.realm.write((tx) => tx.update('Task', 'milk', { done: true }));
    await b.realm.write((tx) => tx.update('Task', 'bread', { title: 'too late' }));
    a.session.resume();
    b.session.resume();
    const agreed = [{ id: 'milk', title: 'by a', done: true }];
    for (const { realm } of [a, b]) expect(await firstValueFrom(realm.objects$('Task'))).toEqual(agreed);
  });

  it('is sent again after the client was closed in between', async () => {
    const server = open.server();
    const folder = join(createFolder(), 'a');
    const offline = open.client({ url: 'ws://127.0.0.1:9' });
    await addTask(await open.realm(offline, folder), 'milk');
    await offline.close();
    const { client, realm } = await openDevice(server);
    await open.realm(client, folder).then((again) => waitForValue(sessionOf(again).uploadComplete$, 'uploadComplete$'));
    expect(await readTitles(realm)).toEqual(['milk']);
  });
});
