import { defer, type Observable, Subject } from 'rxjs';
import { RealmClosedError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { type Metadata, toMetadataPut } from '../metadata.js';

/**
 * A piece of work on its way into the storage: what it changes there, and what follows when it is done or has failed.
 */
export interface QueuedCommit {
  readonly changes: readonly StorageChange[];
  /** What it changes of the realm's record of itself, in the same batch. */
  readonly metadata: Partial<Metadata>;
  /** Whether it must survive a power cut before it counts: what can be had again from the server need not. */
  readonly durable: boolean;
  /** It is stored. Called in order for all work of a batch, before anybody is told. */
  readonly stored: () => void;
  /** Readers have been told. */
  readonly done: () => void;
  /** It is not, and nothing was changed. */
  readonly failed: (thrown: unknown) => void;
}

/**
 * The one way into a realm's storage: everything in order, and what comes while a batch is written goes together into
 * the next.
 */
export interface GroupCommit {
  readonly add: (work: QueuedCommit) => void;
  readonly metadata: () => Metadata;
  /** What is not stored yet, in order. */
  readonly queuedCommits: () => readonly QueuedCommit[];
  /** Whether nothing is under way. */
  readonly isIdle: () => boolean;
  /** Emits nothing; completes when nothing is under way. Work added afterwards fails. */
  readonly closed$: Observable<never>;
  /** Throws a `RealmClosedError` once `closed$` was subscribed to. */
  readonly checkOpen: () => void;
}

const createClosedError = (): RealmClosedError => new RealmClosedError('The realm is closed.');

export interface CommitHooks {
  /** A batch is stored and its work knows it: time to tell the readers. */
  readonly flushed: () => void;
  /** A batch has failed: everything that is on its way is about to fail with it. */
  readonly failed: () => void;
}

const commitBytesOf = ({ changes }: QueuedCommit): number =>
  changes.reduce((sum, change) => sum + change.key.length + (change.type === 'put' ? change.value.byteLength : 0), 0);

/** The next batch: as much as one batch may hold, and always one piece. */
const takeNextBatch = (waiting: QueuedCommit[]): QueuedCommit[] => {
  let bytes = 0;
  const end = waiting.findIndex((work, at) => at > 0 && (bytes += commitBytesOf(work)) > limits.commitBytesMax);
  return waiting.splice(0, end === -1 ? waiting.length : end);
};

const mergeMetadata = (before: Metadata, works: readonly QueuedCommit[]): Metadata => {
  const after = { ...before };
  for (const { metadata } of works) Object.assign(after, metadata);
  return after;
};

/** All that a batch changes. */
const changesOf = (works: readonly QueuedCommit[], meta: Metadata): readonly StorageChange[] => {
  const all: StorageChange[] = [];
  for (const { changes } of works) for (const change of changes) all.push(change);
  all.push(toMetadataPut(meta));
  return all;
};

/** The batch under way, and how much of it knows already that it is stored. */
const createCurrentBatch = () => {
  let all: readonly QueuedCommit[] = [];
  let known = 0;
  return {
    begin: (works: readonly QueuedCommit[]): void => {
      all = works;
      known = 0;
    },
    stored: (): void => {
      for (const work of all) {
        known += 1;
        work.stored();
      }
    },
    left: (): readonly QueuedCommit[] => all.slice(known),
  };
};

/**
 * An edge: batches run whether or not anybody waits for them, because a write is under way from the moment it is
 * called.
 */
export const createGroupCommit = (storage: Storage, first: Metadata, hooks: CommitHooks): GroupCommit => {
  const idle = new Subject<never>();
  const waiting: QueuedCommit[] = [];
  let meta = first;
  let busy = false;
  const writing = createCurrentBatch();
  let closing = false;

  const write = (works: readonly QueuedCommit[]): void => {
    const next = mergeMetadata(meta, works);
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
    while (!busy && waiting.length > 0) write(takeNextBatch(waiting));
    running = false;
    if (!busy && closing) idle.complete();
  };

  return {
    add: (work) => {
      if (closing) {
        work.failed(createClosedError());
        return;
      }
      waiting.push(work);
      proceed();
    },
    metadata: () => meta,
    queuedCommits: () => [...writing.left(), ...waiting],
    isIdle: () => !busy && waiting.length === 0,
    checkOpen: () => {
      if (closing) throw createClosedError();
    },
    closed$: defer(() => {
      closing = true;
      proceed();
      return idle;
    }),
  };
};
