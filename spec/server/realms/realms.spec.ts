import { defer, lastValueFrom, of, throwError } from 'rxjs';
import { StorageError } from '../../../lib/model/errors.js';
import { createSyncServer, type ServerEvent } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createBind, connect, createFaultyStorage, summariesOf, createUpload } from '../test-kit.js';

describe('the realms of a server', () => {
  it('are open while a session is bound, and at most a limited number', () => {
    const client = connect(createSyncServer({ storage: memoryStorage(), limits: { realmsOpenMax: 1 } }).wire);
    client.send(createBind(), createBind({ session: 2, realm: 'other' }), createBind({ session: 3, replica: 'b' }));
    client.send(
      { type: 'unbind', session: 1 },
      { type: 'unbind', session: 3 },
      createBind({ session: 2, realm: 'other' }),
    );
    expect(summariesOf(client)).toEqual([
      'bound head 0 accepted 0',
      '#2 error too-many-sessions, later',
      '#3 bound head 0 accepted 0',
      'unbound',
      '#3 unbound',
      '#2 bound head 0 accepted 0',
    ]);
  });

  it('stay open until what was uploaded is in them', () => {
    const storage = createFaultyStorage();
    const client = connect(createSyncServer({ storage, limits: { realmsOpenMax: 1 } }).wire);
    client.send(createBind());
    storage.hold();
    client.send(createUpload(1), { type: 'unbind', session: 1 }, createBind({ realm: 'other' }));
    storage.release();
    client.send(createBind({ realm: 'other' }));
    expect(summariesOf(client)).toEqual([
      'bound head 0 accepted 0',
      'unbound',
      'error too-many-sessions, later',
      'bound head 0 accepted 0',
    ]);
  });

  it('wait for a storage that does not open yet', () => {
    const events: ServerEvent[] = [];
    let isThere = false;
    const storage = memoryStorage();
    const opening = defer(() => (isThere ? of(storage) : throwError(() => new StorageError('in use elsewhere'))));
    const client = connect(createSyncServer({ storage: opening, log: (event) => events.push(event) }).wire);
    client.send(createBind());
    isThere = true;
    client.send(createBind());
    expect(summariesOf(client)).toEqual(['error internal, later', 'bound head 0 accepted 0']);
    expect(events).toMatchObject([{ event: 'failed', realm: 'team', error: { code: 'storage' } }]);
  });

  it.each([
    ['realm/team/id', ['error internal, later']],
    ['realm/team/replica/a', ['error internal, later']],
    ['realm/other/id', ['bound head 1 accepted 1', 'download nothing up to 1, 0 left']],
  ])('are not served from what cannot be read, and harm no other: %s', async (key, message) => {
    const storage = memoryStorage();
    const writer = connect(createSyncServer({ storage }).wire);
    writer.send(createBind(), createUpload(1), { type: 'unbind', session: 1 });
    await lastValueFrom(storage.batch([{ type: 'put', key, value: Uint8Array.of(0xc1) }], { durable: true }), {
      defaultValue: undefined,
    });
    const client = connect(createSyncServer({ storage, log: () => undefined }).wire); // The new server has no memory of it.
    client.send(createBind());
    expect(summariesOf(client)).toEqual(message);
    expect(client.end()).toBe('open');
  });

  it('end a session whose history has lost an entry, instead of passing it over', async () => {
    const storage = memoryStorage();
    const server = createSyncServer({ storage, log: () => undefined });
    const writer = connect(server.wire);
    writer.send(createBind({ replica: 'x' }), createUpload(1), createUpload(2), createUpload(3));
    writer.send({ type: 'unbind', session: 1 });
    const [key] = (
      await lastValueFrom(
        storage.range({ from: 'realm/team/log/', to: 'realm/team/log0', limit: 2, bytesMax: Infinity }),
      )
    )[1]!;
    await lastValueFrom(storage.batch([{ type: 'del', key }], { durable: true }), { defaultValue: undefined });
    const client = connect(server.wire);
    client.send(createBind());
    expect(summariesOf(client)).toEqual(['bound head 3 accepted 0', 'error internal, later']);
  });
});
