import { concat, defer, distinctUntilChanged, filter, map, type Observable } from 'rxjs';
import type { SetAsideObject } from '../model/changeset.js';
import type { ObjectSetAsideError } from '../model/errors.js';
import { checkedKey } from '../model/kinds.js';
import type { Schema, TypeShape } from '../model/schema.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { StorageChange } from '../storage/storage.js';
import { alone, joining } from './alone.js';
import { refusedSide, type RefusedSide } from './decide.js';
import { type Claim, claim, isOthers } from './claim.js';
import { createDesk, type Desk, type StoreParts } from './desk.js';
import { exported } from './export.js';
import { importing, type ImportOptions, type Importing } from './import.js';
import { metaPut } from './meta.js';
import { migrate, type Migrate } from './migrate.js';
import { ownerPut } from './owner.js';
import type { TypeChanges } from './objects.js';
import { changesFromNow, inTurns, liveObjects, planOf } from './queries.js';
import { runsPut } from './runs.js';
import { type RealmStats, statsOf } from './stats.js';
import { syncSide, type SyncSide } from './sync.js';
import { shapeIn, type Transaction } from './transaction.js';
import type { View } from './views.js';
import { limitsPut } from './write-limits.js';
import { objectPut, write, type Written } from './write.js';
import { answerOf } from './standing.js';

/**
 * What apps read. The present value comes on subscription where there is one. The streams complete with the store and
 * never error, but for what a predicate of the app throws. Calls throw a `RealmClosedError` when the store is closed.
 */
export interface ReadSide {
  readonly get: (type: string, key: Key) => View | undefined;
  readonly objects: (type: string, query?: object) => readonly View[];
  readonly objects$: (type: string, query?: object) => Observable<readonly View[]>;
  readonly count$: (type: string, query?: object) => Observable<number>;
  readonly object$: (type: string, key: Key) => Observable<View | undefined>;
  readonly changes$: (type: string) => Observable<TypeChanges>;
}

/** One realm's objects, durable before visible. Not typed by its schema: `client` puts the types on. */
export interface Store extends ReadSide, SyncSide, RefusedSide {
  /** Runs a transaction now and stores it. Eager: the stream only tells what came of it, once, and errors when nothing did. */
  readonly write: <R>(change: (tx: Transaction<Schema>) => R) => Observable<Written<R>>;
  /** How much of the history is here, and of how much as the server last said; `ofBytes` is `null` before the first bind. */
  readonly downloaded: () => { readonly version: Version; readonly bytes: number; readonly ofBytes: number | null };
  /** Everything that is stored, as it is in memory: the changes that put it into an empty storage; `null` when the outbox is longer than what is kept of it in memory. */
  readonly dump: () => readonly StorageChange[] | null;
  /** Has it keep nothing for a server, until it is joined to one. For a realm that is opened without; cold. */
  readonly alone: () => Observable<never>;
  /** Has it tell its first server what it has, if it was local so far. Before its session starts; cold. */
  readonly join: () => Observable<never>;
  /** Whether it is tied to a user. */
  readonly isOwned: () => boolean;
  /** Whether it is known to belong to another user than this one; `null`: nobody is known. */
  readonly isOthers: (user: string | null) => boolean;
  /** Ties it to its name on the server and to its user: see `claim`. Cold. */
  readonly own: (claim: Claim, anyUser: boolean) => Observable<never>;
  /** Brings the objects to a version of the schema: see `migrate`. Cold. */
  readonly migrate: (version: number, change?: Migrate<Schema>) => Observable<never>;
  /** A line of JSON for each object, after a first one for their types, as they are on subscription. Cold. */
  readonly export: () => Observable<string>;
  /** Starts writing such lines. `whileOpen` is called before each transaction, and throws to end it. */
  readonly importing: (options: ImportOptions, whileOpen: () => void) => Importing;
  /** The objects that are stored and that this schema cannot show: the present ones, then every change. Never errors; completes with the store. */
  readonly setAside$: Observable<readonly SetAsideObject[]>;
  /** The errors to show of those that were set aside when the store was opened: once. */
  readonly setAsideErrors: () => readonly ObjectSetAsideError[];
  readonly stats: () => RealmStats;
  /** Finishes what is under way and closes the storage; streams complete. */
  readonly close: () => Observable<never>;
}

const readSide = ({ shapes, objects, changes$, whileOpen }: Desk): ReadSide => {
  const shapeOf = (type: string): TypeShape => {
    whileOpen();
    return shapeIn(shapes, type);
  };
  const keyIn = (type: string, given: unknown): Key => checkedKey(type, shapeOf(type).primaryKey.kind, given);
  return {
    get: (type, key) => objects.view(type, keyIn(type, key)),
    objects: (type, query = {}) => answerOf(planOf(shapeOf(type), query), objects.views(type)),
    objects$: (type, query = {}) => {
      return liveObjects(objects, changes$, planOf(shapeOf(type), query));
    },
    count$: (type, query = {}) =>
      liveObjects(objects, changes$, planOf(shapeOf(type), query)).pipe(
        map(({ length }) => length),
        distinctUntilChanged(),
      ),
    object$: (type, given) => {
      const key = keyIn(type, given);
      return inTurns(changesFromNow(changes$, type)).pipe(
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
  const desk = createDesk(parts);
  return {
    ...readSide(desk),
    ...syncSide(desk),
    ...refusedSide(desk),
    write: (change) => write(desk, change),
    dump: () => {
      const outbox = desk.outbox.dump();
      const { runs, owner } = desk.present();
      const own = [metaPut(desk.present()), limitsPut(desk.writeLimits.now), runsPut(runs), ownerPut(owner)];
      return outbox && [...desk.objects.stored().map(objectPut), ...outbox, ...desk.refusals.dump(), ...own];
    },
    alone: () => defer(() => alone(desk)),
    join: () => defer(() => joining(desk)),
    own: (who, anyUser) => claim(desk, who, anyUser),
    isOwned: () => desk.present().owner.user !== null,
    isOthers: (user) => isOthers(desk.present().owner, user),
    migrate: (version, change) => defer(() => migrate(desk, version, change)),
    export: () => exported(desk),
    importing: (options, whileOpen) => importing(desk, options, whileOpen),
    setAside$: desk.objects.setAside.all$,
    setAsideErrors: () => desk.objects.setAside.errorsOf(desk.objects.setAside.all()),
    stats: () => statsOf(desk),
    downloaded: () => {
      const { seen, seenBytes, headBytes, history } = desk.present();
      return { version: seen, bytes: seenBytes, ofBytes: history === null ? null : headBytes };
    },
    close: () =>
      concat(
        desk.closed$,
        defer(() => {
          desk.letGo();
          return parts.storage.close();
        }),
      ),
  };
};
