import { defer, type Observable, Subject } from 'rxjs';
import { RealmClosedError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Storage, StorageChange } from '../storage/storage.js';
import { type Meta, metaPut } from './meta.js';

/** A piece of work on its way into the storage: what it changes there, and what follows when it is done or has failed. */
export interface Work {
  readonly changes: readonly StorageChange[];
  /** What it changes of the realm's record of itself, in the same batch. */
  readonly meta: Partial<Meta>;
  /** Whether it must survive a power cut before it counts: what can be had again from the server need not. */
  readonly durable: boolean;
  /** It is stored. Called in order for all work of a batch, before anybody is told. */
  readonly stored: () => void;
  /** Readers have been told. */
  readonly done: () => void;
  /** It is not, and nothing was changed. */
  readonly failed: (thrown: unknown) => void;
}

/** The one way into a realm's storage: everything in order, and what comes while a batch is written goes together into the next. */
export interface Commits {
  readonly add: (work: Work) => void;
  readonly meta: () => Meta;
  /** What is not stored yet, in order. */
  readonly underway: () => readonly Work[];
  /** Whether nothing is under way. */
  readonly isIdle: () => boolean;
  /** Emits nothing; completes when nothing is under way. Work added afterwards fails. */
  readonly closed$: Observable<never>;
  /** Throws a `RealmClosedError` once `closed$` was subscribed to. */
  readonly whileOpen: () => void;
}

const closedError = (): RealmClosedError => new RealmClosedError('The realm is closed.');

export interface CommitHooks {
  /** A batch is stored and its work knows it: time to tell the readers. */
  readonly flushed: () => void;
  /** A batch has failed: everything that is on its way is about to fail with it. */
  readonly failed: () => void;
}

const bytesOfWork = ({ changes }: Work): number =>
  changes.reduce((sum, change) => sum + change.key.length + (change.type === 'put' ? change.value.byteLength : 0), 0);

/** The next batch: as much as one batch may hold, and always one piece. */
const nextBatch = (waiting: Work[]): Work[] => {
  let bytes = 0;
  const end = waiting.findIndex((work, at) => at > 0 && (bytes += bytesOfWork(work)) > limits.commitBytesMax);
  return waiting.splice(0, end === -1 ? waiting.length : end);
};

const metaAfter = (before: Meta, works: readonly Work[]): Meta => {
  const after = { ...before };
  for (const { meta } of works) Object.assign(after, meta);
  return after;
};

/** All that a batch changes. */
const changesOf = (works: readonly Work[], meta: Meta): readonly StorageChange[] => {
  const all: StorageChange[] = [];
  for (const { changes } of works) for (const change of changes) all.push(change);
  all.push(metaPut(meta));
  return all;
};

/** The batch under way, and how much of it knows already that it is stored. */
const inWriting = () => {
  let all: readonly Work[] = [];
  let known = 0;
  return {
    begin: (works: readonly Work[]): void => {
      all = works;
      known = 0;
    },
    stored: (): void => {
      for (const work of all) {
        known += 1;
        work.stored();
      }
    },
    left: (): readonly Work[] => all.slice(known),
  };
};

/** An edge: batches run whether or not anybody waits for them, because a write is under way from the moment it is called. */
export const createCommits = (storage: Storage, first: Meta, hooks: CommitHooks): Commits => {
  const idle = new Subject<never>();
  const waiting: Work[] = [];
  let meta = first;
  let busy = false;
  const writing = inWriting();
  let closing = false;

  const write = (works: readonly Work[]): void => {
    const next = metaAfter(meta, works);
    busy = true;
    writing.begin(works);
    // eslint-disable-next-line rxjs-x/no-ignored-subscription -- a batch cannot be taken back: it is under way to its end
    storage.batch(changesOf(works, next), { durable: works.some(({ durable }) => durable) }).subscribe({
      complete: () => {
        meta = next;
        writing.stored();
        hooks.flushed();
        works.forEach((work) => work.done());
        busy = false;
        proceed();
      },
      error: (thrown: unknown) => {
        busy = false;
        // What waits was built on what failed: it goes too, and nothing has changed.
        const all = [...works, ...waiting.splice(0)];
        writing.begin([]);
        hooks.failed();
        all.forEach((work) => work.failed(thrown));
        proceed();
      },
    });
  };

  // A storage may finish on the spot, so this is a loop: `write` comes back here, and finds itself running.
  let running = false;
  const proceed = (): void => {
    if (running) return;
    running = true;
    while (!busy && waiting.length > 0) write(nextBatch(waiting));
    running = false;
    if (!busy && closing) idle.complete();
  };

  return {
    add: (work) => {
      if (closing) {
        work.failed(closedError());
        return;
      }
      waiting.push(work);
      proceed();
    },
    meta: () => meta,
    underway: () => [...writing.left(), ...waiting],
    isIdle: () => !busy && waiting.length === 0,
    whileOpen: () => {
      if (closing) throw closedError();
    },
    closed$: defer(() => {
      closing = true;
      proceed();
      return idle;
    }),
  };
};
