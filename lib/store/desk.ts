import { AsyncSubject, EMPTY, type Observable, of, Subject } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Log } from '../log/log.js';
import { bytesOf, type Changeset, type Instant } from '../model/changeset.js';
import type { Shapes } from '../model/schema.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageChange } from '../storage/storage.js';
import { createCommits } from './commits.js';
import type { Meta } from './meta.js';
import type { Changes, Objects } from './objects.js';
import { createPending, type Pending } from './pending.js';

/** What a store is made of, once it has been read from its storage. */
export interface StoreParts {
  readonly storage: Storage;
  readonly shapes: Shapes;
  readonly clock: Clock;
  readonly meta: Meta;
  readonly objects: Objects;
  readonly outbox: Log<Changeset>;
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
  readonly ahead: { written: Version; seen: Version; acknowledged: Version; instant: Instant; writing: boolean };
  readonly pending: Pending;
  readonly present: () => Meta;
  /** Adds work now. The stream emits what comes of it, if anything, and completes when it is stored and readers know; or errors, and nothing has changed. */
  readonly added: <T = never>(task: Task, outcome?: T) => Observable<T>;
  /** Emits an outcome, if there is one, and completes when all that is on its way by now is stored and readers know; errors when that failed. */
  readonly caughtUp: <T = never>(outcome?: T) => Observable<T>;
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

export const createDesk = (parts: StoreParts): Desk => {
  const { storage, meta, objects, outbox } = parts;
  const changes = new Subject<Changes>();
  const pending = createPending({ acknowledged: outbox.floor, bytes: meta.acknowledgedBytes }, parts.waiting);
  const ahead = {
    written: outbox.head,
    seen: meta.seen,
    acknowledged: outbox.floor,
    instant: meta.clock,
    writing: false,
  };
  let fresh: Changeset[] = [];

  const flushed = (): void => {
    const changesets = fresh;
    fresh = [];
    if (changesets.length > 0) {
      outbox.appended(outbox.head, changesets);
      pending.appended(changesets.map(bytesOf));
    }
    const taken = objects.taken();
    if (taken.size > 0) changes.next(taken);
  };
  const failed = (): void => {
    objects.unstage();
    ahead.written = outbox.head;
    ahead.seen = commits.meta().seen;
    ahead.acknowledged = outbox.floor;
  };
  const commits = createCommits(storage, meta, { flushed, failed });

  const added = <T>(task: Task, outcome?: T): Observable<T> => {
    const told = new AsyncSubject<T>();
    const done = (): void => {
      if (outcome !== undefined) told.next(outcome);
      told.complete();
    };
    commits.add({ ...task, done, failed: (thrown) => told.error(thrown) });
    return told;
  };

  return {
    ...parts,
    ahead,
    pending,
    present: commits.meta,
    added,
    caughtUp: <T>(outcome?: T) => {
      if (commits.isIdle()) return outcome === undefined ? EMPTY : of(outcome);
      return added({ changes: [], meta: {}, durable: false, stored: () => undefined }, outcome);
    },
    appended: (changeset) => void fresh.push(changeset),
    changes$: changes.asObservable(),
    closed$: commits.closed$,
    whileOpen: commits.whileOpen,
    letGo: () => {
      changes.complete();
      pending.close();
      outbox.close();
    },
  };
};
