import { concat, defer, distinctUntilChanged, filter, map, type Observable } from 'rxjs';
import type { Instant, SetAsideObject } from '../model/changeset.js';
import type { ObjectSetAsideError } from '../model/errors.js';
import { checkKey } from '../model/value-types.js';
import type { Schema, TypeShape } from '../model/schema.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { StorageChange } from '../storage/storage.js';
import { becomeLocalOnly, joinIfLocal } from './sync/local-only.js';
import { createRejectedWritesApi, type RejectedWritesApi } from './rejected/rejected-writes-api.js';
import { type OwnerClaim, claimOwner, isOwnedByOther } from './ownership/claim-owner.js';
import type { CommitContext } from './commit/commit-context.js';
import { ownRecordsOf } from './own-records.js';
import { migrate, type Migrate } from './transfer/migrate.js';
import type { TypeChanges } from './objects/object-change.js';
import { setAsideErrorsOf } from './objects/set-aside-errors.js';
import { watchChanges, emitOncePerTurn, watchObjects, createQueryPlan } from './query/query.js';
import { type RealmStats, statsOf } from './transfer/stats.js';
import { createSyncApi, type SyncApi } from './sync/sync-api.js';
import type { SubscriptionsPort } from './subscriptions/view-parts.js';
import type { Transaction } from './transaction/transaction-api.js';
import { requireShape } from './transaction/transaction-context.js';
import type { View } from './objects/object-view.js';
import type { TransactionDraft } from './transaction/transaction.js';
import { transact, write, type Written } from './transaction/write.js';
import { queryResultOf } from './query/live-query.js';

/**
 * The reads of a realm. The streams are cold, emit the current value on subscription (except `changes$`) and complete
 * with the store. They error only with what a predicate of the app throws. Calls on a closed store throw a
 * `RealmClosedError`.
 */
export interface ReadApi {
  readonly get: (type: string, key: Key) => View | undefined;
  readonly objects: (type: string, query?: object) => readonly View[];
  readonly objects$: (type: string, query?: object) => Observable<readonly View[]>;
  readonly count$: (type: string, query?: object) => Observable<number>;
  readonly object$: (type: string, key: Key) => Observable<View | undefined>;
  readonly changes$: (type: string) => Observable<TypeChanges>;
}

/**
 * The objects of one realm that does not sync. Readers see a change after it is durable. Not typed by the schema: the
 * `client` folder adds the types.
 */
export interface LocalStore extends ReadApi, RejectedWritesApi {
  /**
   * Runs a transaction synchronously and stores it. The stream emits the result once when it is durable, or errors when
   * nothing was stored. Unsubscribing does not cancel the write.
   */
  readonly write: <R>(change: (tx: Transaction<Schema>) => R) => Observable<Written<R>>;
  /** Runs a transaction as `write` does, with access to its overlay. */
  readonly transact: <R>(work: (draft: TransactionDraft, now: Instant) => R) => Observable<Written<R>>;
  /**
   * The changes that would write everything in memory to an empty storage. `null` when the outbox is longer than the
   * part of it that is kept in memory.
   */
  readonly dump: () => readonly StorageChange[] | null;
  /**
   * Stops keeping changesets for a server until the realm joins one. For a realm that is opened without a server. Cold.
   */
  readonly becomeLocalOnly: () => Observable<never>;
  /** Migrates the objects to a version of the schema: see `migrate.ts`. Cold. */
  readonly migrate: (version: number, change?: Migrate<Schema>) => Observable<never>;
  /** For functions of which a realm has no method, so that bundles only have them when an app imports them. */
  readonly context: CommitContext;
  /**
   * The stored objects that this schema cannot show. Emits the current list, then each change. Never errors; completes
   * with the store.
   */
  readonly setAside$: Observable<readonly SetAsideObject[]>;
  readonly stats: () => RealmStats;
  /** Finishes pending commits and closes the storage. All streams of the store complete. */
  readonly close: () => Observable<never>;
}

/** The objects of one realm, with everything that a session needs. */
export interface Store extends LocalStore, SyncApi {
  /**
   * Downloaded part of the history, and its full size as the server last reported it. `ofBytes` is `null` before the
   * first bind.
   */
  readonly downloadProgress: () => {
    readonly version: Version;
    readonly bytes: number;
    readonly ofBytes: number | null;
  };
  /**
   * Prepares a local realm for its first server: puts all of its objects into the outbox. Call it before the session
   * starts. Cold.
   */
  readonly join: () => Observable<never>;
  /** Whether the realm is bound to a user. */
  readonly isOwned: () => boolean;
  /** Whether the realm belongs to a user other than `user`. `null` stands for an unknown user. */
  readonly isOwnedByOther: (user: string | null) => boolean;
  /** Binds the realm to its name on the server and to its user: see `claim-owner.ts`. Cold. */
  readonly claimOwner: (claim: OwnerClaim, anyUser: boolean) => Observable<never>;
  /** The errors to report for the objects that were set aside when the store was opened. Each is returned once. */
  readonly setAsideErrors: () => readonly ObjectSetAsideError[];
  /** The subscriptions of a realm that was opened with them; `null`: it was not. */
  readonly subscriptions: SubscriptionsPort | null;
}

/** Creates the reads of a realm. */
export const createReadApi = ({
  shapes,
  objects,
  changes$,
  checkOpen,
}: Pick<CommitContext, 'shapes' | 'objects' | 'changes$' | 'checkOpen'>): ReadApi => {
  const shapeOf = (type: string): TypeShape => {
    checkOpen();
    return requireShape(shapes, type);
  };
  const keyIn = (type: string, given: unknown): Key => checkKey(shapeOf(type), given);
  return {
    get: (type, key) => objects.view(type, keyIn(type, key)),
    objects: (type, query = {}) => queryResultOf(createQueryPlan(shapeOf(type), query), objects.views(type)),
    objects$: (type, query = {}) => {
      return watchObjects(objects, changes$, createQueryPlan(shapeOf(type), query));
    },
    count$: (type, query = {}) =>
      watchObjects(objects, changes$, createQueryPlan(shapeOf(type), query)).pipe(
        map(({ length }) => length),
        distinctUntilChanged(),
      ),
    object$: (type, given) => {
      const key = keyIn(type, given);
      return emitOncePerTurn(watchChanges(changes$, type)).pipe(
        map(() => objects.view(type, key)),
        distinctUntilChanged(),
      );
    },
    changes$: (type) => {
      shapeOf(type);
      return changes$.pipe(
        map((all) => all.get(type)),
        filter((ofType) => ofType !== undefined),
        map(({ inserted, modified, deleted, left }) => ({
          inserted: new Set(inserted),
          modified: new Set(modified),
          deleted: new Set(deleted),
          left: new Set(left),
        })),
      );
    },
  };
};

/** Creates the store of a realm that does not sync, without the code of a session. */
export const createLocalStore = (context: CommitContext): LocalStore => ({
  ...createReadApi(context),
  ...createRejectedWritesApi(context),
  write: (change) => write(context, change),
  transact: (work) => transact(context, work),
  dump: () => {
    const outbox = context.outbox.dump();
    return outbox && [...context.objects.dump(), ...outbox, ...ownRecordsOf(context)];
  },
  becomeLocalOnly: () => defer(() => becomeLocalOnly(context)),
  migrate: (version, change) => defer(() => migrate(context, version, change)),
  context,
  setAside$: context.objects.setAside.all$,
  stats: () => statsOf(context),
  close: () =>
    concat(
      context.closed$,
      defer(() => {
        context.completeStreams();
        return context.storage.close();
      }),
    ),
});

/** Creates the store of a realm that may sync. */
export const createStore = (context: CommitContext): Store => ({
  ...createLocalStore(context),
  ...createSyncApi(context),
  join: () => defer(() => joinIfLocal(context)),
  claimOwner: (claim, anyUser) => claimOwner(context, claim, anyUser),
  isOwned: () => context.durable().owner.user !== null,
  isOwnedByOther: (user) => isOwnedByOther(context.durable().owner, user),
  subscriptions: context.views?.subscriptions ?? null,
  setAsideErrors: () => setAsideErrorsOf(context.objects.setAside, context.objects.setAside.all()),
  downloadProgress: () => {
    const { downloadedTo, downloadedBytes, headBytes, history } = context.durable();
    return { version: downloadedTo, bytes: downloadedBytes, ofBytes: history === null ? null : headBytes };
  },
});
