import {
  concat,
  distinctUntilChanged,
  filter,
  isObservable,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  ReplaySubject,
  take,
  takeWhile,
} from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import { checkOptions } from '../model/limits.js';
import type { SubscriptionRejection, SubscriptionState, SyncSubscription } from '../index.js';
import { SubscriptionError } from '../index.js';

/**
 * The letters of the states of a subscription in diagrams such as `'p-b-c'`.
 *
 * @example
 * ```ts sketch
 * expectObservable(inbox.state$).toBe('p-b-c', subscriptionLetters);
 * ```
 */
export const subscriptionLetters = {
  p: 'pending',
  b: 'bootstrapping',
  c: 'complete',
  r: 'rejected',
  s: 'removed',
} as const satisfies Readonly<Record<string, SubscriptionState>>;

/**
 * The properties of a fake subscription besides its states. All fields are optional.
 *
 * @see {@link fakeSubscription}
 */
export interface FakeSubscriptionParts {
  /** The name of the subscription. Default: none. */
  readonly name?: string | null;
  /** The type of its objects. Default: `Task`. */
  readonly type?: string;
  /** The reason with which `sync$` errors after the state `rejected`. Default: `too-many-properties`. */
  readonly rejection?: SubscriptionRejection;
}

/**
 * A subscription without a realm and a server, for tests of components.
 *
 * @see {@link fakeSubscription}
 */
export interface FakeSubscription extends SyncSubscription {
  /** Whether `unsubscribe` was called. */
  readonly isUnsubscribed: boolean;
}

const defaultRejection: SubscriptionRejection = {
  code: 'too-many-properties',
  text: 'The filters of the realm name too many properties.',
};

/**
 * Creates a subscription of given states, for tests of components. `sync$` follows from them: it emits with `complete`,
 * and errors with `rejected` and `removed`. After `unsubscribe` the state is `removed`.
 *
 * @param state$ - The states. Stays `pending` when it is left out.
 * @param parts - The name, the type and the reason of a rejection.
 * @returns A subscription that remembers whether it was unsubscribed.
 * @throws InvalidArgumentError for an unknown part, and for a value that is not a stream.
 *
 * @example
 * ```ts sketch
 * const inbox = fakeSubscription(cold('p-b-c', subscriptionLetters), { name: 'inbox' });
 * ```
 */
export const fakeSubscription = (
  state$: Observable<SubscriptionState> = concat(of<SubscriptionState>('pending'), NEVER),
  parts: FakeSubscriptionParts = {},
): FakeSubscription => {
  if (!isObservable(state$)) throw new InvalidArgumentError('state$', 'an observable', state$);
  const {
    name = null,
    type = 'Task',
    rejection = defaultRejection,
  } = checkOptions('parts', parts, ['name', 'type', 'rejection']);
  const removals = new ReplaySubject<SubscriptionState>(1);
  let isUnsubscribed = false;
  const states$ = merge(state$, removals).pipe(
    distinctUntilChanged(),
    takeWhile((state) => state !== 'removed', true),
  );
  return {
    ...{ id: 1, name, type },
    state$: states$,
    sync$: states$.pipe(
      map((state) => {
        if (state === 'rejected' || state === 'removed')
          throw new SubscriptionError({ name, type }, state === 'rejected' ? rejection : null);
        return state;
      }),
      filter((state) => state === 'complete'),
      map(() => undefined),
      take(1),
    ),
    get isUnsubscribed() {
      return isUnsubscribed;
    },
    unsubscribe: () => {
      isUnsubscribed = true;
      removals.next('removed');
      return Promise.resolve();
    },
  };
};
