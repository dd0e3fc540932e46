import {
  type Observable,
  EMPTY,
  defer,
  filter,
  firstValueFrom,
  of,
  Subject,
  switchMap,
  takeUntil,
  throwError,
  VirtualTimeScheduler,
} from 'rxjs';
import {
  ConnectionError,
  createCloseError,
  createSyncClient,
  memoryStorage,
  openRealm,
  type ClientMessage,
  type Clock,
  type Dial,
  type ServerMessage,
  type SyncSession,
} from '../lib/index.js';
import { allowAnyone, createSyncServer, type SyncServer } from '../lib/server/index.js';

/** A network between the examples and their server. */
export interface ExampleNetwork {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  /** Breaks all connections. New attempts fail until `comeBack` is called. */
  readonly goDown: () => void;
  readonly comeBack: () => void;
  /** From now on acknowledgements are lost, on the present and on new connections. */
  readonly loseAcknowledgements: () => void;
  readonly countAttempts: () => number;
}

const createNetwork = (server: SyncServer): ExampleNetwork => {
  let isUp = true;
  let isLossy = false;
  let attempts = 0;
  const cut$ = new Subject<void>();
  const broken$ = cut$.pipe(switchMap(() => throwError(() => createCloseError(1006, ''))));
  const wire = (sent$: Observable<ClientMessage>): Observable<ServerMessage> =>
    server.wire(sent$).pipe(
      filter(({ type }) => !isLossy || type !== 'accepted'),
      takeUntil(broken$),
    );
  return {
    dial: defer(() => {
      attempts += 1;
      return isUp ? of(wire) : throwError(() => new ConnectionError({ kind: 'unreachable', detail: 'no network' }));
    }),
    goDown: () => {
      isUp = false;
      cut$.next();
    },
    comeBack: () => (isUp = true),
    loseAcknowledgements: () => (isLossy = true),
    countAttempts: () => attempts,
  };
};

const createClock = (): { readonly clock: Clock; readonly passTime: (ms: number) => void } => {
  const time = new VirtualTimeScheduler();
  return {
    clock: { scheduler: time, random: () => 0, now: () => time.now() },
    passTime: (ms) => {
      time.maxFrames = time.frame + ms;
      time.flush();
      time.frame = time.maxFrames;
    },
  };
};

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;

/**
 * Creates a server, a network, a clock and a client with the realm `team-42`, for the examples of a page. Blocks
 * marked `ts with realm, session` get the named ones. `closeExample` is called after the last block.
 */
export const setUp = async () => {
  const { clock, passTime } = createClock();
  const denied = new Set(['board']);
  const server = createSyncServer({
    storage: memoryStorage(),
    authenticate: allowAnyone,
    authorize: (_user, name) => (denied.has(name) ? 'none' : 'write'),
  });
  const network = createNetwork(server);
  const client = createSyncClient({ dial: network.dial, clock });
  const storage = memoryStorage();
  // Kept when its realm is closed, so that it can be opened again.
  const keptStorage = { ...storage, close: () => EMPTY };
  const openTasks = (name = 'team-42') =>
    openRealm({
      schema,
      storage: name === 'team-42' ? keptStorage : memoryStorage(),
      sync: { client, realm: name },
    });
  const connected = ({ connectionState$ }: Pick<SyncSession, 'connectionState$'>) =>
    firstValueFrom(connectionState$.pipe(filter((state) => state === 'connected')));
  const realm = await openTasks();
  const { session } = realm;
  await connected(session);
  const addTask = (id: string) => realm.write((tx) => tx.create('Task', { id, title: id }));
  const closeExample = async (): Promise<void> => {
    await client.close();
    await server.close();
  };
  return {
    ...{ clock, passTime, server, network, client, denied, schema },
    ...{ openTasks, connected, realm, session, addTask, closeExample },
  };
};
