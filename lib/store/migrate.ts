import { EMPTY, ignoreElements, type Observable } from 'rxjs';
import { isAlive } from '../merge/object.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../model/errors.js';
import type { Schema } from '../model/schema.js';
import type { Key, Value } from '../model/value.js';
import type { Desk } from './desk.js';
import { misfitState } from '../merge/fit.js';
import { type Draft, type Transaction } from './transaction.js';
import { rawViewOf } from './views.js';
import { transact } from './write.js';

/** An object as an earlier version of the app left it: all of its properties as they are stored, dates as their milliseconds. */
export interface OldObject {
  readonly key: Key;
  readonly values: Readonly<Record<string, Value>>;
}

/** A realm as an earlier version of the app left it, types and properties that the new schema does not know included. */
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
const advice = 'Raise schemaVersion, and give a migrate function that changes what is stored.';

/** Throws a `SchemaError` for the first object that does not fit the schema, in a realm that was always local: only this app can mend it, so nothing is set aside. */
const refuseMisfits = ({ objects, present, shapes }: Desk, latest: Draft['sheet']['latest'] = objects.latest): void => {
  if (present().bound) return;
  for (const { type, key } of objects.setAside.all()) {
    const [shape, state] = [shapes.get(type), latest(type, key)];
    const misfit = shape && state ? misfitState(shape, key, state) : null;
    if (misfit !== null) throw new SchemaError({ type, key, ...misfit, received: misfit.stored, advice });
  }
};

/** A migration works on objects that do not fit yet. */
const withMisfits = (desk: Desk): Desk => ({ ...desk, objects: { ...desk.objects, misfit: () => null } });

const byKey = (a: OldObject, b: OldObject): number =>
  typeof a.key === typeof b.key ? (a.key < b.key ? -1 : 1) : typeof a.key === 'number' ? -1 : 1;

const oldRealm = ({ objects, present }: Desk, { sheet }: Draft): OldRealm & { readonly end: () => void } => {
  let open = true;
  const whileOpen = (): void => {
    if (!open) throw new RealmClosedError('This migration is over: use it only inside its function, synchronously.');
  };
  return {
    version: present().schemaVersion,
    objects: (type) => {
      whileOpen();
      return objects
        .all()
        .filter((each) => each.type === type)
        .flatMap(({ key }) => {
          const state = sheet.latest(type, key);
          return state && isAlive(state) ? [{ key, values: Object.freeze(rawViewOf(state)) }] : [];
        })
        .sort(byKey);
    },
    delete: (type, key) => {
      whileOpen();
      if (sheet.living(type, key)) sheet.perform({ kind: 'delete', type, key });
    },
    end: () => {
      open = false;
    },
  };
};

/**
 * Brings a realm to a version of the schema: runs `change` if its objects are of an earlier one, and notes the version in the same
 * batch. Emits nothing, completes when that is durable; errors, and has changed nothing, when `change` throws, when an object of a local realm does
 * not fit the schema afterwards, or when the realm was written by a later version of the app.
 */
export const migrate = (desk: Desk, version: number, change?: Migrate<Schema>): Observable<never> => {
  const { schemaVersion } = desk.present();
  if (schemaVersion > version) {
    const expected = `at least ${schemaVersion}: a later version of the app has written this realm`;
    throw new InvalidArgumentError('schemaVersion', expected, version);
  }
  if (schemaVersion === version) {
    refuseMisfits(desk);
    return EMPTY;
  }
  const isNew = desk.objects.size() === 0;
  const work = (draft: Draft): void => {
    // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- a function that is given may be asynchronous all the same
    const result: unknown = isNew || !change ? undefined : changed(draft, change);
    if (result === undefined) refuseMisfits(desk, draft.sheet.latest);
    return result as undefined; // Whoever runs it refuses what is asynchronous.
  };
  const changed = (draft: Draft, change: Migrate<Schema>): void => {
    const old = oldRealm(desk, draft);
    try {
      // eslint-disable-next-line @typescript-eslint/no-confusing-void-expression -- a function that is given may be asynchronous all the same
      return change(draft.tx, old);
    } finally {
      old.end();
    }
  };
  return transact(withMisfits(desk), work, {
    changes: [],
    stored: () => undefined,
    meta: { schemaVersion: version },
    isDivisible: true,
  }).pipe(ignoreElements());
};
