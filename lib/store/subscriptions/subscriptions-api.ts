import {
  concat,
  distinctUntilChanged,
  filter,
  map,
  type Observable,
  type OperatorFunction,
  take,
  takeWhile,
  throwIfEmpty,
} from 'rxjs';
import { filterTextOf } from '../../filter/canonical-filter.js';
import { InvalidStateError, RealmClosedError } from '../../model/errors.js';
import type { Schema } from '../../model/schema.js';
import type { TypeName } from '../../model/schema-types.js';
import type { SubscriptionEdit, SubscriptionOptions, SubscriptionQuery } from './edit-subscriptions.js';
import { SubscriptionError } from './subscription-error.js';
import type { StoredSubscription } from './subscription-set.js';
import {
  type SubscriptionRejection,
  type SubscriptionState,
  subscriptionStateOf,
  type SubscriptionStatus,
  type ViewState,
  viewStateOf,
} from './subscription-state.js';
import type { PendingEdit, SubscriptionsPort } from './view-parts.js';

/**
 * One subscription of a realm.
 *
 * @see {@link Subscriptions.list$}
 */
export interface SubscriptionInfo {
  /** The name that the app has given; `null`: the subscription has none. */
  readonly name: string | null;
  /** The type of the objects. */
  readonly type: string;
  /** The conditions as a text for logs, in a form that is the same for all equal queries. */
  readonly conditions: string;
  /** When the subscription was added. */
  readonly createdAt: Date;
  /** When its query has last changed. */
  readonly updatedAt: Date;
  /** Whether its objects are here. */
  readonly state: SubscriptionState;
  /** The reason for which the server does not serve it; `null`: it has given none. */
  readonly rejection: SubscriptionRejection | null;
}

/** A subscription, as `add` returns it. Its streams are those of `SyncSubscription`. */
export interface SubscriptionHandle {
  readonly id: number;
  readonly name: string | null;
  readonly type: string;
  readonly state$: Observable<SubscriptionState>;
  readonly sync$: Observable<undefined>;
  readonly unsubscribe: () => PendingEdit;
}

/** The operations of apps on the subscriptions of a realm. Commands act at the call; their streams replay. */
export interface SubscriptionsApi {
  readonly list$: Observable<readonly SubscriptionInfo[]>;
  readonly state$: Observable<ViewState>;
  readonly sync$: Observable<undefined>;
  readonly version: () => number;
  readonly update: (change: (edit: SubscriptionEdit<Schema>) => unknown) => PendingEdit;
  readonly add: <T extends TypeName<Schema>>(
    type: T,
    query?: SubscriptionQuery<Schema, T>,
    options?: SubscriptionOptions,
  ) => SubscriptionHandle;
}

const infoOf = (status: SubscriptionStatus, { id, ...stored }: StoredSubscription): SubscriptionInfo => ({
  name: stored.name,
  type: stored.type,
  conditions: filterTextOf(stored.filter),
  createdAt: new Date(stored.createdAt),
  updatedAt: new Date(stored.updatedAt),
  state: subscriptionStateOf(status, id),
  rejection: status.rejections.get(id) ?? null,
});

const createClosedError = (): RealmClosedError =>
  new RealmClosedError('The realm was closed before the objects of the subscription had arrived.');

/** Emits `undefined` with the first state that is complete, and completes. Errors when the states end before. */
const waitUntilComplete: OperatorFunction<SubscriptionState, undefined> = (state$) =>
  state$.pipe(
    filter((state) => state === 'complete'),
    map(() => undefined),
    take(1),
    throwIfEmpty(createClosedError),
  );

/** Whether two lists say the same. */
const isSameList = (a: readonly SubscriptionInfo[], b: readonly SubscriptionInfo[]): boolean =>
  a.length === b.length &&
  a.every(({ name, type, conditions, state, rejection, updatedAt }, at) => {
    const other = b[at];
    return (
      name === other?.name &&
      type === other.type &&
      conditions === other.conditions &&
      state === other.state &&
      rejection?.code === other.rejection?.code &&
      updatedAt.getTime() === other.updatedAt.getTime()
    );
  });

const numberOf = ({ numberIn }: SubscriptionsPort, { set }: SubscriptionStatus, subscription: StoredSubscription) =>
  numberIn === undefined ? subscription.id : numberIn(set, subscription);

/** Emits the states of one subscription. Completes after `removed`. */
const followState = (port: SubscriptionsPort, subscription: StoredSubscription): Observable<SubscriptionState> =>
  port.status$.pipe(
    map((status) => subscriptionStateOf(status, numberOf(port, status, subscription))),
    distinctUntilChanged(),
    takeWhile((state) => state !== 'removed', true),
  );

/** Emits once the objects of a subscription are here, and completes. */
const waitForObjects = (port: SubscriptionsPort, subscription: StoredSubscription): Observable<undefined> =>
  port.status$.pipe(
    map((status) => {
      const id = numberOf(port, status, subscription);
      const state = subscriptionStateOf(status, id);
      if (state === 'rejected' || state === 'removed')
        throw new SubscriptionError(subscription, status.rejections.get(id) ?? null);
      return state;
    }),
    waitUntilComplete,
  );

const createHandle = (
  port: SubscriptionsPort,
  subscription: StoredSubscription,
  stored$: Observable<never>,
): SubscriptionHandle => {
  const { name, type } = subscription;
  const handle: SubscriptionHandle = {
    get id() {
      return numberOf(port, port.getStatus(), subscription);
    },
    ...{ name, type },
    state$: followState(port, subscription),
    sync$: concat(stored$, waitForObjects(port, subscription)),
    unsubscribe: () => port.edit((edit) => edit.remove(handle)),
  };
  return handle;
};

/** Creates the operations of apps. */
export const createSubscriptionsApi = (port: SubscriptionsPort): SubscriptionsApi => ({
  list$: port.status$.pipe(
    map((status) => status.set.subscriptions.map((each) => infoOf(status, each))),
    distinctUntilChanged(isSameList),
  ),
  state$: port.status$.pipe(map(viewStateOf), distinctUntilChanged()),
  sync$: port.status$.pipe(map(viewStateOf), waitUntilComplete),
  version: () => port.getStatus().set.version,
  update: port.edit,
  add: (type, query, options) => {
    const { found, stored$ } = port.edit((edit) => edit.set(type, query, options));
    const [subscription] = found;
    if (subscription === undefined) throw new InvalidStateError('Defect: the subscription was not added.');
    return createHandle(port, subscription, stored$);
  },
});
