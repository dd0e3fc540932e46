/*
 * Functions that the specs of a realm in several tabs call in a page, a frame or a worker. They decide nothing: each
 * returns a result for the spec to check.
 */
import { firstValueFrom } from 'rxjs';
import {
  createSubscriptions,
  createSyncClient,
  openRealm,
  type Realm,
  type SyncClient,
  type SyncSession,
} from '../../lib/index.js';

const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } },
  Total: { primaryKey: 'id', properties: { id: 'string', count: 'counter' } },
} as const;
const otherSchema = {
  ...schema,
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;

export interface PageOptions {
  readonly url: string;
  readonly realm?: string;
  readonly user?: string;
  readonly hasOtherSchema?: boolean;
  readonly tabs?: 'share' | 'exclusive';
  /** Whether the realm has subscriptions. */
  readonly isPartial?: boolean;
}

/** The outcome of work: an error in a form that can be passed from the page to the spec. */
export type PageOutcome = 'done' | { readonly name: string; readonly code: unknown; readonly message: string };

const outcome = (work: Promise<unknown>): Promise<PageOutcome> =>
  work.then(
    () => 'done' as const,
    (thrown: unknown) => {
      const { name, code, message } = thrown as Error & { code?: unknown };
      return { name, code, message };
    },
  );

/** A spec may define this function. It is called when a write of `begin` has ended. */
declare const noteEnd: ((id: string, ended: PageOutcome) => void) | undefined;

type Transact = (this: IDBDatabase, ...args: Parameters<IDBDatabase['transaction']>) => IDBTransaction;

type TaskRealm = Realm<typeof schema, SyncSession>;

let realm: TaskRealm | undefined;
let client: SyncClient | undefined;
let openingOutcome: PageOutcome | null = null;
const outcomes: Record<string, PageOutcome> = {};
let isMeasuring = false;
let longestMs = 0;
let measured = Promise.resolve();
let worker: Worker | undefined;
let requests = 0;

const write = (id: string): Promise<unknown> =>
  realm!.write((tx) => {
    tx.create('Task', { id, title: id });
    tx.increment('Total', 'all', 'count');
  });

const opened = (): TaskRealm => {
  if (realm) return realm;
  throw new Error('The realm is not open.');
};

/** Work in another context of the same script: a frame or a worker. */
const otherContexts = {
  addFrame: (): Promise<void> =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.src = '/';
      frame.onload = () => resolve();
      document.body.append(frame);
    }),
  inFrame: (name: string, ...args: readonly unknown[]): unknown =>
    (frames[0] as unknown as { calls: Record<string, (...all: readonly unknown[]) => unknown> }).calls[name]!(...args),
  removeFrame: (): void => document.querySelector('iframe')?.remove(),
  startWorker: (): Promise<void> =>
    new Promise((resolve, reject) => {
      worker = new Worker('/page.js', { type: 'module' });
      worker.onmessage = () => resolve();
      worker.onerror = ({ message }) => reject(new Error(message));
    }),
  inWorker: (name: string, ...args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve) => {
      const id = (requests += 1);
      const listen = ({ data }: MessageEvent<{ id: number; result: unknown }>): void => {
        if (data.id !== id) return;
        worker!.removeEventListener('message', listen as EventListener);
        resolve(data.result);
      };
      worker!.addEventListener('message', listen as EventListener);
      worker!.postMessage({ id, name, args });
    }),
  endWorker: (): void => worker?.terminate(),
};

const calls = {
  ...otherContexts,
  open: (storage: string, { url, user, tabs = 'share', ...rest }: PageOptions): Promise<PageOutcome> => {
    client = createSyncClient(user === undefined ? { url } : { url, user });
    const given = rest.hasOtherSchema === true ? (otherSchema as unknown as typeof schema) : schema;
    const sync = { client, realm: rest.realm ?? storage };
    const subscriptions = rest.isPartial === true ? { subscriptions: createSubscriptions() } : {};
    return outcome(
      openRealm({ schema: given, storage, tabs, sync, ...subscriptions }).then((each) => {
        realm = each;
        return realm.session.connectionState;
      }),
    );
  },
  /** Begins to open a realm. `opening` has the outcome. */
  beginToOpen: (storage: string, options: PageOptions): void => {
    void calls.open(storage, options).then((ended) => (openingOutcome = ended));
  },
  opening: (): PageOutcome | null => openingOutcome,
  isOpen: (): boolean => realm !== undefined,
  close: () => outcome(opened().close()),
  logOut: () => outcome(client!.logOut()),
  /** Creates the object whose counter counts the tasks. */
  createTotal: () => outcome(opened().write((tx) => tx.create('Total', { id: 'all' }))),
  hasTotal: (): boolean => opened().objects('Total').length > 0,
  /** Creates a task and counts it. */
  write: (id: string) => outcome(write(id)),
  /** Begins a write of each task at once. `outcomes` has how they ended. */
  begin: (ids: readonly string[]): void => {
    for (const id of ids)
      void outcome(write(id)).then((ended) => {
        outcomes[id] = ended;
        if (typeof noteEnd === 'function') noteEnd(id, ended);
      });
  },
  deleteDatabase: (name: string): Promise<string> =>
    new Promise((resolve) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve('deleted');
      request.onerror = () => resolve('failed');
    }),
  outcomes: (): Readonly<Record<string, PageOutcome>> => outcomes,
  ids: (): readonly string[] =>
    opened()
      .objects('Task')
      .map(({ id }) => id)
      .sort(),
  count: (): number => opened().objects('Total')[0]?.count ?? 0,
  session: () => {
    const { connectionState, syncState, status } = opened().session;
    return { connectionState, syncState, pending: status.pending.changesets };
  },
  /** Subscribes to the tasks with a title, and waits for them. */
  subscribe: (title: string) => outcome(firstValueFrom(opened().subscribe('Task', { where: { title } }).sync$)),
  pause: (): void => opened().session.pause(),
  resume: (): void => opened().session.resume(),

  /** Writes one task after the other until `stopMeasuring`. */
  startMeasuring: (prefix: string): void => {
    [isMeasuring, longestMs] = [true, 0];
    const run = async (): Promise<void> => {
      for (let at = 0; isMeasuring; at += 1) {
        const start = performance.now();
        outcomes[`${prefix}${at}`] = await outcome(write(`${prefix}${at}`));
        longestMs = Math.max(longestMs, performance.now() - start);
      }
    };
    measured = run();
  },
  /** Ends the writes. Returns the milliseconds that the longest of them took. */
  stopMeasuring: async (): Promise<number> => {
    isMeasuring = false;
    await measured;
    return longestMs;
  },
  /** Whether this tab has the lock of the leader. */
  leads: async (storage: string): Promise<boolean> => {
    const own = `probe ${Math.random()}`;
    return navigator.locks.request(own, async () => {
      const { held = [] } = await navigator.locks.query();
      const clientOf = (name: string) => held.find((lock) => lock.name === name)?.clientId;
      return clientOf(`tidemark-tabs ${JSON.stringify([storage, 'lead'])}`) === clientOf(own);
    });
  },
  /** The ids of the tabs of a realm. */
  tabIds: async (storage: string): Promise<readonly string[]> => {
    const { held = [] } = await navigator.locks.query();
    return held.flatMap(({ name = '' }) => {
      const [, tab] = /^tidemark-tabs (.*)$/.exec(name) ?? [];
      const [of, purpose] = JSON.parse(tab ?? '[]') as string[];
      return of === storage && purpose?.startsWith('tab ') === true ? [purpose.slice('tab '.length)] : [];
    });
  },
  /** Keeps the thread of this page busy, so that it does not answer. */
  block: (ms: number): void => {
    for (const ends = performance.now() + ms; performance.now() < ends;);
  },
  /** Posts messages as a foreign script of the origin could. */
  post: (storage: string, purpose: string, messages: readonly unknown[]): void => {
    const channel = new BroadcastChannel(`tidemark-tabs ${JSON.stringify([storage, purpose])}`);
    for (const message of messages) channel.postMessage(message);
    channel.close();
  },
  /** Posts random values and long lists, which no tab could have sent. */
  postGarbage: (storage: string, purpose: string): void => {
    const types = [
      'hello',
      'leading',
      'yield',
      'writes',
      'update',
      'welcome',
      'page',
      'result',
      'event',
      'call',
      'bye ',
    ];
    const values = [null, undefined, 1, -1, NaN, '', 'text', true, [], {}, new Uint8Array(3), new Date(0), 10n];
    const messages: unknown[] = [...values, Array.from({ length: 100_000 }, (_, at) => at), new Error('text')];
    for (const type of types) {
      messages.push({ type });
      for (const value of values) {
        const names = ['tab', 'stamp', 'isReady', 'isHidden', 'to', 'number', 'writes', 'changes', 'outbox', 'answer'];
        const others = ['session', 'leader', 'plan', 'isReset', 'areChecked', 'records', 'error', 'event', 'method'];
        messages.push({ type, ...Object.fromEntries([...names, ...others].map((name) => [name, value])) });
      }
    }
    calls.post(storage, purpose, messages);
  },
  /** Closes the connection to the database, as some browsers do. They report that to the next call only. */
  closeConnection: (): void => {
    const original = Reflect.get(IDBDatabase.prototype, 'transaction') as Transact;
    IDBDatabase.prototype.transaction = function (...args) {
      IDBDatabase.prototype.transaction = original;
      this.close();
      return original.apply(this, args);
    };
  },
  /** Whether the page may evaluate text. Asks in a task of the page, because the debugger may always. */
  mayEvaluate: (): Promise<boolean> =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        try {
          Reflect.construct(Function, ['return true']);
          resolve(true);
        } catch {
          resolve(false);
        }
        port1.close();
      };
      port2.postMessage(null);
    }),
};

export type Calls = typeof calls;
Object.assign(globalThis, { calls });

if (typeof document === 'undefined') {
  globalThis.onmessage = ({ data }: MessageEvent<{ id: number; name: keyof Calls; args: never[] }>) => {
    const { id, name, args } = data;
    void Promise.resolve((calls as Record<string, (...all: never[]) => unknown>)[name]!(...args)).then((result) =>
      globalThis.postMessage({ id, result }),
    );
  };
  globalThis.postMessage('ready');
}
