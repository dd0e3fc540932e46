import { EMPTY, ignoreElements, type Observable } from 'rxjs';
import { isAlive } from '../../merge/object-state.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../../model/errors.js';
import type { Schema } from '../../model/schema.js';
import type { Key, Value } from '../../model/value.js';
import type { CommitContext } from '../commit/commit-context.js';
import { findStateMismatch } from '../../merge/check-schema-fit.js';
import type { TransactionDraft } from '../transaction/transaction.js';
import type { Transaction } from '../transaction/transaction-api.js';
import { rawViewOf } from '../objects/object-view.js';
import { transact } from '../transaction/write.js';

/**
 * An object as an earlier version of the app stored it.
 *
 * @example
 * ```ts
 * const titles = old.objects('Task').map(({ values }) => String(values['title']));
 * ```
 */
export interface OldObject {
  /** The primary key of the object. */
  readonly key: Key;
  /** All properties in their stored form: a date is its milliseconds since the epoch. */
  readonly values: Readonly<Record<string, Value>>;
}

/**
 * A realm as an earlier version of the app stored it, including types and properties that the new schema lacks.
 *
 * @example
 * ```ts
 * const migrate: Migrate<typeof schema> = (tx, old) => {
 *   for (const { key, values } of old.objects('Task')) {
 *     tx.update('Task', String(key), { title: String(values['name']) });
 *   }
 * };
 * ```
 */
export interface OldRealm {
  /** The schema version that the realm was written with; 0 if the app gave none. */
  readonly version: number;
  /**
   * Returns the objects of a type, sorted by key.
   *
   * @param type - A type of any version of the schema.
   * @returns The objects, including the changes of this migration. Empty for a type that never existed.
   *
   * @example
   * ```ts
   * for (const { key } of old.objects('Draft')) old.delete('Draft', key);
   * ```
   */
  readonly objects: (type: string) => readonly OldObject[];
  /**
   * Deletes an object, or does nothing when it does not exist.
   *
   * @param type - The type of the object, which the new schema may lack.
   * @param key - The primary key of the object.
   *
   * @example
   * ```ts
   * old.delete('Draft', 'milk');
   * ```
   */
  readonly delete: (type: string, key: Key) => void;
}

/**
 * Adapts the objects of an earlier schema version to the new schema. The function runs synchronously, in one
 * transaction, when the storage has an earlier version and at least one object.
 *
 * @param tx - Reads and changes objects by the new schema.
 * @param old - Reads objects as they are stored, and deletes objects of any type.
 * @throws Every value that the function throws rejects `openRealm`. Nothing has changed then.
 *
 * @example
 * ```ts
 * const realm = await openRealm({ schema, storage: 'tasks', schemaVersion: 2, migrate: (tx, old) => {
 *   if (old.version < 2) for (const { key } of old.objects('Draft')) old.delete('Draft', key);
 * } });
 * ```
 */
export type Migrate<S extends Schema> = (tx: Transaction<S>, old: OldRealm) => void;

/** Advice for a local realm whose objects do not fit the schema. */
const misfitAdvice = 'Raise schemaVersion and pass a migrate function that changes the stored objects.';

/**
 * Throws a `SchemaError` for the first object of an always-local realm that does not fit the schema. Such objects are
 * not set aside, because no other app can change them so that they fit.
 */
const checkMisfits = (
  { objects, durable, shapes }: CommitContext,
  latest: TransactionDraft['overlay']['latestState'] = objects.latestState,
): void => {
  if (durable().hasBeenBound) return;
  for (const { type, key } of objects.setAside.all()) {
    const [shape, state] = [shapes.get(type), latest(type, key)];
    const misfit = shape && state ? findStateMismatch(shape, key, state) : null;
    if (misfit !== null) throw new SchemaError({ type, key, ...misfit, received: misfit.stored, advice: misfitAdvice });
  }
};

/** Lets a migration change objects that do not fit yet. */
const allowMisfits = (context: CommitContext): CommitContext => ({
  ...context,
  objects: { ...context.objects, misfit: () => null },
});

const compareByKey = (a: OldObject, b: OldObject): number =>
  typeof a.key === typeof b.key ? (a.key < b.key ? -1 : 1) : typeof a.key === 'number' ? -1 : 1;

const createOldRealm = (
  { objects, durable }: CommitContext,
  { overlay }: TransactionDraft,
): OldRealm & { readonly end: () => void } => {
  let open = true;
  const whileOpen = (): void => {
    if (!open) throw new RealmClosedError('This migration is over. Use it only inside its function, synchronously.');
  };
  return {
    version: durable().schemaVersion,
    objects: (type) => {
      whileOpen();
      return objects
        .listAllAsRemoved()
        .filter((each) => each.type === type)
        .flatMap(({ key }) => {
          const state = overlay.latestState(type, key);
          return state && isAlive(state) ? [{ key, values: Object.freeze(rawViewOf(state)) }] : [];
        })
        .sort(compareByKey);
    },
    delete: (type, key) => {
      whileOpen();
      if (overlay.visibleState(type, key)) overlay.perform({ kind: 'delete', type, key });
    },
    end: () => {
      open = false;
    },
  };
};

/**
 * Migrates a realm to a version of the schema. Runs `change` if the objects have an earlier version, and stores the new
 * version in the same batch. Emits nothing and completes when that is durable. Errors, with nothing changed, when
 * `change` throws, when an object of a local realm does not fit the schema afterwards, or when a later version of the
 * app has written the realm.
 */
export const migrate = (context: CommitContext, version: number, change?: Migrate<Schema>): Observable<never> => {
  const { schemaVersion } = context.durable();
  if (schemaVersion > version) {
    const expected = `at least ${schemaVersion}, because a later version of the app has written this realm`;
    throw new InvalidArgumentError('schemaVersion', expected, version);
  }
  if (schemaVersion === version) {
    checkMisfits(context);
    return EMPTY;
  }
  const isNew = context.objects.isEmpty();
  const work = (draft: TransactionDraft): void => {
    // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- it may be asynchronous
    const result: unknown = isNew || !change ? undefined : runMigration(draft, change);
    if (result === undefined) checkMisfits(context, draft.overlay.latestState);
    return result as undefined; // The caller rejects a promise.
  };
  const runMigration = (draft: TransactionDraft, change: Migrate<Schema>): void => {
    const old = createOldRealm(context, draft);
    try {
      // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- it may be asynchronous
      return change(draft.tx, old);
    } finally {
      old.end();
    }
  };
  return transact(allowMisfits(context), work, {
    changes: [],
    stored: () => undefined,
    metadata: { schemaVersion: version },
    isDivisible: true,
  }).pipe(ignoreElements());
};
