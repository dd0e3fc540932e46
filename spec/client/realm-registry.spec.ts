import { mkdirSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { firstValueFrom, NEVER, of, Subject, switchMap, timeout } from 'rxjs';
import {
  InvalidArgumentError,
  memoryStorage,
  openRealm,
  openRealm$,
  type RealmOptions,
  StorageError,
  type SyncClient,
} from '../../lib/index.js';
import { createSyncServer } from '../../lib/server/index.js';
import { levelStorage } from '../../lib/storage/level.js';
import { addTask, createFolder, open, schema, sessionOf, type Tasks, readTitles } from './test-kit.js';

/** Returns several names of one folder. */
const spellings = (): readonly string[] => {
  const base = createFolder();
  const folder = join(base, 'data');
  mkdirSync(folder);
  symlinkSync(folder, join(base, 'link'));
  const relativePath = relative(process.cwd(), folder);
  return [
    folder,
    `${folder}/`,
    join(base, 'link'),
    relativePath,
    `./${relativePath}`,
    join(base, 'other', '..', 'data'),
    `${base}//data`,
  ];
};

const opened: Tasks[] = [];
afterEach(async () => {
  for (const realm of opened.splice(0)) await realm.close();
});
const local = async (storage: RealmOptions<typeof schema>['storage']): Promise<Tasks> => {
  const realm: Tasks = await openRealm({ schema, storage });
  opened.push(realm);
  return realm;
};

describe('one folder under several names', () => {
  it('field report A-3: is one realm for one client, and nothing that is acknowledged gets lost', async () => {
    const client = open.client({ dial: NEVER });
    const names = spellings();
    const realms: Tasks[] = [];
    for (const name of names) realms.push(await open.realm(client, name));
    await Promise.all(realms.map((realm, at) => addTask(realm, `task ${at}`)));
    await client.close();
    const again = await local(names[0] ?? '');
    expect(await readTitles(again)).toEqual(names.map((_, at) => `task ${at}`));
  });

  it('field report A-3: is one local realm', async () => {
    const names = spellings();
    for (const [at, name] of names.entries()) await addTask(await local(name), `task ${at}`);
    expect(await readTitles(await local(names.at(-1) ?? ''))).toHaveLength(names.length);
  });

  it('field report A-3: cannot be opened by another client, a local realm or a server', async () => {
    const [folder = '', ...others] = spellings();
    const realm = await open.realm(open.client({ dial: NEVER }), folder);
    const client = open.client({ dial: NEVER });
    for (const other of others) {
      await expect(open.realm(client, other)).rejects.toThrow(StorageError);
      await expect(openRealm({ schema, storage: other })).rejects.toThrow(StorageError);
      const server = createSyncServer({ storage: other });
      await expect(server.listen({ port: 0 })).rejects.toThrow(StorageError);
      await server.close().catch(() => undefined);
    }
    await addTask(realm, 'milk');
    expect(await readTitles(realm)).toEqual(['milk']);
  });

  it('field report A-3: is rejected for a second storage, and free again when the first is closed', async () => {
    for (const other of spellings()) {
      const [folder = ''] = spellings();
      const first = await firstValueFrom(levelStorage(other));
      await expect(firstValueFrom(levelStorage(other))).rejects.toThrow('in use');
      await new Promise<void>((complete) => void first.close().subscribe({ complete }));
      const second = await firstValueFrom(levelStorage(other));
      await new Promise<void>((complete) => void second.close().subscribe({ complete }));
      expect(folder).not.toBe('');
    }
  });
});

describe('a realm that is opened again', () => {
  it('field report C-7: gives another handle of a local one, and closes with the last', async () => {
    for (const storage of [join(createFolder(), 'a'), memoryStorage()]) {
      const [one, other] = [await local(storage), await local(storage)];
      await addTask(one, 'milk');
      await one.close();
      expect(other.get('Task', 'milk')?.title).toBe('milk');
      await other.close();
      await expect(addTask(other, 'bread')).rejects.toMatchObject({ code: 'realm-closed' });
    }
  });

  it('field report C-7: opens again after the last handle was closed, also while that is under way', async () => {
    const folder = join(createFolder(), 'a');
    const one = await local(folder);
    await addTask(one, 'milk');
    const closing = one.close();
    const other = await local(folder);
    await closing;
    expect(await readTitles(other)).toEqual(['milk']);
  });

  const wider = {
    Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool', due: 'date?' } },
  } as const;
  const retyped = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'int' } } } as const;
  const withDefault = {
    Task: { primaryKey: 'id', properties: { id: 'string', title: { type: 'string', default: 'x' }, done: 'bool' } },
  } as const;
  const synced = (client: SyncClient, storage: string, more: object): Promise<{ close: () => Promise<void> }> => {
    const { sync, ...rest } = more as { sync?: object };
    return openRealm({ schema, storage, sync: { client, realm: 'tasks', ...sync }, ...rest });
  };
  const differences = [
    ['a property more', { schema: wider }, 'schema.Task.due', 'absent'],
    ['another type of a property', { schema: retyped }, 'schema.Task.done', 'bool'],
    ['another default', { schema: withDefault }, 'schema.Task.title.default', ''],
    ['another type', { schema: { ...schema, Tag: schema.Task } }, 'schema.Tag', 'absent'],
    ['another stop policy', { sync: { stopPolicy: 'immediately' } }, 'sync.stopPolicy', 'afterChangesUploaded'],
    ['another client reset', { sync: { clientReset: 'manual' } }, 'sync.clientReset', 'recoverOrDiscard'],
  ] as const;

  it.each(differences)(
    'field report C-2: is rejected with %s while a handle is open, and the error names the difference',
    async (_, more, argument, expected) => {
      const client = open.client({ dial: NEVER });
      const folder = join(createFolder(), 'a');
      const realm = await open.realm(client, folder);
      const again = synced(client, folder, more);
      await expect(again).rejects.toThrow(InvalidArgumentError);
      await expect(again).rejects.toMatchObject({ argument, expected: expect.stringContaining(expected) as string });
      await addTask(realm, 'milk');
      await (await open.realm(client, folder)).close();
    },
  );

  it.each(differences)(
    'field report C-2: is opened with %s while it only uploads what is left, and loses nothing',
    async (what, more) => {
      const server = open.server();
      let dial = NEVER as typeof online;
      const online = of(server.wire);
      const client = open.client({ dial: new Subject<void>().pipe(switchMap(() => dial)) });
      dial = online;
      const folder = join(createFolder(), 'a');
      const realm = await open.realm(client, folder);
      await addTask(realm, 'milk');
      await realm.close();
      expect(sessionOf(realm).syncState).toBe('dying');
      const again = (await synced(client, folder, more)) as unknown as Tasks;
      opened.push(again);
      if (what !== 'another type of a property') expect(again.get('Task', 'milk')).toMatchObject({ title: 'milk' });
      expect(sessionOf(again).status.pending.changesets).toBe(1);
      expect(sessionOf(realm).syncState).toBe('inactive');
    },
  );

  it('field report C-2: is rejected with another schemaVersion or clock', async () => {
    const folder = join(createFolder(), 'a');
    await local(folder);
    await expect(openRealm({ schema, storage: folder, schemaVersion: 1 })).rejects.toMatchObject({
      argument: 'schemaVersion',
    });
    const clock = { scheduler: undefined, random: () => 0.5, now: () => 0 } as never;
    await expect(openRealm({ schema, storage: folder, clock })).rejects.toMatchObject({ argument: 'clock' });
  });

  it('field report C-2: takes the same schema in another order, and other functions', async () => {
    const folder = join(createFolder(), 'a');
    const withFunction = (order: boolean) => {
      const id = { id: 'string' };
      const made = { made: { type: 'date', default: () => new Date() } };
      return { Task: { primaryKey: 'id', properties: order ? { ...id, ...made } : { ...made, ...id } } } as never;
    };
    const one = await openRealm({ schema: withFunction(true), storage: folder });
    const other = await openRealm({ schema: withFunction(false), storage: folder });
    await Promise.all([one.close(), other.close()]);
  });
});

describe('openRealm$ that is unsubscribed while it opens', () => {
  const isFree = async (storage: string): Promise<void> => {
    const free = firstValueFrom(openRealm$({ schema, storage }).pipe(timeout({ first: 10_000 })));
    await expect(free).resolves.toBeDefined();
  };

  it('field report B-8: closes as soon as it has opened: lock and session are free', async () => {
    const client = open.client({ dial: NEVER });
    const folder = join(createFolder(), 'a');
    openRealm$({ schema, storage: folder, sync: { client, realm: 'tasks' } })
      .subscribe()
      .unsubscribe();
    await client.close(); // Resolves when everything is released.
    await isFree(folder);
    const second = join(createFolder(), 'b');
    openRealm$({ schema, storage: second }).subscribe().unsubscribe();
    await isFree(second);
    await expect(openRealm({ schema, storage: second }).then((realm) => realm.close())).resolves.toBeUndefined();
  });

  it('field report B-8: works when React mounts twice, and with switchMap', async () => {
    const client = open.client({ dial: NEVER });
    for (const sync of [undefined, { client, realm: 'tasks' }]) {
      const folder = join(createFolder(), 'a');
      const options = { schema, storage: folder, ...(sync && { sync }) };
      openRealm$(options).subscribe().unsubscribe();
      const mounted = await firstValueFrom(
        of(1, 2, 3).pipe(
          switchMap(() => openRealm$(options)),
          timeout({ first: 10_000 }),
          switchMap((realm) => addTask(realm, 'milk').then(() => readTitles(realm))),
        ),
      );
      expect(mounted).toEqual(['milk']);
    }
  });

  it('field report B-8: stays silent when what it opens fails', async () => {
    const folder = join(createFolder(), 'a');
    const other = await local(folder);
    const client = open.client({ dial: NEVER });
    openRealm$({ schema, storage: folder, sync: { client, realm: 'tasks' } })
      .subscribe()
      .unsubscribe();
    await addTask(other, 'milk');
    expect(await readTitles(other)).toEqual(['milk']);
  });
});
