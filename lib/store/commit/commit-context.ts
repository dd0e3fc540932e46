import { AsyncSubject, EMPTY, type Observable, of, Subject, throwError } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Log } from '../../log/log.js';
import { laterInstantOf } from '../../merge/timestamp.js';
import { bytesOf, type Changeset, type Instant, type WriteLimits } from '../../model/changeset.js';
import type { Shapes } from '../../model/schema.js';
import type { Version } from '../../model/version.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { type GroupCommit, createGroupCommit } from './group-commit.js';
import type { Fingerprint } from '../objects/schema-fingerprint.js';
import type { Metadata } from '../metadata.js';
import type { ChangesByType, Objects } from '../objects/objects.js';
import { decodeChangeset, outboxEntryPrefix } from './outbox.js';
import { createOutboxSizeTracker, type OutboxSizeTracker } from './outbox-size.js';
import type { RejectedList } from '../rejected/rejected-list.js';
import { createTouchedObjects, type TouchedObjects } from '../rejected/touched-objects.js';
import type { StoredRun } from '../ownership/replica-runs.js';

/** What a store is made of, once it has been read from its storage. */
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
  /** What the server takes, as it last said. */
  readonly writeLimits: { now: WriteLimits };
  /** Sizes of what waits in the outbox. */
  readonly waitingSizes: readonly number[];
}

/** A piece of work of the store. */
export interface CommitRequest {
  readonly changes: readonly StorageChange[];
  readonly metadata: Partial<Metadata>;
  readonly durable: boolean;
  readonly stored: () => void;
}

/** Where everything that changes a realm meets, in order. */
export interface CommitContext extends StoreParts {
  /**
   * What is on its way, which the next piece of work builds on: a failed batch takes all of it back, but for the clock.
   * `writing`: a transaction's function runs.
   */
  readonly optimistic: {
    /** Another one than `present` has: a reset is on its way. */
    replica: string;
    written: Version;
    downloadedTo: Version;
    acknowledged: Version;
    rejectedCount: number;
    instant: Instant;
    /** As in `Meta`. */
    remoteInstant: Instant;
    clockOffset: number;
    /** As in `Metadata`. */
    includeOwn: boolean;
    /** As in `Metadata`. */
    runs: readonly StoredRun[];
    /** The last version of this replica that went out to a server, in this process. */
    lastSent: { readonly replica: string; readonly version: Version };
    /**
     * What of this replica the server said last to have dealt with, up to a version, and before which time it has
     * forgotten.
     */
    decided: { readonly replica: string; readonly version: Version; readonly retentionCutoff: number };
    isWriting: boolean;
    /** Whether there never was a server to keep changesets for: see `local-only.ts`. */
    isLocalOnly: boolean;
  };
  readonly outboxSize: OutboxSizeTracker;
  /** Which of what is stored in the outbox touches which objects. */
  readonly touchedObjects: Pick<TouchedObjects, 'readChangesets'>;
  readonly durable: () => Metadata;
  /**
   * Adds work now. The stream emits what comes of it, if anything, and completes when it is stored and readers know; or
   * errors, and nothing has changed.
   */
  readonly commit: <T = never>(task: CommitRequest, outcome?: T) => Observable<T>;
  /**
   * Emits an outcome, if there is one, and completes when all that is on its way by now is stored and readers know;
   * errors when that failed.
   */
  readonly waitForCommits: <T = never>(outcome?: T) => Observable<T>;
  /** Changesets whose batches are on their way, in order. */
  readonly queuedChangesets: () => readonly Changeset[];
  /** The outbox has just been replaced by these, numbered from 1. */
  readonly resetOutbox: (changesets: readonly Changeset[]) => void;
  /** These have just been stored in the place of those that had their versions. */
  readonly replaceInOutbox: (changesets: readonly Changeset[]) => void;
  /** A changeset that has just been stored: followers of the outbox hear of a whole batch at once. */
  readonly appendToOutbox: (changeset: Changeset) => void;
  /** What each batch did to the objects. Hot. */
  readonly changes$: Observable<ChangesByType>;
  /** Completes when nothing is under way any more; then readers are let go. */
  readonly closed$: Observable<never>;
  readonly completeStreams: () => void;
  /** Throws a `RealmClosedError` when the store is closed or about to be. */
  readonly checkOpen: () => void;
}

/** What a piece of work puts into the outbox. */
const changesetsOf = (changes: readonly StorageChange[]): readonly Changeset[] =>
  changes.flatMap((change) =>
    change.type === 'put' && change.key.startsWith(outboxEntryPrefix) ? [decodeChangeset(change.value)] : [],
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

/** A batch has failed: what is on its way is what is stored again. */
const rollBackOptimistic = (
  ahead: CommitContext['optimistic'],
  { head, floor }: Log<Changeset>,
  meta: Metadata,
): void => {
  const { replica, downloadedTo, rejectedCount, remoteInstant, clockOffset, includeOwn, runs, instant } = meta;
  Object.assign(ahead, {
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
  ahead.instant = laterInstantOf(ahead.instant, instant); // What was to be stamped again is stamped as it was.
};

/** Changesets with some of their versions replaced. */
const replaceByVersion = (all: readonly Changeset[], changed: readonly Changeset[]): Changeset[] => {
  const byVersion = new Map(changed.map((changeset) => [changeset.version, changeset]));
  return all.map((changeset) => byVersion.get(changeset.version) ?? changeset);
};

const replaceStored = (outbox: Log<Changeset>, pending: OutboxSizeTracker, changesets: readonly Changeset[]): void => {
  const known = changesets.filter(({ version }) => version <= outbox.head);
  outbox.confirmReplace(known);
  pending.resize(known.map((changeset) => [changeset.version, bytesOf(changeset)]));
};

const appendStored = (
  outbox: Log<Changeset>,
  pending: OutboxSizeTracker,
  changesets: readonly Changeset[],
  alone: boolean,
): void => {
  const upTo = changesets.at(-1)?.version ?? 0;
  if (alone) outbox.confirmSkip(upTo);
  else outbox.confirmAppend(outbox.head, changesets);
  pending.append(changesets.map(bytesOf));
  if (alone) pending.acknowledge(upTo);
};

const emptyRequest: CommitRequest = { changes: [], metadata: {}, durable: false, stored: () => undefined };

const emitOutcome = <T>(outcome?: T): Observable<T> => (outcome === undefined ? EMPTY : of(outcome));

/** Adds work. What comes of it is told to who asks; a storage that finishes on the spot needs nobody to wait for it. */
const createCommit =
  (commits: GroupCommit, { fingerprint }: StoreParts): CommitContext['commit'] =>
  <T>({ changes, metadata, durable, stored }: CommitRequest, outcome?: T): Observable<T> => {
    let told = null as AsyncSubject<T> | null;
    let settled = null as Observable<T> | null; // By calls that the compiler does not see.
    const done = (): void => {
      if (told === null) settled = emitOutcome(outcome);
      else {
        if (outcome !== undefined) told.next(outcome);
        told.complete();
      }
    };
    const failed = (thrown: unknown): void => {
      fingerprint.failed();
      if (told === null) settled = throwError(() => thrown);
      else told.error(thrown);
    };
    const marks = fingerprint.takeChanges();
    const all = marks.length === 0 ? changes : [...changes, ...marks];
    commits.add({ changes: all, metadata, durable, stored, done, failed });
    return settled ?? (told = new AsyncSubject<T>());
  };

export const createCommitContext = (parts: StoreParts): CommitContext => {
  const { storage, metadata: meta, objects, outbox } = parts;
  const changes = new Subject<ChangesByType>();
  const pending = createOutboxSizeTracker(
    { acknowledged: outbox.floor, bytes: meta.acknowledgedBytes },
    parts.waitingSizes,
  );
  const optimistic = optimisticStateOf(parts);
  let fresh: Changeset[] = [];
  let restart: readonly Changeset[] | undefined;
  const flushed = (): void => {
    if (restart) {
      outbox.confirmRestart(restart);
      pending.reset(restart.map(bytesOf));
      restart = undefined;
    }
    if (fresh.length > 0) appendStored(outbox, pending, fresh.splice(0), optimistic.isLocalOnly);
    const noted = objects.takeChanges();
    if (noted.size > 0) changes.next(noted);
  };
  const failed = (): void => {
    objects.unstage();
    rollBackOptimistic(optimistic, outbox, commits.metadata());
  };
  const commits = createGroupCommit(storage, meta, { flushed, failed });
  const added = createCommit(commits, parts);

  return {
    ...parts,
    get metadata() {
      return { ...commits.metadata(), replica: optimistic.replica };
    },
    optimistic,
    outboxSize: pending,
    touchedObjects: createTouchedObjects(outbox, parts.clock, () => optimistic.replica),
    durable: commits.metadata,
    commit: added,
    waitForCommits: (outcome) => (commits.isIdle() ? emitOutcome(outcome) : added(emptyRequest, outcome)),
    queuedChangesets: () => [...fresh, ...commits.queuedCommits().flatMap(({ changes }) => changesetsOf(changes))],
    resetOutbox: (changesets) => {
      restart = changesets;
      fresh = []; // They were stored under their old numbers, and are among these.
    },
    replaceInOutbox: (changesets) => {
      replaceStored(outbox, pending, changesets);
      fresh = replaceByVersion(fresh, changesets);
    },
    appendToOutbox: (changeset) => void fresh.push(changeset),
    changes$: changes.asObservable(),
    closed$: commits.closed$,
    checkOpen: commits.checkOpen,
    completeStreams: () => {
      changes.complete();
      pending.close();
      parts.rejectedList.close();
      parts.objects.setAside.close();
      outbox.close();
    },
  };
};
