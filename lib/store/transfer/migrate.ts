import { EMPTY, ignoreElements, type Observable } from 'rxjs';
import { isAlive } from '../../merge/object-state.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../../model/errors.js';
import type { Schema } from '../../model/schema.js';
import type { Key, Value } from '../../model/value.js';
import type { CommitContext } from '../commit/commit-context.js';
import { findStateMismatch } from '../../merge/check-schema-fit.js';
import { type TransactionDraft, type Transaction } from '../transaction/transaction.js';
import { rawViewOf } from '../objects/object-view.js';
import { transact } from '../transaction/write.js';

/**
 * An object as an earlier version of the app left it: all of its properties as they are stored, dates as their
 * milliseconds.
 */
export interface OldObject {
  readonly key: Key;
  readonly values: Readonly<Record<string, Value>>;
}

/**
 * A realm as an earlier version of the app left it, types and properties that the new schema does not know included.
 */
export interface OldRealm {
  /** The version of the schema that it was written with; 0: none was given. */
  readonly version: number;
  /** The objects of a type in the order of their keys; none for a type that never was. */
  readonly objects: (type: string) => readonly OldObject[];
  /** Deletes an object, also of a type that the new schema does not know. */
  readonly delete: (type: string, key: Key) => void;
}

/** Makes what an earlier version of the app wrote fit the new schema: runs once, at once, in one transaction. */
export type Migrate<S extends Schema> = (tx: Transaction<S>, old: OldRealm) => void;

/** What is to be done about a local realm whose objects do not fit the schema. */
const misfitAdvice = 'Raise schemaVersion and pass a migrate function that changes the stored objects.';

/**
 * Throws a `SchemaError` for the first object that does not fit the schema, in a realm that was always local: only this
 * app can mend it, so nothing is set aside.
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

/** A migration works on objects that do not fit yet. */
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
 * Brings a realm to a version of the schema: runs `change` if its objects are of an earlier one, and notes the version
 * in the same batch. Emits nothing, completes when that is durable; errors, and has changed nothing, when `change`
 * throws, when an object of a local realm does not fit the schema afterwards, or when the realm was written by a later
 * version of the app.
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
  const isNew = context.objects.size() === 0;
  const work = (draft: TransactionDraft): void => {
    // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- a function that is given may be asynchronous all the same
    const result: unknown = isNew || !change ? undefined : changed(draft, change);
    if (result === undefined) checkMisfits(context, draft.overlay.latestState);
    return result as undefined; // Whoever runs it refuses what is asynchronous.
  };
  const changed = (draft: TransactionDraft, change: Migrate<Schema>): void => {
    const old = createOldRealm(context, draft);
    try {
      // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- a function that is given may be asynchronous all the same
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
