import { firstValueFrom, of } from 'rxjs';
import {
  createSyncClient,
  isSome,
  memoryStorage,
  openRealm,
  type AnySyncError,
  type Realm,
  type Schema,
  type SetAsideObject,
  type Storage,
  type SyncSession,
} from '../../lib/index.js';
import { allowAnyone, createSyncServer, type ServerEvent, type ServerOptions } from '../../lib/server/index.js';
import { waitForValue } from '../wait-for.js';

/* One realm, and apps whose schemas differ. */

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** Properties of the only type, `Task`, besides its `id`. */
export type Properties = Schema[string]['properties'];

export const schemaOf = (properties: Properties, id = 'string'): Schema => ({
  Task: { primaryKey: 'id', properties: { id, ...properties } },
});

/** A realm with a schema that is known only at run time. */
export type AnyRealm = Realm<Schema>;

export const open = async (options: object): Promise<AnyRealm> => {
  const realm: AnyRealm = await openRealm(options as never);
  opened.push(realm.close);
  return realm;
};

export const createKeptStorage = (): Storage => ({ ...memoryStorage(), close: () => of() });

export interface App {
  readonly realm: AnyRealm;
  readonly session: SyncSession;
  readonly errors: AnySyncError[];
}

/** Creates a server, and apps that open its realm, each with a schema of its own. */
export const createTeam = (options: Partial<ServerOptions> = {}) => {
  const events: ServerEvent[] = [];
  const server = createSyncServer({
    ...{ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' as const },
    log: (event) => events.push(event),
    ...options,
  });
  opened.push(server.close);
  const app = async (schema: Schema, storage: Storage = memoryStorage(), name = 'tasks'): Promise<App> => {
    const client = createSyncClient({ dial: of(server.wire) });
    opened.push(client.close);
    const errors: AnySyncError[] = [];
    client.errors$.subscribe((error) => errors.push(error));
    const realm = await open({ schema, storage, sync: { client, realm: name } });
    if (!isSome(realm.syncSession)) throw new Error('a realm that syncs has a session');
    return { realm, session: realm.syncSession.value, errors };
  };
  return { server, events, app };
};

/** Waits until the server has the writes of all apps, and all apps have them. */
export const waitUntilInStep = async (...apps: readonly App[]): Promise<void> => {
  for (const { session } of apps) await waitForValue(session.uploadComplete$, 'uploadComplete$');
  for (const { session } of apps) await waitForValue(session.downloadComplete$, 'downloadComplete$');
};

export const setAsideOf = ({ realm }: Pick<App, 'realm'>): Promise<readonly SetAsideObject[]> =>
  firstValueFrom(realm.setAside$);

export const upsertTask = ({ realm }: Pick<App, 'realm'>, values: object) =>
  realm.write((tx) => tx.create('Task', values as never));

/**
 * Returns the value that readers see. It is `set aside` for an object that is set aside, and `undefined` for a missing
 * one.
 */
export const shownValueOf = async ({ realm }: Pick<App, 'realm'>, property: string, key: string | number = 'a') => {
  if ((await setAsideOf({ realm })).some((each) => each.key === key)) return 'set aside';
  const object = realm.get('Task', key);
  return object && (object as Record<string, unknown>)[property];
};
