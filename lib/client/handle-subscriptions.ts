import { concat, type Observable, of } from 'rxjs';
import { InvalidStateError } from '../model/errors.js';
import type { SubscriptionsApi } from '../store/subscriptions/subscriptions-api.js';
import type { PendingEdit } from '../store/subscriptions/view-parts.js';

/** The guards of a handle. They throw or reject when it is closed, and in the data of another user. */
export interface HandleGuards {
  readonly check: () => void;
  readonly toPromise: <R>(work: () => Observable<R>) => Promise<R>;
}

const createAbsentError = (): InvalidStateError =>
  new InvalidStateError(
    'This realm has no subscriptions, because it holds all objects. Pass the option subscriptions to openRealm.',
  );

const requireApi = (api: SubscriptionsApi | null): SubscriptionsApi => {
  if (api === null) throw createAbsentError();
  return api;
};

const waitUntilStored = ({ stored$ }: PendingEdit): Observable<undefined> => concat(stored$, of(undefined));

/** Returns `subscriptions` and `subscribe` of a handle. `api`: `null` in a realm without subscriptions. */
export const createHandleSubscriptions = (api: SubscriptionsApi | null, { check, toPromise }: HandleGuards) => ({
  subscriptions: {
    get list$() {
      return requireApi(api).list$;
    },
    get state$() {
      return requireApi(api).state$;
    },
    get sync$() {
      return requireApi(api).sync$;
    },
    get version() {
      return requireApi(api).version();
    },
    update: (change: never) => toPromise(() => waitUntilStored(requireApi(api).update(change))),
  },
  subscribe: (type: string, query?: never, options?: never) => {
    check();
    const added = requireApi(api).add(type, query, options);
    const { name, state$, sync$ } = added;
    return {
      get id() {
        return added.id;
      },
      ...{ name, type, state$, sync$ },
      unsubscribe: () => toPromise(() => waitUntilStored(added.unsubscribe())),
    };
  },
});
