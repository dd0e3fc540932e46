import { defer, EMPTY, NEVER, Observable, of, throwError, type SchedulerLike } from 'rxjs';
import { memoryStorage, type OpenStorage, type Storage, type StorageChange } from '../lib/index.js';
import { checkChanges, createClosedError } from '../lib/storage/check-changes.js';

/** A disk on which one process has a storage: what was not synced may be lost with the power. */
export interface Disk {
  /** Opens what is on it. The storage of an earlier process never answers again. */
  readonly open: OpenStorage;
  /** The process is gone: `killed` leaves what the system has taken, without `power` only what was synced is sure. */
  readonly crash: (how: 'killed' | 'power') => void;
  /** What is surely on it. */
  readonly synced: () => ReadonlyMap<string, Uint8Array>;
  /** What a process finds there that opens it while nothing is lost. */
  readonly keys: () => readonly string[];
  /** From now on it is as quick as any. */
  readonly calm: () => void;
  /** Puts something else on it. */
  readonly put: (entries: ReadonlyMap<string, Uint8Array>) => void;
}

export interface DiskOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Milliseconds that it takes now and then. */
  readonly slowest?: number;
  /** Told of what is surely on it now. */
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

/** Mostly it is there at once, sometimes soon, and now and then it hangs. */
/** Milliseconds that a disk takes now and then. */
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
  let loose: (readonly StorageChange[])[] = [];
  let waiting: PendingBatch[] = [];
  let memory: Storage = memoryStorage();
  let generation = 0;
  let freeAt = 0;
  let ahead = 0; // How many have not had their turn.

  const sync = (): void => {
    for (const changes of loose) {
      applyChanges(synced, changes);
      onDurable(changes);
    }
    loose = [];
  };
  const take = ({ changes, durable }: PendingBatch): void => {
    memory.batch(changes, { durable }).subscribe();
    loose.push(changes);
    if (durable) sync();
  };
  /** Does something when its turn has come, in order; never, when the process is gone by then. */
  const inTurn = <A>(work: () => Observable<A>): Observable<A> =>
    new Observable<A>((subscriber) => {
      const mine = generation;
      freeAt = Math.max(freeAt, scheduler.now()) + drawLatency(random, slowest);
      const wait = freeAt - scheduler.now();
      const run = (): void => {
        subscriber.add(work().subscribe(subscriber));
      };
      const inLine = (): void => {
        if (mine !== generation) return;
        ahead -= 1;
        run();
      };
      // Who comes in the very moment in which another has its turn comes after it.
      if (wait === 0 && ahead === 0) {
        run();
        return;
      }
      ahead += 1;
      scheduler.schedule(inLine, wait);
    });
  /** When somebody opens it: nobody reads before that. */
  const refill = (): void => {
    memory = memoryStorage();
    const all = [...synced].map(([key, value]): StorageChange => ({ type: 'put', key, value }));
    memory.batch(all, { durable: true }).subscribe();
    for (const changes of loose) memory.batch(changes, { durable: false }).subscribe();
  };

  const gone = (): void => {
    generation += 1;
    waiting = [];
    ahead = 0;
  };

  const storage = (mine: number): Storage => {
    let isClosed = false;
    const whileThere = <A>(work: () => Observable<A>): Observable<A> =>
      defer(() => (mine === generation ? work() : NEVER));
    const whileOpen = <A>(work: () => Observable<A>): Observable<A> =>
      whileThere(() => (isClosed ? throwError(() => createClosedError()) : work()));
    return {
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
        whileThere(() => {
          isClosed = true;
          return inTurn(() => EMPTY);
        }),
    };
  };

  return {
    calm: () => {
      slowest = Math.min(slowest, usualMs);
    },
    open: defer(() => {
      gone();
      freeAt = scheduler.now();
      refill();
      return of(storage(generation));
    }),
    crash: (how) => {
      // What was on its way may have got there: the first of it, in order.
      const [first] = waiting;
      if (first && random() < 0.5) take({ ...first, durable: first.durable && random() < 0.5 });
      gone();
      if (how === 'power') loose = loose.slice(0, Math.floor(random() * (loose.length + 1)));
      sync();
    },
    synced: () => synced,
    keys: () => {
      const all = new Map(synced);
      for (const changes of loose) applyChanges(all, changes);
      return [...all.keys()];
    },
    put: (entries) => {
      gone();
      synced = new Map(entries);
      loose = [];
    },
  };
};
