import { AsyncSubject, EMPTY, type Observable, of, Subject, throwError } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Log } from '../../log/log.js';
import { laterInstantOf } from '../../merge/timestamp.js';
import { bytesOf, type Changeset, type Instant, type WriteLimits } from '../../model/changeset.js';
import { InvalidStateError } from '../../model/errors.js';
import type { Shapes } from '../../model/schema.js';
import type { Version } from '../../model/version.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { type GroupCommit, createGroupCommit } from './group-commit.js';
import type { Fingerprint } from '../objects/schema-fingerprint.js';
import type { Metadata } from '../metadata.js';
import type { Objects } from '../objects/objects.js';
import type { ChangesByType } from '../objects/object-change.js';
import { decodeChangeset, outboxEntryPrefix } from './outbox.js';
import { compactBlocks } from './compact-blocks.js';
import { createOutboxSizeTracker, type OutboxSizeTracker } from './outbox-size.js';
import type { RejectedList } from '../rejected/rejected-list.js';
import type { StoredRun } from '../ownership/replica-runs.js';
import type { ViewParts } from '../subscriptions/view-parts.js';

/** Parts of a store after they were read from its storage. */
export interface StoreParts {
  readonly storage: Storage;
  readonly shapes: Shapes;
  readonly clock: Clock;
  /** The id of this opening of the storage: see `replica-runs.ts`. */
  readonly runId: string;
  readonly metadata: Metadata;
  readonly objects: Objects;
  readonly outbox: Log<Changeset>;
  readonly rejectedList: RejectedList;
  readonly fingerprint: Fingerprint;
  /** The limits that the server last reported. */
  readonly writeLimits: { now: WriteLimits };
  /** Sizes of the changesets in the outbox. */
  readonly waitingSizes: readonly number[];
  /**
   * The changes of objects that readers observe. If given, readers observe it and the objects also after the store is
   * closed, so that neither is completed.
   *
   * @defaultValue a subject of the store
   */
  readonly changes?: Subject<ChangesByType> | undefined;
  /**
   * Creates the parts of a realm with subscriptions.
   *
   * @defaultValue the realm has none
   */
  readonly createViews?: ((context: CommitContext) => ViewParts) | undefined;
}

/** One change of the store, to be committed. */
export interface CommitRequest {
  readonly changes: readonly StorageChange[];
  readonly metadata: Partial<Metadata>;
  readonly durable: boolean;
  readonly stored: () => void;
}

/** State and operations that are shared by everything that changes a realm. */
export interface CommitContext extends StoreParts {
  /**
   * Optimistic state: includes writes that are not durable yet, and the next commit builds on it. Rolled back when a
   * batch fails, except for the clock. `isWriting`: the function of a transaction is running.
   */
  readonly optimistic: {
    /** Differs from the durable replica id while a client reset is pending. */
    replica: string;
    written: Version;
    downloadedTo: Version;
    acknowledged: Version;
    rejectedCount: number;
    instant: Instant;
    /** See `Metadata`. */
    remoteInstant: Instant;
    clockOffset: number;
    /** See `Metadata`. */
    includeOwn: boolean;
    /** See `Metadata`. */
    runs: readonly StoredRun[];
    /** The last version of this replica that was sent to a server in this process. */
    lastSent: { readonly replica: string; readonly version: Version };
    /**
     * The server's last report: the version up to which it has accepted or rejected changesets of this replica, and its
     * retention cutoff.
     */
    decided: { readonly replica: string; readonly version: Version; readonly retentionCutoff: number };
    isWriting: boolean;
    /** Whether the realm never had a server, so that it keeps no changesets: see `local-only.ts`. */
    isLocalOnly: boolean;
  };
  readonly outboxSize: OutboxSizeTracker;
  /** The parts of a realm with subscriptions; `null`: it has none. */
  readonly views: ViewParts | null;
  readonly durable: () => Metadata;
  /**
   * Adds a commit synchronously. The stream emits the outcome, if there is one, and completes when the commit is stored
   * and readers were notified. If the commit fails, the stream errors and nothing has changed.
   */
  readonly commit: <T = never>(task: CommitRequest, outcome?: T) => Observable<T>;
  /**
   * Waits for all commits that are pending now. Emits the outcome, if there is one, and completes when they are stored
   * and readers were notified; errors when they failed.
   */
  readonly waitForCommits: <T = never>(outcome?: T) => Observable<T>;
  /** Changesets whose batches are not stored yet, in order. */
  readonly queuedChangesets: () => readonly Changeset[];
  /** Called when the outbox was replaced in the storage by these changesets, numbered from 1. */
  readonly resetOutbox: (changesets: readonly Changeset[]) => void;
  /** Called when these changesets were stored and replaced those with the same versions. */
  readonly replaceInOutbox: (changesets: readonly Changeset[]) => void;
  /** Called when a changeset was stored. Followers of the outbox are notified once for the whole batch. */
  readonly appendToOutbox: (changeset: Changeset) => void;
  /** The changes of objects by each batch. Hot. */
  readonly changes$: Observable<ChangesByType>;
  /** Completes when all commits have finished; then the streams of readers complete. */
  readonly closed$: Observable<never>;
  readonly completeStreams: () => void;
  /** Throws a `RealmClosedError` when the store is closed or closing. */
  readonly checkOpen: () => void;
}

/** Throws an `InvalidStateError` inside the function of a write, which builds on the state that it began with. */
export const checkNotWriting = ({ isWriting }: CommitContext['optimistic'], action: string): void => {
  if (isWriting) throw new InvalidStateError(`${action} is not possible inside realm.write.`);
};

/** The changesets that a commit appends to the outbox. */
const changesetsOf = (changes: readonly StorageChange[]): readonly Changeset[] =>
  changes.flatMap((change) =>
    change.type === 'put' && change.key.startsWith(outboxEntryPrefix)
      ? [decodeChangeset(change.key, change.value)]
      : [],
  );

const optimisticStateOf = ({ metadata, outbox }: StoreParts): CommitContext['optimistic'] => ({
  replica: metadata.replica,
  rejectedCount: metadata.rejectedCount,
  written: outbox.head,
  downloadedTo: metadata.downloadedTo,
  acknowledged: outbox.floor,
  instant: metadata.instant,
  remoteInstant: metadata.remoteInstant,
  clockOffset: metadata.clockOffset,
  includeOwn: metadata.includeOwn,
  runs: metadata.runs,
  lastSent: { replica: metadata.replica, version: 0 },
  decided: { replica: metadata.replica, version: 0, retentionCutoff: 0 },
  isWriting: false,
  isLocalOnly: false,
});

/** Resets the optimistic state to the durable one after a batch failed. */
const rollBackOptimistic = (
  optimistic: CommitContext['optimistic'],
  { head, floor }: Log<Changeset>,
  meta: Metadata,
): void => {
  const { replica, downloadedTo, rejectedCount, remoteInstant, clockOffset, includeOwn, runs, instant } = meta;
  Object.assign(optimistic, {
    replica,
    downloadedTo,
    rejectedCount,
    remoteInstant,
    clockOffset,
    includeOwn,
    runs,
    written: head,
    acknowledged: floor,
  });
  // Unsent changesets that were to get new stamps keep the old, later ones.
  optimistic.instant = laterInstantOf(optimistic.instant, instant);
};

/** Replaces the changesets that have the same versions. */
const replaceByVersion = (all: readonly Changeset[], changed: readonly Changeset[]): Changeset[] => {
  const byVersion = new Map(changed.map((changeset) => [changeset.version, changeset]));
  return all.map((changeset) => byVersion.get(changeset.version) ?? changeset);
};

const replaceStored = (
  outbox: Log<Changeset>,
  outboxSize: OutboxSizeTracker,
  changesets: readonly Changeset[],
): void => {
  const stored = changesets.filter(({ version }) => version <= outbox.head);
  outbox.confirmReplace(stored);
  outboxSize.resize(stored.map((changeset) => [changeset.version, bytesOf(changeset)]));
};

const appendStored = (
  outbox: Log<Changeset>,
  outboxSize: OutboxSizeTracker,
  changesets: readonly Changeset[],
  isLocalOnly: boolean,
): void => {
  const upTo = changesets.at(-1)?.version ?? 0;
  if (isLocalOnly) outbox.confirmSkip(upTo);
  else outbox.confirmAppend(outbox.head, changesets);
  outboxSize.append(changesets.map(bytesOf));
  if (isLocalOnly) outboxSize.acknowledge(upTo);
};

const emptyRequest: CommitRequest = { changes: [], metadata: {}, durable: false, stored: () => undefined };

const emitOutcome = <T>(outcome?: T): Observable<T> => (outcome === undefined ? EMPTY : of(outcome));

/** Creates `commit`. A storage may finish synchronously; then no subject is needed for the outcome. */
const createCommit =
  (commits: GroupCommit, { fingerprint }: StoreParts): CommitContext['commit'] =>
  <T>({ changes, metadata, durable, stored }: CommitRequest, outcome?: T): Observable<T> => {
    let subject = null as AsyncSubject<T> | null;
    let settled = null as Observable<T> | null; // Assigned in callbacks, which the compiler does not track.
    const done = (): void => {
      if (subject === null) settled = emitOutcome(outcome);
      else {
        if (outcome !== undefined) subject.next(outcome);
        subject.complete();
      }
    };
    const failed = (thrown: unknown): void => {
      fingerprint.failed();
      if (subject === null) settled = throwError(() => thrown);
      else subject.error(thrown);
    };
    const marks = fingerprint.takeChanges();
    const all = marks.length === 0 ? changes : [...changes, ...marks];
    commits.add({ changes: all, metadata, durable, stored, done, failed });
    return settled ?? (subject = new AsyncSubject<T>());
  };

const completeReaders = (changes: Subject<ChangesByType>, { setAside }: Objects): void => {
  changes.complete();
  setAside.close();
};

/** The changesets of the batch that is being reported. They change the outbox once for the whole batch. */
const createStoredChangesets = (outbox: Log<Changeset>, outboxSize: OutboxSizeTracker) => {
  let appended: Changeset[] = [];
  let resetTo: readonly Changeset[] | undefined;
  return {
    appended: (): readonly Changeset[] => appended,
    flush: (isLocalOnly: boolean): void => {
      if (resetTo) {
        outbox.confirmRestart(resetTo);
        outboxSize.reset(resetTo.map(bytesOf));
        resetTo = undefined;
      }
      if (appended.length > 0) appendStored(outbox, outboxSize, appended.splice(0), isLocalOnly);
    },
    operations: {
      resetOutbox: (changesets: readonly Changeset[]): void => {
        resetTo = changesets;
        appended = []; // They were stored under their old numbers, and are included in `changesets`.
      },
      replaceInOutbox: (changesets: readonly Changeset[]): void => {
        replaceStored(outbox, outboxSize, changesets);
        appended = replaceByVersion(appended, changesets);
      },
      appendToOutbox: (changeset: Changeset): void => void appended.push(changeset),
    },
  };
};

export const createCommitContext = (parts: StoreParts): CommitContext => {
  const { storage, metadata: meta, objects, outbox } = parts;
  const changes = parts.changes ?? new Subject<ChangesByType>();
  const outboxSize = createOutboxSizeTracker(
    { acknowledged: outbox.floor, bytes: meta.acknowledgedBytes },
    parts.waitingSizes,
  );
  const optimistic = optimisticStateOf(parts);
  const changesets = createStoredChangesets(outbox, outboxSize);
  let views: ViewParts | null = null;
  const flushed = (): void => {
    changesets.flush(optimistic.isLocalOnly);
    const changed = objects.takeChanges();
    if (changed.size > 0) changes.next(changed);
    views?.flushed();
    compactBlocks({ storage, objects, commit });
  };
  const failed = (): void => {
    objects.unstage();
    outbox.discardPending();
    rollBackOptimistic(optimistic, outbox, commits.metadata());
    views?.failed();
  };
  const commits = createGroupCommit(storage, meta, { pack: outbox.pack, flushed, failed });
  const commit = createCommit(commits, parts);

  const context: CommitContext = {
    ...parts,
    get views() {
      return views;
    },
    get metadata() {
      return { ...commits.metadata(), replica: optimistic.replica };
    },
    optimistic,
    outboxSize,
    durable: commits.metadata,
    commit,
    waitForCommits: (outcome) => (commits.isIdle() ? emitOutcome(outcome) : commit(emptyRequest, outcome)),
    queuedChangesets: () => [
      ...changesets.appended(),
      ...commits.queuedCommits().flatMap((queued) => changesetsOf(queued.changes)),
    ],
    ...changesets.operations,
    changes$: changes.asObservable(),
    closed$: commits.closed$,
    checkOpen: commits.checkOpen,
    completeStreams: () => {
      if (!parts.changes) completeReaders(changes, objects);
      outboxSize.close();
      parts.rejectedList.close();
      outbox.close();
      views?.close();
    },
  };
  views = parts.createViews?.(context) ?? null;
  return context;
};
