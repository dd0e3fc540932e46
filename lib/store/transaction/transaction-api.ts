import type {
  CounterOf,
  DictionaryOf,
  ElementOf,
  KeyOf,
  ListOf,
  NewObject,
  ObjectOf,
  Patch,
  SetOf,
  TypeName,
} from '../../model/schema-types.js';
import type { Schema } from '../../model/schema.js';
import type { Query } from '../query/query.js';
import type { DictionaryEdit, ListEdit, SetEdit } from './collection-edits.js';

/**
 * Reads and changes objects inside `realm.write`. Reads see the changes of this transaction and of all earlier writes,
 * durable or not. All changes are applied together or, if the function throws, not at all.
 *
 * A transaction is usable only synchronously, until its function returns. Later calls throw a `RealmClosedError`.
 *
 * @example
 * ```ts
 * await realm.write((tx) => {
 *   tx.create('Task', { id: 'milk', title: 'Buy milk', done: false });
 *   tx.update('Task', 'bread', { done: true });
 * });
 * ```
 */
export interface Transaction<S extends Schema> {
  /**
   * Creates an object.
   *
   * @param type - A type of the schema.
   * @param values - The properties. Those that are left out get their default, `null`, 0 or an empty collection.
   * @throws SchemaError when an object with this key exists, for an unknown property, and for a value that does not fit
   * the schema.
   * @throws InvalidArgumentError for an unknown type.
   *
   * @example
   * ```ts
   * tx.create('Task', { id: 'milk', title: 'Buy milk' });
   * ```
   */
  readonly create: <T extends TypeName<S>>(type: T, values: NewObject<S, T>) => void;
  /**
   * Creates an object, or updates the existing one with the given properties. Properties that are left out, and
   * counters, keep their values.
   *
   * @param type - A type of the schema.
   * @param values - The properties, including the primary key.
   * @throws SchemaError for an unknown property, and for a value that does not fit the schema.
   * @throws InvalidArgumentError for an unknown type.
   *
   * @example
   * ```ts
   * tx.put('Task', { id: 'milk', title: 'Buy oat milk' });
   * ```
   */
  readonly put: <T extends TypeName<S>>(type: T, values: NewObject<S, T>) => void;
  /**
   * Changes some properties of an existing object. Writes only the difference, for collections element by element.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of the object.
   * @param patch - The new values of the properties.
   * @throws SchemaError when the object does not exist, for an unknown property, and for a value that does not fit the
   * schema.
   * @throws InvalidArgumentError for an unknown type.
   *
   * @example
   * ```ts
   * tx.update('Task', 'milk', { done: true });
   * ```
   */
  readonly update: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>, patch: Patch<S, T>) => void;
  /**
   * Deletes an existing object. An object that is set aside can be deleted, but not changed.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of the object.
   * @throws SchemaError when the object does not exist.
   * @throws InvalidArgumentError for an unknown type.
   *
   * @example
   * ```ts
   * tx.delete('Task', 'milk');
   * ```
   */
  readonly delete: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => void;
  /**
   * Adds a whole number to a counter. Concurrent increments by other devices are added too.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of the object.
   * @param property - The name of the counter.
   * @param by - The number to add, 1 by default. A negative number decreases the counter.
   * @throws SchemaError when the object does not exist, or the sum is not a safe integer.
   * @throws InvalidArgumentError for an unknown type or counter, and when `by` is not a whole number.
   *
   * @example
   * ```ts
   * tx.increment('Task', 'milk', 'votes');
   * ```
   */
  readonly increment: <T extends TypeName<S>>(
    type: T,
    key: KeyOf<S, T>,
    property: CounterOf<S, T>,
    by?: number,
  ) => void;
  /**
   * Returns an object that changes a list.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of an existing object.
   * @param property - The name of the list.
   * @returns The changes of this list, until the transaction ends.
   * @throws SchemaError when the object does not exist.
   * @throws InvalidArgumentError for an unknown type or list.
   *
   * @example
   * ```ts
   * tx.list('Recipe', 'tea', 'steps').push('boil water');
   * ```
   */
  readonly list: <T extends TypeName<S>, P extends ListOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => ListEdit<ElementOf<S, T, P>>;
  /**
   * Returns an object that changes a set.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of an existing object.
   * @param property - The name of the set.
   * @returns The changes of this set, until the transaction ends.
   * @throws SchemaError when the object does not exist.
   * @throws InvalidArgumentError for an unknown type or set.
   *
   * @example
   * ```ts
   * tx.set('Task', 'milk', 'tags').add('urgent');
   * ```
   */
  readonly set: <T extends TypeName<S>, P extends SetOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => SetEdit<ElementOf<S, T, P>>;
  /**
   * Returns an object that changes a dictionary.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of an existing object.
   * @param property - The name of the dictionary.
   * @returns The changes of this dictionary, until the transaction ends.
   * @throws SchemaError when the object does not exist.
   * @throws InvalidArgumentError for an unknown type or dictionary.
   *
   * @example
   * ```ts
   * tx.dictionary('Product', 'shirt', 'stock').set('M', 3);
   * ```
   */
  readonly dictionary: <T extends TypeName<S>, P extends DictionaryOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => DictionaryEdit<ElementOf<S, T, P>>;
  /**
   * Reads one object, with the changes of this transaction.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of the object.
   * @returns The object, frozen, or `undefined` when it does not exist.
   * @throws SchemaError for an invalid key.
   * @throws InvalidArgumentError for an unknown type.
   *
   * @example
   * ```ts
   * if (tx.get('Task', 'milk')?.done) tx.delete('Task', 'milk');
   * ```
   */
  readonly get: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => ObjectOf<S, T> | undefined;
  /**
   * Reads the objects that match a query, with the changes of this transaction. Reads every object of the type.
   *
   * @param type - A type of the schema.
   * @param query - Filter, order and limit. All objects in the order of their keys when it is left out.
   * @returns The objects, frozen.
   * @throws InvalidArgumentError for an unknown type or an invalid query.
   *
   * @example
   * ```ts
   * for (const { id } of tx.objects('Task', { where: { done: true } })) tx.delete('Task', id);
   * ```
   */
  readonly objects: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => readonly ObjectOf<S, T>[];
}
