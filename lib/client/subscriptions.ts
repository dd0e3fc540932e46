import type { Observable } from 'rxjs';
import type { Schema } from '../model/schema.js';
import type { SubscriptionEdit } from '../store/subscriptions/edit-subscriptions.js';
import type { SubscriptionState, ViewState } from '../store/subscriptions/subscription-state.js';
import type { SubscriptionInfo } from '../store/subscriptions/subscriptions-api.js';

/**
 * The options of `createSubscriptions`. All fields are optional.
 *
 * @example
 * ```ts sketch
 * const subscriptions = createSubscriptions<typeof schema>({
 *   initial: (edit) => edit.set('Task', { where: { list: 'inbox' } }, { name: 'inbox' }),
 * });
 * ```
 */
export interface InitialSubscriptions<S extends Schema> {
  /**
   * Makes the first subscriptions, before the realm opens for the first time on this device. It must not be
   * asynchronous. If it throws, `openRealm` rejects with what it throws.
   *
   * @defaultValue none: the realm has no objects until it subscribes to some
   *
   * @param edit - Makes the changes.
   */
  // A method, so that `createSubscriptions()` fits every schema.
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- it is called without `this`
  initial?(this: void, edit: SubscriptionEdit<S>): unknown;
  /**
   * Whether `initial` runs whenever the realm opens, because its conditions depend on the time, for example.
   * Subscriptions that are there already stay as they are.
   *
   * @defaultValue `false`
   */
  readonly rerunOnOpen?: boolean;
}

/**
 * The option `subscriptions` of `openRealm`, from `createSubscriptions`. With it the realm holds only the objects that
 * it subscribes to; without it all objects.
 */
export interface RealmSubscriptions<S extends Schema> extends InitialSubscriptions<S> {
  /** Marks what `createSubscriptions` returns. */
  readonly kind: 'subscriptions';
}

/**
 * One subscription of a realm: it keeps the objects that match its query on this device.
 *
 * @see {@link Realm.subscribe}
 *
 * @example
 * ```ts sketch
 * const inbox = realm.subscribe('Task', { where: { list: 'inbox' } }, { name: 'inbox' });
 * await firstValueFrom(inbox.sync$);
 * ```
 */
export interface SyncSubscription {
  /**
   * Number of the subscription in its realm. Never used again. In a browser, negative in a tab that follows, until the
   * tab that leads has stored the subscription.
   */
  readonly id: number;
  /** The name that the app has given; `null`: it has given none. */
  readonly name: string | null;
  /** The type of the objects. */
  readonly type: string;
  /**
   * Observes whether the objects are here. Hot. Emits the present state on subscription, then each change. Completes
   * after `removed`, and when the realm is closed. Never errors.
   *
   * - `pending`: the server has not answered yet, also while the device is offline.
   * - `bootstrapping`: the server has answered, and the objects are on the way.
   * - `complete`: readers see exactly the objects that the server had, and follow them from then on.
   * - `rejected`: the server does not serve the subscription. `list$` has the reason.
   * - `removed`: the subscription was removed, or its name has another query now.
   */
  readonly state$: Observable<SubscriptionState>;
  /**
   * Waits for the objects. Cold. Emits `undefined` once and completes as soon as readers see all objects that the
   * server had: at once, also offline, if that was so before. Emits nothing while the device is offline. Errors with a
   * `SubscriptionError` when the subscription is rejected or removed, with a `StorageError` when it could not be
   * stored, and with a `RealmClosedError` when the realm is closed.
   */
  readonly sync$: Observable<undefined>;
  /**
   * Removes the subscription. Objects that no other subscription selects leave the device, each when nothing of it
   * waits to be uploaded.
   *
   * @returns A promise that resolves when the removal is stored on this device. It does not wait for the server.
   * @throws StorageError (as a rejection) when it cannot be stored. The subscription then stays.
   */
  readonly unsubscribe: () => Promise<void>;
}

/**
 * All subscriptions of a realm. They are stored with it.
 *
 * @see {@link Realm.subscriptions}
 *
 * @example
 * ```ts sketch
 * realm.subscriptions.state$.subscribe((state) => showSpinner(state !== 'complete'));
 * ```
 */
export interface Subscriptions<S extends Schema> {
  /**
   * Observes the subscriptions. Hot. Emits the present list on subscription, then after each change of it. Completes
   * when the realm is closed. Never errors. Each value is the whole list, in the order in which they were added.
   */
  readonly list$: Observable<readonly SubscriptionInfo[]>;
  /**
   * Observes whether the objects of all subscriptions are here. Hot. Emits the present state on subscription, then each
   * change. Completes when the realm is closed. Never errors. The states are those of `SyncSubscription.state$`.
   */
  readonly state$: Observable<ViewState>;
  /**
   * Waits for the objects of all subscriptions; if these are changed meanwhile, for those of the changed ones. Cold.
   * Emits `undefined` once and completes. Errors with a `RealmClosedError` when the realm is closed. Rejected
   * subscriptions are not waited for.
   */
  readonly sync$: Observable<undefined>;
  /** Number of the present set of subscriptions. It rises with each change, and stays where nothing changes. */
  readonly version: number;
  /**
   * Changes several subscriptions at once. Acts at the call.
   *
   * @param change - Makes the changes through its argument. It must not be asynchronous.
   * @returns A promise that resolves when the change is stored on this device. It does not wait for the server.
   * @throws InvalidArgumentError (as a rejection) for a query that a server cannot evaluate, and over a limit.
   * @throws StorageError (as a rejection) when the change cannot be stored.
   * @throws Every value that `change` throws (as a rejection). After any rejection nothing has changed.
   *
   * @example
   * ```ts sketch
   * await realm.subscriptions.update((edit) => {
   *   edit.clear('Task');
   *   edit.set('Task', { where: { list: { $in: ['inbox', 'today'] } } });
   * });
   * ```
   */
  readonly update: (change: (edit: SubscriptionEdit<S>) => unknown) => Promise<void>;
}
