import { concat, defer, distinctUntilChanged, filter, map, type Observable } from 'rxjs';
import type { SetAsideObject } from '../model/changeset.js';
import type { ObjectSetAsideError } from '../model/errors.js';
import { checkKey } from '../model/value-types.js';
import type { Schema, TypeShape } from '../model/schema.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { StorageChange } from '../storage/storage.js';
import { becomeLocalOnly, joinIfLocal } from './sync/local-only.js';
import { createRejectedWritesApi, type RejectedWritesApi } from './rejected/rejected-writes-api.js';
import { type OwnerClaim, claimOwner, isOwnedByOther } from './ownership/claim-owner.js';
import { createCommitContext, type CommitContext, type StoreParts } from './commit/commit-context.js';
import { exportLines } from './transfer/export.js';
import { createImporter, type ImportOptions, type Importer } from './transfer/import.js';
import { toMetadataPut } from './metadata.js';
import { migrate, type Migrate } from './transfer/migrate.js';
import { toOwnerPut } from './ownership/owner.js';
import type { TypeChanges } from './objects/objects.js';
import { watchChanges, emitOncePerTurn, watchObjects, createQueryPlan } from './query/query.js';
import { toRunsPut } from './ownership/replica-runs.js';
import { type RealmStats, statsOf } from './transfer/stats.js';
import { createSyncApi, type SyncApi } from './sync/apply-download.js';
import type { Transaction } from './transaction/transaction.js';
import { requireShape } from './transaction/transaction-context.js';
import type { View } from './objects/object-view.js';
import { toLimitsPut } from './transaction/write-limits.js';
import { toObjectPut, write, type Written } from './transaction/write.js';
import { queryResultOf } from './query/live-query.js';

/**
 * What apps read. The present value comes on subscription where there is one. The streams complete with the store and
 * never error, but for what a predicate of the app throws. Calls throw a `RealmClosedError` when the store is closed.
 */
export interface ReadApi {
  readonly get: (type: string, key: Key) => View | undefined;
  readonly objects: (type: string, query?: object) => readonly View[];
  readonly objects$: (type: string, query?: object) => Observable<readonly View[]>;
  readonly count$: (type: string, query?: object) => Observable<number>;
  readonly object$: (type: string, key: Key) => Observable<View | undefined>;
  readonly changes$: (type: string) => Observable<TypeChanges>;
}

/** One realm's objects, durable before visible. Not typed by its schema: `client` puts the types on. */
export interface Store extends ReadApi, SyncApi, RejectedWritesApi {
  /**
   * Runs a transaction now and stores it. Eager: the stream only tells what came of it, once, and errors when nothing
   * did.
   */
  readonly write: <R>(change: (tx: Transaction<Schema>) => R) => Observable<Written<R>>;
  /**
   * How much of the history is here, and of how much as the server last said; `ofBytes` is `null` before the first
   * bind.
   */
  readonly downloadProgress: () => {
    readonly version: Version;
    readonly bytes: number;
    readonly ofBytes: number | null;
  };
  /**
   * Everything that is stored, as it is in memory: the changes that put it into an empty storage; `null` when the
   * outbox is longer than what is kept of it in memory.
   */
  readonly dump: () => readonly StorageChange[] | null;
  /** Has it keep nothing for a server, until it is joined to one. For a realm that is opened without; cold. */
  readonly becomeLocalOnly: () => Observable<never>;
  /** Has it tell its first server what it has, if it was local so far. Before its session starts; cold. */
  readonly join: () => Observable<never>;
  /** Whether it is tied to a user. */
  readonly isOwned: () => boolean;
  /** Whether it is known to belong to another user than this one; `null`: nobody is known. */
  readonly isOwnedByOther: (user: string | null) => boolean;
  /** Ties it to its name on the server and to its user: see `claim`. Cold. */
  readonly claimOwner: (claim: OwnerClaim, anyUser: boolean) => Observable<never>;
  /** Brings the objects to a version of the schema: see `migrate`. Cold. */
  readonly migrate: (version: number, change?: Migrate<Schema>) => Observable<never>;
  /** A line of JSON for each object, after a first one for their types, as they are on subscription. Cold. */
  readonly export: () => Observable<string>;
  /** Starts writing such lines. `whileOpen` is called before each transaction, and throws to end it. */
  readonly createImporter: (options: ImportOptions, whileOpen: () => void) => Importer;
  /**
   * The objects that are stored and that this schema cannot show: the present ones, then every change. Never errors;
   * completes with the store.
   */
  readonly setAside$: Observable<readonly SetAsideObject[]>;
  /** The errors to show of those that were set aside when the store was opened: once. */
  readonly setAsideErrors: () => readonly ObjectSetAsideError[];
  readonly stats: () => RealmStats;
  /** Finishes what is under way and closes the storage; streams complete. */
  readonly close: () => Observable<never>;
}

const createReadApi = ({ shapes, objects, changes$, checkOpen }: CommitContext): ReadApi => {
  const shapeOf = (type: string): TypeShape => {
    checkOpen();
    return requireShape(shapes, type);
  };
  const keyIn = (type: string, given: unknown): Key => checkKey(type, shapeOf(type).primaryKey.kind, given);
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
        map(({ inserted, modified, deleted }) => ({
          inserted: new Set(inserted),
          modified: new Set(modified),
          deleted: new Set(deleted),
        })),
      );
    },
  };
};

export const createStore = (parts: StoreParts): Store => {
  const context = createCommitContext(parts);
  return {
    ...createReadApi(context),
    ...createSyncApi(context),
    ...createRejectedWritesApi(context),
    write: (change) => write(context, change),
    dump: () => {
      const outbox = context.outbox.dump();
      const { runs, owner } = context.durable();
      const own = [
        toMetadataPut(context.durable()),
        toLimitsPut(context.writeLimits.now),
        toRunsPut(runs),
        toOwnerPut(owner),
      ];
      return (
        outbox && [...context.objects.listStored().map(toObjectPut), ...outbox, ...context.rejectedList.dump(), ...own]
      );
    },
    becomeLocalOnly: () => defer(() => becomeLocalOnly(context)),
    join: () => defer(() => joinIfLocal(context)),
    claimOwner: (who, anyUser) => claimOwner(context, who, anyUser),
    isOwned: () => context.durable().owner.user !== null,
    isOwnedByOther: (user) => isOwnedByOther(context.durable().owner, user),
    migrate: (version, change) => defer(() => migrate(context, version, change)),
    export: () => exportLines(context),
    createImporter: (options, whileOpen) => createImporter(context, options, whileOpen),
    setAside$: context.objects.setAside.all$,
    setAsideErrors: () => context.objects.setAside.errorsOf(context.objects.setAside.all()),
    stats: () => statsOf(context),
    downloadProgress: () => {
      const { downloadedTo, downloadedBytes, headBytes, history } = context.durable();
      return { version: downloadedTo, bytes: downloadedBytes, ofBytes: history === null ? null : headBytes };
    },
    close: () =>
      concat(
        context.closed$,
        defer(() => {
          context.completeStreams();
          return parts.storage.close();
        }),
      ),
  };
};
