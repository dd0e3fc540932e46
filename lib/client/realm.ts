import type { Observable } from 'rxjs';
import type { SetAsideObject } from '../model/changeset.js';
import type { Option } from '../model/result.js';
import type { Schema } from '../model/schema.js';
import type { KeyOf, ObjectOf, Synchronous, TypeName } from '../model/schema-types.js';
import type { SyncSession } from '../session/api/sync-session.js';
import type { RejectedTransaction } from '../store/rejected/rejected-writes-api.js';
import type { TypeChanges } from '../store/objects/object-change.js';
import type { Query } from '../store/query/query.js';
import type { RealmStats } from '../store/transfer/stats.js';
import type { Written } from '../store/transaction/write.js';
import type { Transaction } from '../store/transaction/transaction-api.js';
import type { SubscriptionOptions, SubscriptionQuery } from '../store/subscriptions/edit-subscriptions.js';
import type { Subscriptions, SyncSubscription } from './subscriptions.js';

/**
 * A handle of an open realm. Reads and writes never wait for the network.
 *
 * Every method throws a `RealmClosedError` after `close`; those that return a promise reject with it.
 *
 * @example
 * ```ts
 * await realm.write((tx) => tx.create('Task', { id: 'milk', title: 'Buy milk', done: false }));
 * realm.objects$('Task', { where: { done: false } }).subscribe((tasks) => show(tasks));
 * await realm.close();
 * ```
 *
 * @see {@link openRealm}
 */
export interface Realm<S extends Schema, Session extends SyncSession | null = SyncSession | null> {
  /**
   * Runs a transaction synchronously and stores it. Later writes see its changes immediately, readers see them when
   * they are durable.
   *
   * @param change - Makes the changes through its argument. It must not be asynchronous.
   * @returns A promise that resolves when the transaction is durable on this device: with the value that `change`
   * returned and the client version of the transaction.
   * @throws SchemaError (as a rejection) when a change does not fit the schema.
   * @throws InvalidArgumentError (as a rejection) for an invalid argument, and for an asynchronous function.
   * @throws InvalidStateError (as a rejection) for a write inside another write.
   * @throws SyncError `other-user` (as a rejection) when the realm belongs to another user.
   * @throws WriteLimitError (as a rejection) when the transaction is larger than the server accepts.
   * @throws StorageError (as a rejection) when the transaction cannot be stored.
   * @throws Every value that `change` throws (as a rejection). After any rejection nothing has changed.
   *
   * @example
   * ```ts
   * const { result, version } = await realm.write((tx) => {
   *   tx.update('Task', 'milk', { done: true });
   *   return tx.objects('Task', { where: { done: false } }).length;
   * });
   * ```
   */
  readonly write: <R>(change: (tx: Transaction<S>) => Synchronous<R>) => Promise<Written<R>>;
  /**
   * Reads one object.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of the object.
   * @returns The object, frozen, or `undefined` when it does not exist. The result is the same instance until the
   * object changes.
   * @throws InvalidArgumentError for an unknown type.
   * @throws SchemaError for an invalid key.
   *
   * @example
   * ```ts
   * const title = realm.get('Task', 'milk')?.title;
   * ```
   */
  readonly get: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => ObjectOf<S, T> | undefined;
  /**
   * Reads the objects that match a query.
   *
   * @param type - A type of the schema.
   * @param query - Filter, order and limit. All objects in the order of their keys when it is left out.
   * @returns The objects. The array and the objects are frozen.
   * @throws InvalidArgumentError for an unknown type or an invalid query.
   *
   * @example
   * ```ts
   * const open = realm.objects('Task', { where: { done: false }, sort: { due: 1 }, limit: 10 });
   * ```
   */
  readonly objects: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => readonly ObjectOf<S, T>[];
  /**
   * Observes the objects that match a query. Cold: each subscription runs its own live query. Emits the result on
   * subscription, then at the end of every event-loop turn whose changes alter the result. Completes when the realm is
   * closed. Errors only with the value that a predicate of the app throws.
   *
   * @param type - A type of the schema.
   * @param query - Filter, order and limit. All objects in the order of their keys when it is left out.
   * @returns A stream of frozen arrays of frozen objects.
   * @throws InvalidArgumentError for an unknown type or an invalid query, at the call.
   *
   * @example
   * ```ts
   * realm.objects$('Task', { where: (task) => task.title !== '' }).subscribe((tasks) => show(tasks));
   * ```
   */
  readonly objects$: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => Observable<readonly ObjectOf<S, T>[]>;
  /**
   * Observes the number of objects that match a query. Cold. Emits the number on subscription, then at the end of every
   * event-loop turn whose changes alter the number. Completes when the realm is closed. Errors only with the value that
   * a predicate of the app throws.
   *
   * @param type - A type of the schema.
   * @param query - Filter, order and limit.
   * @returns A stream of counts of objects.
   * @throws InvalidArgumentError for an unknown type or an invalid query, at the call.
   *
   * @example
   * ```ts
   * realm.count$('Task', { where: { done: false } }).subscribe((count) => showBadge(count));
   * ```
   */
  readonly count$: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => Observable<number>;
  /**
   * Observes one object. Cold. Emits the object on subscription, then at the end of every event-loop turn that changes
   * it. Emits `undefined` while the object does not exist. Completes when the realm is closed. Never errors.
   *
   * @param type - A type of the schema.
   * @param key - The primary key of the object.
   * @returns A stream of the frozen object or `undefined`.
   * @throws InvalidArgumentError for an unknown type, at the call.
   * @throws SchemaError for an invalid key, at the call.
   *
   * @example
   * ```ts
   * realm.object$('Task', 'milk').subscribe((task) => show(task?.title ?? 'deleted'));
   * ```
   */
  readonly object$: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => Observable<ObjectOf<S, T> | undefined>;
  /**
   * Observes the changes of the objects of a type. Hot: emits nothing on subscription. Emits after each batch of local
   * or downloaded changes. Completes when the realm is closed. Never errors.
   *
   * @param type - A type of the schema.
   * @returns A stream of the sets of inserted, modified and deleted primary keys, and of those that have left.
   * @throws InvalidArgumentError for an unknown type, at the call.
   *
   * @example
   * ```ts
   * realm.changes$('Task').subscribe(({ deleted }) => deleted.forEach((key) => closeEditor(key)));
   * ```
   */
  readonly changes$: (type: TypeName<S>) => Observable<TypeChanges>;
  /**
   * Observes the rejected writes: transactions that the server did not accept. Hot. Emits the present list on
   * subscription, then after every change of it. Completes when the realm is closed. Never errors. Each value is the
   * whole list, at most the latest 10 000; older ones are deleted.
   *
   * A rejected write is rolled back on this device. It stays in the list, also after a restart, until `retry` or
   * `discard`.
   *
   * @example
   * ```ts
   * realm.rejectedWrites$.subscribe((all) => showBadge(all.length));
   * ```
   */
  readonly rejectedWrites$: Observable<readonly RejectedTransaction[]>;
  /**
   * Writes a rejected transaction again, based on the present objects. The transaction leaves `rejectedWrites$` when
   * the new write is durable.
   *
   * @param id - The `id` of the transaction in `rejectedWrites$`.
   * @param change - Makes other changes instead of those of the rejected transaction.
   * @returns A promise that resolves as that of `write`.
   * @throws InvalidArgumentError (as a rejection) when there is no rejected transaction with this id.
   * @throws The errors of `write` (as a rejection), for example when an object that the transaction changed does not
   * exist any more. The transaction then stays in the list.
   *
   * @example
   * ```ts
   * await realm.retry(id, (tx) => tx.update('Task', 'milk', { title: 'A shorter title' }));
   * ```
   */
  readonly retry: <R = undefined>(
    id: number,
    change?: (tx: Transaction<S>) => Synchronous<R>,
  ) => Promise<Written<R | undefined>>;
  /**
   * Removes a rejected transaction from `rejectedWrites$`.
   *
   * @param id - The `id` of the transaction in `rejectedWrites$`.
   * @returns A promise that resolves when the removal is durable.
   * @throws InvalidArgumentError (as a rejection) when there is no rejected transaction with this id.
   * @throws StorageError (as a rejection) when the removal cannot be stored. The transaction then stays in the list.
   *
   * @example
   * ```ts
   * await realm.discard(id);
   * ```
   */
  readonly discard: (id: number) => Promise<void>;
  /**
   * Keeps the objects that match a query on this device, until the subscription is removed. Acts at the call, and
   * stores the subscription with the realm. A subscription that exists already is left as it is, and its objects do not
   * come again. Only for a realm that was opened with the option `subscriptions`.
   *
   * @param type - A type of the schema.
   * @param query - The objects of the type. All when it is left out.
   * @param options - The name of the subscription.
   * @returns The subscription.
   * @throws InvalidArgumentError for an unknown type, for a query that a server cannot evaluate, and over a limit.
   * @throws InvalidStateError in a realm without subscriptions.
   *
   * @example
   * ```ts sketch
   * const inbox = realm.subscribe('Task', { where: { list: 'inbox' } }, { name: 'inbox' });
   * await firstValueFrom(inbox.sync$);
   * ```
   */
  readonly subscribe: <T extends TypeName<S>>(
    type: T,
    query?: SubscriptionQuery<S, T>,
    options?: SubscriptionOptions,
  ) => SyncSubscription;
  /**
   * All subscriptions of the realm. Its members throw an `InvalidStateError` in a realm that was opened without the
   * option `subscriptions`.
   *
   * @example
   * ```ts sketch
   * realm.subscriptions.state$.subscribe((state) => showSpinner(state !== 'complete'));
   * ```
   */
  readonly subscriptions: Subscriptions<S>;
  /**
   * Counts objects, tombstones, pending and rejected writes. Counts in memory, without a call of the storage.
   *
   * @returns The numbers at the time of the call.
   *
   * @example
   * ```ts
   * console.log(realm.stats().outbox.changesets);
   * ```
   */
  readonly stats: () => RealmStats;
  /**
   * Observes the objects that are set aside: they are stored, but do not fit the schema of this app, because another
   * version of the app wrote them. Hot. Emits the present list on subscription, then after every change of it.
   * Completes when the realm is closed. Never errors. Each value is the whole list.
   *
   * Readers do not see these objects. They sync and merge like all others, and become visible as soon as they fit. The
   * list of a local realm is always empty, because opening a local realm with such objects rejects with a
   * `SchemaError`.
   *
   * @example
   * ```ts
   * realm.setAside$.subscribe((all) => all.forEach(({ type, key, property }) => console.warn(type, key, property)));
   * ```
   */
  readonly setAside$: Observable<readonly SetAsideObject[]>;
  /**
   * Waits until readers see all changes that had arrived from the server at the call. Sends no request to the server;
   * `downloadComplete$` does, and after it `refresh` is not needed. Pages of a snapshot become visible with the last
   * one.
   *
   * @returns A promise that resolves at once while offline and in a local realm.
   *
   * @example
   * ```ts
   * await realm.refresh();
   * ```
   */
  readonly refresh: () => Promise<void>;
  /**
   * The session of the realm, the same for all handles; `none` for a local realm.
   *
   * @example
   * ```ts
   * if (isSome(realm.syncSession)) realm.syncSession.value.pause();
   * ```
   */
  readonly syncSession: Option<SyncSession>;
  /**
   * The session of the realm, the same for all handles; `null` for a local realm.
   *
   * @example
   * ```ts
   * realm.session?.connectionState$.subscribe((state) => showBanner(state));
   * ```
   */
  readonly session: Session;
  /**
   * Closes this handle. The last handle also ends the session, by its `stopPolicy`, and closes the storage. Closing a
   * closed handle does nothing.
   *
   * @returns A promise that resolves when the realm is closed, or when it stays open only to upload its last changes.
   *
   * @example
   * ```ts
   * await realm.close();
   * ```
   */
  readonly close: () => Promise<void>;
}
