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
  type SyncClient,
  type SyncSession,
} from '../lib/index.js';
import { allowAnyone, createSyncServer, type SyncServer } from '../lib/server/index.js';

/** A network between the examples and their server. */
export interface ExampleNetwork {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  /** Breaks all connections. New attempts fail until `comeBack` is called. */
  readonly goDown: () => void;
  readonly comeBack: () => void;
  /** Loses acknowledgements from now on, on the current and on new connections. */
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

interface ExampleClaims {
  readonly sub: string;
  /** Seconds since the epoch. */
  readonly exp: number;
}

/** Creates a JSON Web Token without a signature. */
const createToken = (claims: ExampleClaims): string => ['', btoa(JSON.stringify(claims)), ''].join('.');

/** Stands for the request of an app to its login server. */
const fetchToken = () => Promise.resolve({ ok: true, status: 200, text: createToken({ sub: 'anna', exp: 8e9 }) });

const readClaims = (token: string): ExampleClaims => JSON.parse(atob(token.split('.')[1] ?? '')) as ExampleClaims;

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
  // This storage is kept when its realm is closed, so that it can be opened again.
  const keptStorage = { ...storage, close: () => EMPTY };
  const openTasks = (name = 'team-42', owner = client) =>
    openRealm({
      schema,
      storage: name === 'team-42' ? keptStorage : memoryStorage(),
      sync: { client: owner, realm: name },
    });
  const connected = ({ connectionState$ }: Pick<SyncSession, 'connectionState$'>) =>
    firstValueFrom(connectionState$.pipe(filter((state) => state === 'connected')));
  const realm = await openTasks();
  const { session } = realm;
  await connected(session);
  const addTask = (id: string) => realm.write((tx) => tx.create('Task', { id, title: id }));
  const devices: SyncClient[] = [client];
  /** Opens the realm on another device. */
  const openDevice = () => {
    const another = createSyncClient({ dial: network.dial });
    devices.push(another);
    return openRealm({ schema, storage: memoryStorage(), sync: { client: another, realm: 'team-42' } });
  };
  const closeExample = async (): Promise<void> => {
    for (const each of devices) await each.close();
    await server.close();
  };
  return {
    ...{ clock, passTime, server, network, client, denied, schema, createToken, fetchToken, readClaims },
    ...{ openTasks, connected, realm, session, addTask, openDevice, closeExample },
  };
};
