import type { Observable } from 'rxjs';
import type { Schema } from '../model/schema.js';
import type { Synchronous } from '../model/schema-types.js';
import type { TypeChanges } from '../store/objects/object-change.js';
import type { Written } from '../store/transaction/write.js';
import type { Realm } from './realm.js';

type ReadMember = 'get' | 'objects' | 'objects$' | 'object$' | 'count$' | 'changes$';
type TypedMember = 'write' | 'retry' | 'subscribe' | 'subscriptions' | ReadMember;

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
  /**
   * Runs a transaction: see `Realm.write`.
   *
   * @param change - Makes the changes through its argument.
   * @returns A promise of the value that `change` returned and the client version.
   *
   * @example
   * ```ts
   * await realm.write((tx) => tx.delete('Task', 'milk'));
   * ```
   */
  write<R>(change: (tx: AnyTransaction) => Synchronous<R>): Promise<Written<R>>;
  /**
   * Writes a rejected transaction again: see `Realm.retry`.
   *
   * @param id - The `id` of the rejected transaction.
   * @param change - Makes other changes instead of those of the rejected transaction.
   * @returns A promise that resolves as that of `write`.
   *
   * @example
   * ```ts
   * await realm.retry(id);
   * ```
   */
  retry(id: number, change?: (tx: AnyTransaction) => unknown): Promise<Written<unknown>>;
  /**
   * Returns one object, or `undefined` when it does not exist: see `Realm.get`.
   *
   * @param type - The name of a type.
   * @param key - The primary key of the object.
   * @returns The frozen object, or `undefined`.
   *
   * @example
   * ```ts
   * const task = realm.get('Task', 'milk');
   * ```
   */
  get(type: string, key: string | number): object | undefined;
  /**
   * Returns the objects that match a query: see `Realm.objects`.
   *
   * @param type - The name of a type.
   * @param query - Filter, order and limit.
   * @returns The frozen objects.
   *
   * @example
   * ```ts
   * const tasks = realm.objects('Task', { limit: 10 });
   * ```
   */
  objects(type: string, query?: object): readonly object[];
  /**
   * Observes the objects that match a query. Cold. Emits the result on subscription and after each change of it.
   * Completes when the realm is closed. Errors only with the value that a predicate of the app throws. Each value is
   * the whole result. See `Realm.objects$`.
   *
   * @param type - The name of a type.
   * @param query - Filter, order and limit.
   * @returns A stream of frozen arrays of frozen objects.
   *
   * @example
   * ```ts
   * realm.objects$('Task').subscribe((tasks) => show(tasks));
   * ```
   */
  objects$(type: string, query?: object): Observable<readonly object[]>;
  /**
   * Observes one object. Cold. Emits the object on subscription and after each change of it. Completes when the realm
   * is closed. Never errors. A value is `undefined` while the object does not exist. See `Realm.object$`.
   *
   * @param type - The name of a type.
   * @param key - The primary key of the object.
   * @returns A stream of the frozen object or `undefined`.
   *
   * @example
   * ```ts
   * realm.object$('Task', 'milk').subscribe((task) => show(task));
   * ```
   */
  object$(type: string, key: string | number): Observable<object | undefined>;
  /**
   * Observes the number of objects that match a query. Cold. Emits the number on subscription and after each change of
   * it. Completes when the realm is closed. Errors only with the value that a predicate of the app throws. Each value
   * is a count of objects. See `Realm.count$`.
   *
   * @param type - The name of a type.
   * @param query - Filter, order and limit.
   * @returns A stream of counts of objects.
   *
   * @example
   * ```ts
   * realm.count$('Task').subscribe((count) => showBadge(count));
   * ```
   */
  count$(type: string, query?: object): Observable<number>;
  /**
   * Observes the changes of the objects of a type. Hot. Emits after each batch of changes. Completes when the realm is
   * closed. Never errors. Each value has sets of primary keys. See `Realm.changes$`.
   *
   * @param type - The name of a type.
   * @returns A stream of the sets of inserted, modified and deleted primary keys, and of those that have left.
   *
   * @example
   * ```ts
   * realm.changes$('Task').subscribe(({ deleted }) => show(deleted));
   * ```
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
  /**
   * Creates an object: see `Transaction.create`.
   *
   * @param type - The name of a type.
   * @param values - The properties.
   *
   * @example
   * ```ts
   * tx.create('Task', { id: 'milk', title: 'Buy milk' });
   * ```
   */
  create(type: string, values: object): void;
  /**
   * Creates an object, or updates the existing one: see `Transaction.put`.
   *
   * @param type - The name of a type.
   * @param values - The properties.
   *
   * @example
   * ```ts
   * tx.put('Task', { id: 'milk', title: 'Buy oat milk' });
   * ```
   */
  put(type: string, values: object): void;
  /**
   * Changes some properties of an existing object: see `Transaction.update`.
   *
   * @param type - The name of a type.
   * @param key - The primary key of the object.
   * @param patch - The new values of the properties.
   *
   * @example
   * ```ts
   * tx.update('Task', 'milk', { done: true });
   * ```
   */
  update(type: string, key: string | number, patch: object): void;
  /**
   * Deletes an existing object: see `Transaction.delete`.
   *
   * @param type - The name of a type.
   * @param key - The primary key of the object.
   *
   * @example
   * ```ts
   * tx.delete('Task', 'milk');
   * ```
   */
  delete(type: string, key: string | number): void;
  /**
   * Adds a whole number to a counter, 1 by default: see `Transaction.increment`.
   *
   * @param type - The name of a type.
   * @param key - The primary key of the object.
   * @param property - The name of the counter.
   * @param by - The number to add, 1 by default.
   *
   * @example
   * ```ts
   * tx.increment('Task', 'milk', 'votes');
   * ```
   */
  increment(type: string, key: string | number, property: string, by?: number): void;
  /**
   * Returns one object, with the changes of this transaction: see `Transaction.get`.
   *
   * @param type - The name of a type.
   * @param key - The primary key of the object.
   * @returns The frozen object, or `undefined`.
   *
   * @example
   * ```ts
   * const task = tx.get('Task', 'milk');
   * ```
   */
  get(type: string, key: string | number): object | undefined;
  /**
   * Returns the objects that match a query, with the changes of this transaction: see `Transaction.objects`.
   *
   * @param type - The name of a type.
   * @param query - Filter, order and limit.
   * @returns The frozen objects.
   *
   * @example
   * ```ts
   * const tasks = tx.objects('Task');
   * ```
   */
  objects(type: string, query?: object): readonly object[];
}
