import { BehaviorSubject, EMPTY, filter, firstValueFrom, map, of } from 'rxjs';
import {
  createSubscriptions,
  createSyncClient,
  memoryStorage,
  openRealm,
  type Realm,
  type Storage,
  type SyncClient,
  type SyncSession,
} from '../../../lib/index.js';
import { allowAnyone, createSyncServer, type ServerOptions, type SyncServer } from '../../../lib/server/index.js';

export const schema = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', list: 'string', n: 'int?', likes: 'counter', tags: 'string[]', parent: 'Task?' },
  },
  Note: { primaryKey: 'id', properties: { id: 'int', text: 'string' } },
} as const;
export type Tasks = Realm<typeof schema, SyncSession>;

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

export const openServer = (options: Partial<ServerOptions> = {}): SyncServer => {
  const server = createSyncServer({
    ...{ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write', log: () => undefined },
    ...options,
  });
  opened.push(server.close);
  return server;
};

/** Creates a storage that can be opened again after it was closed, as a folder can. */
export const createDisk = (): Storage => ({ ...memoryStorage(), close: () => EMPTY });

/** A running device. */
export interface Device {
  readonly realm: Tasks;
  readonly client: SyncClient;
  readonly setOnline: (isOnline: boolean) => void;
  readonly stop: () => Promise<void>;
}

export interface DeviceOptions {
  readonly storage?: Storage;
  /** Whether it subscribes. Otherwise it has the whole realm. */
  readonly isPartial?: boolean;
  readonly isOnline?: boolean;
  /** The name of the user, which is the token. */
  readonly user?: string;
}

/** Starts a device. */
export const startDevice = async (
  server: SyncServer,
  { storage = createDisk(), isPartial = true, isOnline = true, user }: DeviceOptions = {},
): Promise<Device> => {
  const online = new BehaviorSubject(isOnline);
  const dial = online.pipe(
    filter((is) => is),
    map(() => server.wire),
  );
  const client = createSyncClient(user === undefined ? { dial } : { dial, accessToken: () => of(user) });
  const sync = { client, realm: 'tasks', stopPolicy: 'immediately' } as const;
  const realm: Tasks = isPartial
    ? await openRealm({ schema, storage, sync, subscriptions: createSubscriptions() })
    : await openRealm({ schema, storage, sync });
  const stop = async (): Promise<void> => {
    await realm.close();
    await client.close();
  };
  opened.push(stop);
  return {
    ...{ realm, client, stop },
    setOnline: (is) => {
      online.next(is);
      if (is) realm.session.resume();
      else realm.session.pause();
    },
  };
};

/** Waits until everything of a device is on the server. */
export const waitForUpload = ({ realm }: Device): Promise<unknown> => firstValueFrom(realm.session.uploadComplete$);

/** Waits until a device has everything that the server has for it now. */
export const waitForDownload = ({ realm }: Device): Promise<unknown> => firstValueFrom(realm.session.downloadComplete$);

/** Returns the objects of a device, in the order of their keys. */
export const contentOf = ({ realm }: Device) => ({
  tasks: realm.objects('Task').map((task) => ({ ...task })),
  notes: realm.objects('Note').map((note) => ({ ...note })),
});

export const addTask = ({ realm }: Device, id: string, list: string, more: object = {}) =>
  realm.write((tx) => tx.create('Task', { id, list, ...more }));

export const idsOf = ({ realm }: Pick<Device, 'realm'>): readonly string[] => realm.objects('Task').map(({ id }) => id);
