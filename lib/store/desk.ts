import { AsyncSubject, EMPTY, type Observable, of, Subject, throwError } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Log } from '../log/log.js';
import { laterInstant } from '../merge/stamp.js';
import { bytesOf, type Changeset, type Instant, type WriteLimits } from '../model/changeset.js';
import type { Shapes } from '../model/schema.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageChange } from '../storage/storage.js';
import { type Commits, createCommits } from './commits.js';
import type { Fingerprint } from './fingerprint.js';
import type { Meta } from './meta.js';
import type { Changes, Objects } from './objects.js';
import { decodeChangeset, outboxEntries } from './outbox.js';
import { createPending, type Pending } from './pending.js';
import type { Refusals } from './refusals.js';
import { createTouching, type Touching } from './touching.js';
import type { StoredRun } from './runs.js';

/** What a store is made of, once it has been read from its storage. */
export interface StoreParts {
  readonly storage: Storage;
  readonly shapes: Shapes;
  readonly clock: Clock;
  /** The id of this opening of the storage: see `runs.ts`. */
  readonly run: string;
  readonly meta: Meta;
  readonly objects: Objects;
  readonly outbox: Log<Changeset>;
  readonly refusals: Refusals;
  readonly fingerprint: Fingerprint;
  /** What the server takes, as it last said. */
  readonly writeLimits: { now: WriteLimits };
  /** Sizes of what waits in the outbox. */
  readonly waiting: readonly number[];
}

/** A piece of work of the store. */
export interface Task {
  readonly changes: readonly StorageChange[];
  readonly meta: Partial<Meta>;
  readonly durable: boolean;
  readonly stored: () => void;
}

/** Where everything that changes a realm meets, in order. */
export interface Desk extends StoreParts {
  /** What is on its way, which the next piece of work builds on: a failed batch takes all of it back, but for the clock. `writing`: a transaction's function runs. */
  readonly ahead: {
    /** Another one than `present` has: a reset is on its way. */
    replica: string;
    written: Version;
    seen: Version;
    acknowledged: Version;
    refused: number;
    instant: Instant;
    /** As in `Meta`. */
    witnessed: Instant;
    offset: number;
    /** As in `Meta`. */
    runs: readonly StoredRun[];
    /** The last version of this replica that went out to a server, in this process. */
    handed: { readonly replica: string; readonly version: Version };
    /** What of this replica the server said last to have dealt with, up to a version, and before which time it has forgotten. */
    decided: { readonly replica: string; readonly version: Version; readonly horizon: number };
    writing: boolean;
    /** Whether there never was a server to keep changesets for: see `alone.ts`. */
    alone: boolean;
  };
  readonly pending: Pending;
  /** Which of what is stored in the outbox touches which objects. */
  readonly touching: Pick<Touching, 'changesets'>;
  readonly present: () => Meta;
  /** Adds work now. The stream emits what comes of it, if anything, and completes when it is stored and readers know; or errors, and nothing has changed. */
  readonly added: <T = never>(task: Task, outcome?: T) => Observable<T>;
  /** Emits an outcome, if there is one, and completes when all that is on its way by now is stored and readers know; errors when that failed. */
  readonly caughtUp: <T = never>(outcome?: T) => Observable<T>;
  /** Changesets whose batches are on their way, in order. */
  readonly underway: () => readonly Changeset[];
  /** The outbox has just been replaced by these, numbered from 1. */
  readonly restarted: (changesets: readonly Changeset[]) => void;
  /** These have just been stored in the place of those that had their versions. */
  readonly replaced: (changesets: readonly Changeset[]) => void;
  /** A changeset that has just been stored: followers of the outbox hear of a whole batch at once. */
  readonly appended: (changeset: Changeset) => void;
  /** What each batch did to the objects. Hot. */
  readonly changes$: Observable<Changes>;
  /** Completes when nothing is under way any more; then readers are let go. */
  readonly closed$: Observable<never>;
  readonly letGo: () => void;
  /** Throws a `RealmClosedError` when the store is closed or about to be. */
  readonly whileOpen: () => void;
}

/** What a piece of work puts into the outbox. */
const changesetsIn = (changes: readonly StorageChange[]): readonly Changeset[] =>
  changes.flatMap((change) =>
    change.type === 'put' && change.key.startsWith(outboxEntries) ? [decodeChangeset(change.value)] : [],
  );

const aheadOf = ({ meta, outbox }: StoreParts): Desk['ahead'] => ({
  replica: meta.replica,
  refused: meta.refused,
  written: outbox.head,
  seen: meta.seen,
  acknowledged: outbox.floor,
  instant: meta.clock,
  witnessed: meta.witnessed,
  offset: meta.offset,
  runs: meta.runs,
  handed: { replica: meta.replica, version: 0 },
  decided: { replica: meta.replica, version: 0, horizon: 0 },
  writing: false,
  alone: false,
});

/** A batch has failed: what is on its way is what is stored again. */
const takeBack = (ahead: Desk['ahead'], { head, floor }: Log<Changeset>, meta: Meta): void => {
  const { replica, seen, refused, witnessed, offset, runs, clock } = meta;
  Object.assign(ahead, { replica, seen, refused, witnessed, offset, runs, written: head, acknowledged: floor });
  ahead.instant = laterInstant(ahead.instant, clock); // What was to be stamped again is stamped as it was.
};

/** Changesets with some of their versions replaced. */
const inPlace = (all: readonly Changeset[], changed: readonly Changeset[]): Changeset[] => {
  const byVersion = new Map(changed.map((changeset) => [changeset.version, changeset]));
  return all.map((changeset) => byVersion.get(changeset.version) ?? changeset);
};

const replace = (outbox: Log<Changeset>, pending: Pending, changesets: readonly Changeset[]): void => {
  const known = changesets.filter(({ version }) => version <= outbox.head);
  outbox.replaced(known);
  pending.resized(known.map((changeset) => [changeset.version, bytesOf(changeset)]));
};

const grow = (outbox: Log<Changeset>, pending: Pending, changesets: readonly Changeset[], alone: boolean): void => {
  const upTo = changesets.at(-1)?.version ?? 0;
  if (alone) outbox.skipped(upTo);
  else outbox.appended(outbox.head, changesets);
  pending.appended(changesets.map(bytesOf));
  if (alone) pending.acknowledged(upTo);
};

const nothingToDo: Task = { changes: [], meta: {}, durable: false, stored: () => undefined };

const already = <T>(outcome?: T): Observable<T> => (outcome === undefined ? EMPTY : of(outcome));

/** Adds work. What comes of it is told to who asks; a storage that finishes on the spot needs nobody to wait for it. */
const adderTo =
  (commits: Commits, { fingerprint }: StoreParts): Desk['added'] =>
  <T>({ changes, meta, durable, stored }: Task, outcome?: T): Observable<T> => {
    let told = null as AsyncSubject<T> | null;
    let settled = null as Observable<T> | null; // By calls that the compiler does not see.
    const done = (): void => {
      if (told === null) settled = already(outcome);
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
    const marks = fingerprint.changes();
    const all = marks.length === 0 ? changes : [...changes, ...marks];
    commits.add({ changes: all, meta, durable, stored, done, failed });
    return settled ?? (told = new AsyncSubject<T>());
  };

export const createDesk = (parts: StoreParts): Desk => {
  const { storage, meta, objects, outbox } = parts;
  const changes = new Subject<Changes>();
  const pending = createPending({ acknowledged: outbox.floor, bytes: meta.acknowledgedBytes }, parts.waiting);
  const ahead = aheadOf(parts);
  let fresh: Changeset[] = [];
  let restart: readonly Changeset[] | undefined;
  const flushed = (): void => {
    if (restart) {
      outbox.restarted(restart);
      pending.restarted(restart.map(bytesOf));
      restart = undefined;
    }
    const changesets = fresh;
    fresh = [];
    if (changesets.length > 0) grow(outbox, pending, changesets, ahead.alone);
    const taken = objects.taken();
    if (taken.size > 0) changes.next(taken);
  };
  const failed = (): void => {
    objects.unstage();
    takeBack(ahead, outbox, commits.meta());
  };
  const commits = createCommits(storage, meta, { flushed, failed });

  const added = adderTo(commits, parts);

  return {
    ...parts,
    get meta() {
      return { ...commits.meta(), replica: ahead.replica };
    },
    ahead,
    pending,
    touching: createTouching(outbox, parts.clock, () => ahead.replica),
    present: commits.meta,
    added,
    caughtUp: (outcome) => (commits.isIdle() ? already(outcome) : added(nothingToDo, outcome)),
    underway: () => [...fresh, ...commits.underway().flatMap(({ changes }) => changesetsIn(changes))],
    restarted: (changesets) => {
      restart = changesets;
      fresh = []; // They were stored under their old numbers, and are among these.
    },
    replaced: (changesets) => {
      replace(outbox, pending, changesets);
      fresh = inPlace(fresh, changesets);
    },
    appended: (changeset) => void fresh.push(changeset),
    changes$: changes.asObservable(),
    closed$: commits.closed$,
    whileOpen: commits.whileOpen,
    letGo: () => {
      changes.complete();
      pending.close();
      parts.refusals.close();
      parts.objects.setAside.close();
      outbox.close();
    },
  };
};
