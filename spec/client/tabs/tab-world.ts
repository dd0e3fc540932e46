import { defer, Observable, Subscription } from 'rxjs';
import {
  createSyncClient,
  memoryStorage,
  openRealm$,
  type Realm,
  type RealmOptions,
  type SyncClient,
  type SyncClientOptions,
  type SyncOptions,
  type SyncSession,
} from '../../../lib/index.js';
import { createSeededRandom } from '../../../lib/model/seeded-random.js';
import { allowAnyone, createSyncServer } from '../../../lib/server/index.js';
import { shareBetweenTabs } from '../../../lib/storage/tab-platform.js';
import { createDisk } from '../../../sim/simulated-disk.js';
import { createVirtualBrowser, type VirtualTab } from '../../../sim/virtual-tabs.js';
import { createWorldTime } from '../../../sim/world-time.js';

export const schema = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', title: 'string', done: 'bool', votes: 'counter', tags: 'string[]' },
  },
} as const;

export type TaskRealm = Realm<typeof schema, SyncSession>;

/** The app in one tab. */
export interface AppTab {
  readonly tab: VirtualTab;
  readonly client: SyncClient;
  /** The realm; throws until it is open. */
  readonly realm: () => TaskRealm;
  readonly isOpen: () => boolean;
  /** The error with which the realm could not be opened. */
  readonly error: () => unknown;
  /** Closes the realm of the app. The tab stays. */
  readonly closeRealm: () => void;
  readonly reopen: () => void;
  /** The outcomes of the writes by their ids. */
  readonly outcomes: Map<string, 'pending' | 'stored' | Error>;
  /** Creates a task, counts it in the task `total` if that exists, and notes the outcome under its id. */
  readonly add: (id: string) => void;
}

export interface OpenTabOptions {
  readonly hidden?: boolean;
  readonly realm?: Partial<Omit<RealmOptions<typeof schema>, 'sync' | 'storage'>>;
  readonly realmName?: string;
  readonly isLocal?: boolean;
  readonly sync?: Partial<Omit<SyncOptions, 'client' | 'realm'>>;
  readonly client?: Partial<SyncClientOptions>;
}

/** Creates a browser with tabs, a server and a second device, in virtual time. */
export const createTabWorld = (seed = 1, slowestDiskMs = 5) => {
  const time = createWorldTime();
  const random = createSeededRandom(seed);
  const disk = createDisk({ scheduler: time, random, slowest: slowestDiskMs });
  const browser = createVirtualBrowser({ scheduler: time, random, name: 'tasks', storage: () => disk.open });
  let isRejecting = false;
  const server = createSyncServer({
    ...{ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write', log: () => undefined },
    permit: () => (isRejecting ? 'not now' : true),
    clock: { scheduler: time, random, now: () => time.now() },
  });
  let dials = 0;
  let isOffline = false;
  const sockets = new Map<VirtualTab, number>();
  /** Times at which more than one socket was open, in order: from and to. */
  const doubles: { from: number; to: number | null }[] = [];
  const countSocket = (tab: VirtualTab, by: number): void => {
    sockets.set(tab, (sockets.get(tab) ?? 0) + by);
    const open = [...sockets].reduce((sum, [each, count]) => sum + (each.isEnded() ? 0 : count), 0);
    const last = doubles.at(-1);
    if (open > 1 && last?.to !== null) doubles.push({ from: time.frame, to: null });
    if (open <= 1 && last?.to === null) last.to = time.frame;
  };
  const dialOf = (tab: VirtualTab) =>
    new Observable<typeof server.wire>((subscriber) => {
      dials += 1;
      if (isOffline) {
        subscriber.error(new Error('There is no network.'));
        return undefined;
      }
      countSocket(tab, 1);
      subscriber.next(server.wire);
      return () => countSocket(tab, -1);
    });

  const openTab = (options: OpenTabOptions = {}): AppTab => {
    const tab = browser.openTab({ hidden: options.hidden ?? false });
    const client = createSyncClient({ dial: dialOf(tab), clock: tab.clock, ...options.client } as SyncClientOptions);
    let realm: TaskRealm | null = null;
    let error: unknown = null;
    const outcomes: AppTab['outcomes'] = new Map();
    const storage = shareBetweenTabs(
      defer(() => disk.open),
      tab.platform,
    );
    const sync = { client, realm: options.realmName ?? 'tasks', ...options.sync };
    let opening = Subscription.EMPTY;
    const open = (): void => {
      opening = openRealm$({
        schema,
        storage,
        ...(options.isLocal === true ? { clock: tab.clock } : { sync }),
        ...options.realm,
      }).subscribe({
        next: (opened) => (realm = opened),
        error: (thrown: unknown) => (error = thrown),
      });
    };
    open();
    const app: AppTab = {
      ...{ tab, client, outcomes },
      realm: () => {
        if (realm === null) throw new Error(`The realm is not open in tab ${tab.number}: ${String(error)}`);
        return realm;
      },
      isOpen: () => realm !== null,
      error: () => error,
      closeRealm: () => opening.unsubscribe(),
      reopen: open,
      add: (id) => {
        outcomes.set(id, 'pending');
        const change: Parameters<TaskRealm['write']>[0] = (tx) => {
          tx.create('Task', { id, title: id, done: false });
          if (tx.get('Task', 'total')) tx.increment('Task', 'total', 'votes');
        };
        void app
          .realm()
          .write(change)
          .then(
            () => outcomes.set(id, 'stored'),
            (thrown: unknown) => outcomes.set(id, thrown as Error),
          );
      },
    };
    return app;
  };

  /** Runs virtual time for some milliseconds, and the promises in between. */
  const run = async (ms: number): Promise<void> => {
    const end = time.frame + ms;
    for (;;) {
      time.maxFrames = Math.min(end, (time.actions[0] as { delay?: number } | undefined)?.delay ?? end);
      time.flush();
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      const next = (time.actions[0] as { delay?: number } | undefined)?.delay;
      if (next === undefined || next > end) break;
    }
    time.frame = end;
  };

  /** Runs virtual time for a second, in steps, and returns the result of a promise that settles meanwhile. */
  const settle = async <A>(promise: Promise<A>): Promise<A> => {
    for (let left = 200; left > 0; left -= 1) await run(5);
    return promise;
  };

  return {
    ...{ time, disk, browser, server, sockets, doubles, openTab, run, settle },
    dialCount: () => dials,
    setOffline: (offline: boolean) => void (isOffline = offline),
    /** Lets the server reject all writes. Returns a function that ends this. */
    rejectWrites: () => {
      isRejecting = true;
      return () => void (isRejecting = false);
    },
  };
};

export const idsOf = (realm: TaskRealm): readonly string[] => realm.objects('Task').map(({ id }) => id);

/** The tab that leads. */
export const leaderOf = ({ browser }: ReturnType<typeof createTabWorld>): number | undefined =>
  browser.lockHolders().get('lead');

/** Notes the outcomes of writes in the order in which they settle: `stored`, or the code of the error. */
export const createOutcomeLog = () => {
  const outcomes: unknown[] = [];
  const note = (write: Promise<unknown>): void =>
    void write.then(
      () => outcomes.push('stored'),
      (thrown: unknown) => outcomes.push((thrown as { code?: string }).code),
    );
  return { outcomes, note };
};

/** Notes the ids of the tabs, in the order in which they are opened. */
export const listenForTabs = (world: ReturnType<typeof createTabWorld>) => {
  const ids: string[] = [];
  const foreign = world.browser.openTab();
  const channel = foreign.platform.openChannel('all', (message) => {
    const { type, tab } = message as { type: string; tab: string };
    if (type === 'hello' && !ids.includes(tab)) ids.push(tab);
  });
  return { ids, foreign, channel };
};
