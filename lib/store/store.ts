import {
  AsyncSubject,
  concat,
  defer,
  EMPTY,
  filter,
  map,
  merge,
  type Observable,
  of,
  Subject,
  distinctUntilChanged,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { follow } from '../log/follow.js';
import type { Log } from '../log/log.js';
import { encodeOperations } from '../merge/operation.js';
import { encodeState } from '../merge/state.js';
import { lastInstant, nextInstant } from '../merge/stamp.js';
import { bytesOf, type Changeset, type Instant, type ServerChangeset } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkedKey } from '../model/kinds.js';
import { limits } from '../model/limits.js';
import type { Schema, Shapes } from '../model/schema.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { Storage, StorageChange } from '../storage/storage.js';
import { createCommits } from './commits.js';
import { merged } from './integrate.js';
import { objectKey } from './keys.js';
import type { Meta } from './meta.js';
import type { Changes, Objects, Touched, TypeChanges, View } from './objects.js';
import { createPending, type Outbox } from './pending.js';
import { answering, liveObjects } from './queries.js';
import { draft, shapeIn, type Transaction } from './transaction.js';

/** What a write comes to. */
export interface Written<R> {
  /** What its function returned. */
  readonly result: R;
  /** The client version it is part of: `session.uploadComplete$` passes it. */
  readonly version: Version;
}

/** A page of the history: changesets of others, and the server version up to which it covers everything. */
export interface HistoryPage {
  readonly changesets: readonly ServerChangeset[];
  readonly upTo: Version;
}

/** One realm's objects, durable before visible. Not typed by its schema: `client` puts the types on. */
export interface Store {
  /** Runs a transaction now and stores it. Eager: the stream only tells what came of it, once, and errors when nothing did. */
  readonly write: <R>(change: (tx: Transaction<Schema>) => R) => Observable<Written<R>>;
  readonly get: (type: string, key: Key) => View | undefined;
  readonly objects$: (type: string, query?: object) => Observable<readonly View[]>;
  readonly object$: (type: string, key: Key) => Observable<View | undefined>;
  readonly changes$: (type: string) => Observable<TypeChanges>;
  readonly seen: () => Version;
  readonly greeting$: Observable<Pick<Meta, 'replica' | 'history' | 'seen' | 'acknowledged'>>;
  readonly outbox$: Observable<Outbox>;
  readonly uploads: (after: Version, accepted$: Observable<Version>) => Observable<readonly Changeset[]>;
  readonly integrate: (page: HistoryPage) => Observable<never>;
  readonly acknowledge: (version: Version) => Observable<never>;
  readonly adopt: (history: string) => Observable<never>;
  /** Finishes what is under way and closes the storage; streams complete. */
  readonly close: () => Observable<never>;
}

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

export const objectPut = ({ type, key, state }: Touched): StorageChange => ({
  type: 'put',
  key: objectKey(type, key),
  value: encodeState(state),
});

const isThenable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

export const createStore = (parts: StoreParts): Store => {
  const { storage, shapes, clock, meta, objects, outbox } = parts;
  const changes = new Subject<Changes>();
  const pending = createPending(outbox.floor, parts.waiting);

  // What is on its way: the next write builds on it, and a failed batch takes all of it back.
  let written: Version = outbox.head;
  let seen: Version = meta.seen;
  let instant: Instant = meta.clock;
  let appended: Changeset[] = [];

  const commits = createCommits(storage, meta, {
    flushed: () => {
      const fresh = appended;
      appended = [];
      outbox.appended(outbox.head, fresh);
      if (fresh.length > 0) pending.appended(fresh.map(bytesOf));
      const taken = objects.taken();
      if (taken.size > 0) changes.next(taken);
    },
    failed: () => {
      appended = [];
      objects.unstage();
      written = outbox.head;
      ({ seen } = commits.meta());
    },
  });

  /** Adds a piece of work now; the stream completes when it is stored and readers know, or errors. */
  const added = (work: {
    readonly changes: readonly StorageChange[];
    readonly meta: Partial<Meta>;
    readonly durable: boolean;
    readonly stored: () => void;
  }): Observable<never> => {
    const outcome = new AsyncSubject<never>();
    commits.add({ ...work, done: () => outcome.complete(), failed: (thrown) => outcome.error(thrown) });
    return outcome;
  };

  const write = <R>(change: (tx: Transaction<Schema>) => R): Observable<Written<R>> => {
    const start = nextInstant(instant, clock.now());
    const work = draft(shapes, objects, start, meta.replica);
    let result: R;
    try {
      result = change(work.tx);
    } finally {
      work.end();
    }
    if (isThenable(result)) throw new InvalidArgumentError('write', 'a function that is not asynchronous', result);
    const { operations, touched } = work.end();
    if (operations.length === 0) return of({ result, version: written });

    const body = encodeOperations(operations);
    if (body.byteLength > limits.changesetBytesMax) {
      throw new InvalidArgumentError(
        'write',
        `at most ${limits.changesetBytesMax} bytes of changes in one transaction`,
        body.byteLength,
      );
    }
    const changeset: Changeset = { version: ++written, ...start, body };
    instant = lastInstant(start, operations.length);
    objects.stage(touched);
    const stored = added({
      changes: [...touched.map(objectPut), ...outbox.puts(changeset.version - 1, [changeset])],
      meta: { clock: instant },
      durable: true,
      stored: () => {
        objects.settle(touched);
        appended.push(changeset);
      },
    });
    return concat(stored, of({ result, version: changeset.version }));
  };

  const integrate = (page: HistoryPage): Observable<never> =>
    defer(() => {
      if (page.upTo <= seen) return EMPTY;
      const outcome = merged(shapes, objects, instant, page.changesets);
      instant = outcome.instant;
      seen = page.upTo;
      objects.stage(outcome.touched);
      return added({
        changes: outcome.touched.map(objectPut),
        meta: { clock: instant, seen: page.upTo },
        durable: false, // Lost in a power cut, it is downloaded again: the cursor is in the same batch.
        stored: () => objects.settle(outcome.touched),
      });
    });

  const trimmed = (upTo: Version): Observable<never> =>
    defer(() =>
      added({
        changes: outbox.trims(upTo),
        meta: { acknowledged: upTo },
        durable: false, // Forgotten in a power cut, the next bind says it again.
        stored: () => {
          outbox.trimmed(upTo);
          pending.acknowledged(upTo);
        },
      }),
    );

  const acknowledge = (version: Version): Observable<never> =>
    defer(() => {
      const { floor, head } = outbox;
      const upTo = Math.min(version, head);
      const steps = Math.max(0, Math.ceil((upTo - floor) / limits.trimEntriesMax));
      return concat(
        ...Array.from({ length: steps }, (_, step) =>
          trimmed(Math.min(upTo, floor + (step + 1) * limits.trimEntriesMax)),
        ),
      );
    });

  const keyIn = (type: string, given: unknown): Key => checkedKey(type, shapeIn(shapes, type).primaryKey.kind, given);

  return {
    write,
    integrate,
    acknowledge,
    adopt: (history) => defer(() => added({ changes: [], meta: { history }, durable: true, stored: () => undefined })),
    greeting$: defer(() =>
      of(commits.meta()).pipe(
        map(({ replica, history, seen: upTo, acknowledged }) => ({ replica, history, seen: upTo, acknowledged })),
      ),
    ),
    outbox$: pending.outbox$,
    uploads: (after, accepted$) =>
      follow(outbox, { after, done$: accepted$, pagesMax: limits.pagesInFlightMax }).pipe(
        map(({ entries }) => entries),
      ),
    seen: () => commits.meta().seen,
    get: (type, key) => objects.view(type, keyIn(type, key)),
    objects$: (type, query = {}) => {
      const shape = shapeIn(shapes, type);
      return liveObjects(objects, changes, shape, answering(shape, query));
    },
    object$: (type, given) => {
      const key = keyIn(type, given);
      return merge(
        defer(() => of(null)),
        changes.pipe(filter((all) => all.has(type))),
      ).pipe(
        map(() => objects.view(type, key)),
        distinctUntilChanged(),
      );
    },
    changes$: (type) => {
      shapeIn(shapes, type);
      return changes.pipe(
        map((all) => all.get(type)),
        filter((ofType) => ofType !== undefined),
      );
    },
    close: () =>
      concat(
        commits.closed$,
        defer(() => {
          changes.complete();
          pending.close();
          outbox.close();
          return storage.close();
        }),
      ),
  };
};
