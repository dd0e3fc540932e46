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
  write<R>(change: (tx: AnyTransaction) => Synchronous<R>): Promise<Written<R>>;
  retry(id: number, change?: (tx: AnyTransaction) => unknown): Promise<Written<unknown>>;
  get(type: string, key: string | number): object | undefined;
  objects(type: string, query?: object): readonly object[];
  objects$(type: string, query?: object): Observable<readonly object[]>;
  object$(type: string, key: string | number): Observable<object | undefined>;
  count$(type: string, query?: object): Observable<number>;
  changes$(type: string): Observable<TypeChanges>;
}

/** The transaction of an `AnyRealm`. Types, keys and values are checked at run time. */
export interface AnyTransaction {
  create(type: string, values: object): void;
  put(type: string, values: object): void;
  update(type: string, key: string | number, patch: object): void;
  delete(type: string, key: string | number): void;
  increment(type: string, key: string | number, property: string, by?: number): void;
  get(type: string, key: string | number): object | undefined;
  objects(type: string, query?: object): readonly object[];
}
