import { defer, EMPTY, NEVER, Observable, of, throwError, type SchedulerLike } from 'rxjs';
import { memoryStorage, type OpenStorage, type Storage, type StorageChange } from '../lib/index.js';
import { checkChanges, createClosedError } from '../lib/storage/check-changes.js';

/** A disk with the storage of one process. Changes that were not synced may be lost with the power. */
export interface Disk {
  /** Opens the storage. The storage of an earlier process never answers again. */
  readonly open: OpenStorage;
  /** Ends the process. `killed` keeps what the operating system has taken; `power` keeps only what was synced. */
  readonly crash: (how: 'killed' | 'power') => void;
  /** Entries that survive a loss of power. */
  readonly synced: () => ReadonlyMap<string, Uint8Array>;
  /** Entries that a new process finds when nothing is lost. */
  readonly entries: () => ReadonlyMap<string, Uint8Array>;
  readonly keys: () => readonly string[];
  /** Ends the slow phases of the disk. */
  readonly calm: () => void;
  /** Replaces all entries. */
  readonly put: (entries: ReadonlyMap<string, Uint8Array>) => void;
}

export interface DiskOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Longest delay in milliseconds, which occurs now and then. */
  readonly slowest?: number;
  /** Called with changes that are durable now. */
  readonly onDurable?: (changes: readonly StorageChange[]) => void;
}

const applyChanges = (entries: Map<string, Uint8Array>, changes: readonly StorageChange[]): void => {
  for (const change of changes) {
    if (change.type === 'put') entries.set(change.key, change.value);
    else entries.delete(change.key);
  }
};

interface PendingBatch {
  readonly changes: readonly StorageChange[];
  readonly durable: boolean;
}

/** Default of the longest delay in milliseconds. Most requests take no time, some take a little, and a few are slow. */
const usualMs = 400;

const drawLatency = (random: () => number, slowest: number): number => {
  const drawn = random();
  return drawn < 0.7 ? 0 : drawn < 0.97 ? Math.ceil(random() * 5) : Math.ceil(random() * slowest);
};

export const createDisk = ({
  scheduler,
  random,
  slowest: first = usualMs,
  onDurable = () => undefined,
}: DiskOptions): Disk => {
  let slowest = first;
  let synced = new Map<string, Uint8Array>();
  let unsynced: (readonly StorageChange[])[] = [];
  let waiting: PendingBatch[] = [];
  let memory: Storage = memoryStorage();
  let generation = 0;
  let freeAt = 0;
  let queued = 0; // Requests that wait for their turn.

  const sync = (): void => {
    for (const changes of unsynced) {
      applyChanges(synced, changes);
      onDurable(changes);
    }
    unsynced = [];
  };
  const take = ({ changes, durable }: PendingBatch): void => {
    memory.batch(changes, { durable }).subscribe();
    unsynced.push(changes);
    if (durable) sync();
  };
  /** Runs a request in order when its turn has come, unless the process has ended by then. */
  const inTurn = <A>(work: () => Observable<A>): Observable<A> =>
    new Observable<A>((subscriber) => {
      const startedIn = generation;
      freeAt = Math.max(freeAt, scheduler.now()) + drawLatency(random, slowest);
      const wait = freeAt - scheduler.now();
      const run = (): void => {
        subscriber.add(work().subscribe(subscriber));
      };
      const whenDue = (): void => {
        if (startedIn !== generation) return;
        queued -= 1;
        run();
      };
      // A request that arrives at the moment of another's turn runs after it.
      if (wait === 0 && queued === 0) {
        run();
        return;
      }
      queued += 1;
      scheduler.schedule(whenDue, wait);
    });
  /** Fills the memory storage when a process opens it, because no process reads it before that. */
  const refill = (): void => {
    memory = memoryStorage();
    const all = [...synced].map(([key, value]): StorageChange => ({ type: 'put', key, value }));
    memory.batch(all, { durable: true }).subscribe();
    for (const changes of unsynced) memory.batch(changes, { durable: false }).subscribe();
  };

  const endProcess = (): void => {
    generation += 1;
    waiting = [];
    queued = 0;
  };

  const storage = (startedIn: number): Storage => {
    let isClosed = false;
    const whileRunning = <A>(work: () => Observable<A>): Observable<A> =>
      defer(() => (startedIn === generation ? work() : NEVER));
    const whileOpen = <A>(work: () => Observable<A>): Observable<A> =>
      whileRunning(() => (isClosed ? throwError(() => createClosedError()) : work()));
    return {
      isAsynchronous: startedIn % 2 === 0, // Every other process stores the writes of a turn together.
      range: (range) => whileOpen(() => inTurn(() => memory.range(range))),
      batch: (changes, { durable }) =>
        whileOpen(() => {
          const entry: PendingBatch = { changes: checkChanges([...changes]), durable };
          waiting.push(entry);
          return inTurn(() => {
            waiting = waiting.filter((each) => each !== entry);
            take(entry);
            return EMPTY;
          });
        }),
      close: () =>
        whileRunning(() => {
          isClosed = true;
          return inTurn(() => EMPTY);
        }),
    };
  };

  const entries = (): ReadonlyMap<string, Uint8Array> => {
    const all = new Map(synced);
    for (const changes of unsynced) applyChanges(all, changes);
    return all;
  };

  return {
    entries,
    keys: () => [...entries().keys()],
    calm: () => {
      slowest = Math.min(slowest, usualMs);
    },
    open: defer(() => {
      endProcess();
      freeAt = scheduler.now();
      refill();
      return of(storage(generation));
    }),
    crash: (how) => {
      // The first pending batch may have reached the disk.
      const [first] = waiting;
      if (first && random() < 0.5) take({ ...first, durable: first.durable && random() < 0.5 });
      endProcess();
      if (how === 'power') unsynced = unsynced.slice(0, Math.floor(random() * (unsynced.length + 1)));
      sync();
    },
    synced: () => synced,
    put: (entries) => {
      endProcess();
      synced = new Map(entries);
      unsynced = [];
    },
  };
};
