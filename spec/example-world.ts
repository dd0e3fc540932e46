import {
  type Observable,
  BehaviorSubject,
  EMPTY,
  defer,
  filter,
  of,
  Subject,
  switchMap,
  takeUntil,
  throwError,
} from 'rxjs';
import * as rxjs from 'rxjs';
import * as tidemark from '../lib/index.js';
import * as server from '../lib/server/index.js';
import * as inspector from '../lib/inspector/index.js';
import * as testing from '../lib/testing/index.js';

const { ConnectionError, createCloseError, memoryStorage, systemClock } = tidemark;

type ClientWire = tidemark.Wire<tidemark.ClientMessage, tidemark.ServerMessage>;

/** A network between the clients of a page and the server. */
interface ExampleNetwork {
  readonly dial: tidemark.Dial<tidemark.ClientMessage, tidemark.ServerMessage>;
  readonly isUp$: BehaviorSubject<boolean>;
  /** Breaks all connections. New attempts fail until `comeBack` is called. */
  readonly goDown: () => void;
  readonly comeBack: () => void;
  /** Loses acknowledgements from now on, on the current and on new connections. */
  readonly loseAcknowledgements: () => void;
  readonly countAttempts: () => number;
}

const createNetwork = (wireOf: () => ClientWire): ExampleNetwork => {
  const isUp$ = new BehaviorSubject(true);
  let isLossy = false;
  let attempts = 0;
  const cut$ = new Subject<void>();
  const broken$ = cut$.pipe(switchMap(() => throwError(() => createCloseError(1006, ''))));
  const wire: ClientWire = (sent$: Observable<tidemark.ClientMessage>) =>
    wireOf()(sent$).pipe(
      filter(({ type }) => !isLossy || type !== 'accepted'),
      takeUntil(broken$),
    );
  return {
    isUp$,
    dial: defer(() => {
      attempts += 1;
      return isUp$.value
        ? of(wire)
        : throwError(() => new ConnectionError({ kind: 'unreachable', detail: 'no network' }));
    }),
    goDown: () => {
      isUp$.next(false);
      cut$.next();
    },
    comeBack: () => isUp$.next(true),
    loseAcknowledgements: () => (isLossy = true),
    countAttempts: () => attempts,
  };
};

/** The login server that the page on tokens asks with `fetch`. Its tokens expire after an hour. */
export class ExampleLogin {
  requests = 0;
  /** The HTTP status of further answers to requests for a token. */
  status = 200;
  #held = Promise.resolve();
  #release: () => void = () => undefined;
  readonly #expiry = new Map<string, number>();

  /** Holds back answers to requests for a token until `release` is called. */
  hold(): void {
    this.#held = new Promise((resolve) => (this.#release = resolve));
  }

  release(): void {
    this.#release();
  }

  readonly fetch = async (url: string, { body = '' }: { readonly body?: string } = {}): Promise<Response> => {
    if (url === 'https://login.example.com/check') {
      const expiresAt = this.#expiry.get(body) ?? 0;
      return expiresAt > Date.now() ? Response.json({ id: 'anna', expiresAt }) : new Response('', { status: 401 });
    }
    this.requests += 1;
    const token = `token ${this.requests}`;
    await this.#held;
    this.#expiry.set(token, Date.now() + 3_600_000);
    return new Response(token, { status: this.status });
  };
}

/** The time in which a program runs. */
export interface ExampleTime {
  /** Waits until the work that is ready has run. */
  readonly settle: () => Promise<void>;
  /** Lets milliseconds pass. */
  readonly pass: (ms: number) => Promise<void>;
  /** Ends the time: nothing of the program runs any more. */
  readonly end: () => void;
}

/** Has everything around a program of a page: modules, a network with a server, a login server, and time. */
export interface ExampleWorld {
  /** The modules that the program imports. */
  readonly modules: Readonly<Record<string, object>>;
  readonly network: ExampleNetwork;
  readonly login: ExampleLogin;
  /** The names of realms that the server gives no access to. */
  readonly denied: Set<string>;
  /** The clients that the program has created. */
  readonly clients$: BehaviorSubject<readonly tidemark.SyncClient[]>;
  readonly settle: () => Promise<void>;
  readonly passTime: (ms: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Creates a world for one program. A client that the program creates with a `url` connects over the network of the
 * world to the server that the program has created last, or else to a server of the world. Storages that the program
 * names are in memory. `close` closes the clients and servers of the program.
 *
 * @param clientOptions - Options that all clients of the program get.
 */
export const createExampleWorld = (
  time: ExampleTime,
  clientOptions: Pick<tidemark.SyncClientOptions, 'reconnect$'> = {},
): ExampleWorld => {
  const denied = new Set<string>();
  const servers: server.SyncServer[] = [];
  const clients$ = new BehaviorSubject<readonly tidemark.SyncClient[]>([]);
  const storages = new Map<string, tidemark.Storage>();
  /** A storage that has a name is kept when its realm is closed, so that it can be opened again. */
  const storageOf = <A>(storage: A): A | tidemark.Storage => {
    if (typeof storage !== 'string') return storage;
    const kept = storages.get(storage) ?? { ...memoryStorage(), close: () => EMPTY };
    storages.set(storage, kept);
    return kept;
  };
  const createSyncServer = (options: server.ServerOptions): server.SyncServer => {
    const created = server.createSyncServer({ ...options, storage: storageOf(options.storage) });
    servers.push(created);
    return created;
  };
  createSyncServer({
    storage: memoryStorage(),
    authenticate: server.allowAnyone,
    authorize: (_user, name) => (denied.has(name) ? 'none' : 'write'),
  });
  const network = createNetwork(() => (sent$) => servers.at(-1)?.wire(sent$) ?? EMPTY);
  const createSyncClient = (options: tidemark.SyncClientOptions): tidemark.SyncClient => {
    // The first client waits for exactly the delays of the documents. Each client has other random numbers, because
    // replicas need different ids.
    const random = clients$.value.length / 16;
    const clock = { ...systemClock, random: () => random };
    const { url, ...others } = options;
    const client = tidemark.createSyncClient(
      url === undefined ? options : { ...others, ...clientOptions, dial: network.dial, clock },
    );
    clients$.next([...clients$.value, client]);
    return client;
  };
  const openRealm = (options: Parameters<typeof tidemark.openRealm>[0]) =>
    tidemark.openRealm({ ...options, storage: storageOf(options.storage) });
  return {
    modules: {
      rxjs,
      tidemark: { ...tidemark, createSyncClient, openRealm },
      'tidemark/server': { ...server, createSyncServer },
      'tidemark/inspector': inspector,
      'tidemark/testing': testing,
    },
    ...{ network, login: new ExampleLogin(), denied, clients$ },
    settle: time.settle,
    passTime: async (ms) => {
      await time.settle();
      await time.pass(ms);
      await time.settle();
    },
    close: async () => {
      for (const { close } of [...clients$.value, ...servers]) await close();
      time.end();
    },
  };
};
