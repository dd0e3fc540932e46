import type { Observable } from 'rxjs';
import type { Schema } from '../model/schema.js';
import type { Synchronous } from '../model/schema-types.js';
import type { TypeChanges } from '../store/objects/objects.js';
import type { Written } from '../store/transaction/write.js';
import type { Realm } from './realm.js';

type TypedMember = 'write' | 'retry' | 'get' | 'objects' | 'objects$' | 'object$' | 'count$' | 'changes$';

/**
 * A realm of any schema: the parameter type of a helper that works with every realm. Every `Realm<…>` is assignable to
 * it. Types, keys and objects are checked at run time.
 *
 * @example
 * ```ts
 * const size = (realm: AnyRealm, type: string) => realm.objects(type).length;
 * ```
 */
export interface AnyRealm extends Omit<Realm<Schema>, TypedMember> {
  // Methods, not properties: a method accepts realms of narrower types.
  /** Runs a transaction: see `Realm.write`. */
  write<R>(change: (tx: AnyTransaction) => Synchronous<R>): Promise<Written<R>>;
  /** Writes a rejected transaction again: see `Realm.retry`. */
  retry(id: number, change?: (tx: AnyTransaction) => unknown): Promise<Written<unknown>>;
  /** Returns one object, or `undefined` when it does not exist: see `Realm.get`. */
  get(type: string, key: string | number): object | undefined;
  /** Returns the objects that match a query: see `Realm.objects`. */
  objects(type: string, query?: object): readonly object[];
  /**
   * Observes the objects that match a query. Cold. Emits the result on subscription and after each change of it.
   * Completes when the realm is closed. Errors only with the value that a predicate of the app throws. Each value is
   * the whole result. See `Realm.objects$`.
   */
  objects$(type: string, query?: object): Observable<readonly object[]>;
  /**
   * Observes one object. Cold. Emits the object on subscription and after each change of it. Completes when the realm
   * is closed. Never errors. A value is `undefined` while the object does not exist. See `Realm.object$`.
   */
  object$(type: string, key: string | number): Observable<object | undefined>;
  /**
   * Observes the number of objects that match a query. Cold. Emits the number on subscription and after each change of
   * it. Completes when the realm is closed. Errors only with the value that a predicate of the app throws. Each value
   * is a count of objects. See `Realm.count$`.
   */
  count$(type: string, query?: object): Observable<number>;
  /**
   * Observes the changes of the objects of a type. Hot. Emits after each batch of changes. Completes when the realm is
   * closed. Never errors. Each value has sets of primary keys. See `Realm.changes$`.
   */
  changes$(type: string): Observable<TypeChanges>;
}

/**
 * The transaction of an `AnyRealm`. Types, keys and values are checked at run time.
 *
 * @example
 * ```ts
 * const rename = (realm: AnyRealm, key: string, title: string) =>
 *   realm.write((tx) => tx.update('Task', key, { title }));
 * ```
 */
export interface AnyTransaction {
  /** Creates an object: see `Transaction.create`. */
  create(type: string, values: object): void;
  /** Creates an object, or updates the existing one: see `Transaction.put`. */
  put(type: string, values: object): void;
  /** Changes some properties of an existing object: see `Transaction.update`. */
  update(type: string, key: string | number, patch: object): void;
  /** Deletes an existing object: see `Transaction.delete`. */
  delete(type: string, key: string | number): void;
  /** Adds a whole number to a counter, 1 by default: see `Transaction.increment`. */
  increment(type: string, key: string | number, property: string, by?: number): void;
  /** Returns one object, with the changes of this transaction: see `Transaction.get`. */
  get(type: string, key: string | number): object | undefined;
  /** Returns the objects that match a query, with the changes of this transaction: see `Transaction.objects`. */
  objects(type: string, query?: object): readonly object[];
}
