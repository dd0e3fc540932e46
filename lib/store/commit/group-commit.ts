import { defer, type Observable, Subject } from 'rxjs';
import { runAtEndOfTurn } from '../../clock.js';
import { RealmClosedError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { type Metadata, toMetadataPut } from '../metadata.js';

/** A commit that waits for its batch, with callbacks for its outcome. */
export interface QueuedCommit {
  readonly changes: readonly StorageChange[];
  /** Changes of the realm's metadata, stored in the same batch. */
  readonly metadata: Partial<Metadata>;
  /**
   * Whether the commit must survive a power cut before it is reported. Data that the server can send again need not.
   */
  readonly durable: boolean;
  /** Called after the batch is stored, in order for all of its commits, before readers are notified. */
  readonly stored: () => void;
  /** Called after readers were notified. */
  readonly done: () => void;
  /** Called when the commit was not stored and nothing has changed. */
  readonly failed: (thrown: unknown) => void;
}

/**
 * The only way to write to a realm's storage. Commits are stored in order; those that arrive while a batch is written
 * are stored together in the next one. On an asynchronous storage, so are all commits of one event-loop turn.
 */
export interface GroupCommit {
  readonly add: (commit: QueuedCommit) => void;
  readonly metadata: () => Metadata;
  /** Commits that are not stored yet, in order. */
  readonly queuedCommits: () => readonly QueuedCommit[];
  /** Whether no commit is pending. */
  readonly isIdle: () => boolean;
  /** Emits nothing; completes when no commit is pending. Commits that are added after the subscription fail. */
  readonly closed$: Observable<never>;
  /** Throws a `RealmClosedError` after `closed$` was subscribed to. */
  readonly checkOpen: () => void;
}

const createClosedError = (): RealmClosedError => new RealmClosedError('The realm is closed.');

export interface CommitHooks {
  /** Returns the changes to write instead of those of a batch. Called for each batch. */
  readonly pack: (changes: readonly StorageChange[]) => readonly StorageChange[];
  /** Called after a batch is stored and its commits were notified. Notifies readers. */
  readonly flushed: () => void;
  /** Called after a batch has failed, before all pending commits fail with it. */
  readonly failed: () => void;
}

const commitBytesOf = ({ changes }: QueuedCommit): number =>
  changes.reduce((sum, change) => sum + change.key.length + (change.type === 'put' ? change.value.byteLength : 0), 0);

/** Takes the commits of the next batch: as many as one batch may hold, and at least one. */
const takeNextBatch = (waiting: QueuedCommit[]): QueuedCommit[] => {
  let bytes = 0;
  const end = waiting.findIndex((commit, at) => at > 0 && (bytes += commitBytesOf(commit)) > limits.commitBytesMax);
  return waiting.splice(0, end === -1 ? waiting.length : end);
};

const mergeMetadata = (before: Metadata, batch: readonly QueuedCommit[]): Metadata => {
  // One spread only: merging two objects in a literal takes many times as long.
  const merged = { ...before, batches: before.batches + 1 };
  for (const { metadata } of batch) Object.assign(merged, metadata);
  return merged;
};

/** All changes of a batch, with the metadata. */
const changesOf = (batch: readonly QueuedCommit[], meta: Metadata): readonly StorageChange[] => {
  const all: StorageChange[] = [];
  for (const { changes } of batch) for (const change of changes) all.push(change);
  all.push(toMetadataPut(meta));
  return all;
};

/** The batch that is being written, and the number of its commits that were notified so far. */
const createCurrentBatch = () => {
  let all: readonly QueuedCommit[] = [];
  let storedCount = 0;
  return {
    begin: (batch: readonly QueuedCommit[]): void => {
      all = batch;
      storedCount = 0;
    },
    stored: (): void => {
      for (const commit of all) {
        storedCount += 1;
        commit.stored();
      }
    },
    notStored: (): readonly QueuedCommit[] => all.slice(storedCount),
  };
};

/**
 * Runs batches. Subscribes by itself (an edge), because a write must happen whether or not the app subscribes to its
 * result.
 */
export const createGroupCommit = (storage: Storage, first: Metadata, hooks: CommitHooks): GroupCommit => {
  const idle = new Subject<never>();
  const waiting: QueuedCommit[] = [];
  let meta = first;
  let busy = false;
  const writing = createCurrentBatch();
  let closing = false;

  const write = (batch: readonly QueuedCommit[]): void => {
    const next = mergeMetadata(meta, batch);
    busy = true;
    writing.begin(batch);
    // eslint-disable-next-line rxjs-x/no-ignored-subscription -- a batch that was started cannot be cancelled
    storage.batch(hooks.pack(changesOf(batch, next)), { durable: batch.some(({ durable }) => durable) }).subscribe({
      complete: () => {
        meta = next;
        writing.stored();
        hooks.flushed();
        batch.forEach((commit) => commit.done());
        busy = false;
        proceed();
      },
      error: (thrown: unknown) => {
        busy = false;
        // Waiting commits build on the failed ones, so they fail too and nothing changes.
        const all = [...batch, ...waiting.splice(0)];
        writing.begin([]);
        hooks.failed();
        all.forEach((commit) => commit.failed(thrown));
        proceed();
      },
    });
  };

  // A storage may finish synchronously. So this is a loop, and the nested call of `proceed` returns immediately.
  let running = false;
  const proceed = (): void => {
    if (running) return;
    running = true;
    while (!busy && waiting.length > 0) write(takeNextBatch(waiting));
    running = false;
    if (!busy && closing) idle.complete();
  };

  // On a disk, a batch of thirty writes takes as long as a batch of one.
  const begin = storage.isAsynchronous === true ? runAtEndOfTurn(proceed) : proceed;

  return {
    add: (commit) => {
      if (closing) commit.failed(createClosedError());
      else {
        waiting.push(commit);
        begin();
      }
    },
    metadata: () => meta,
    queuedCommits: () => [...writing.notStored(), ...waiting],
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
