import { catchError, defer, type Observable, switchMap } from 'rxjs';
import { StorageTakenOverError } from '../../model/taken-over-error.js';
import type { LocalStore } from '../../store/store.js';
import { type MirroredViews, numberIn } from '../../store/subscriptions/mirrored-views.js';
import type { PendingEdit, SubscriptionsPort } from '../../store/subscriptions/view-parts.js';

export interface TabSubscriptionsPorts {
  readonly views: MirroredViews;
  /** The store while this tab leads, otherwise `null`; and its changes. */
  readonly store: () => LocalStore | null;
  readonly store$: Observable<LocalStore | null>;
  /** Sends the changes of this turn, when it is over. */
  readonly sendLater: () => void;
}

export type CreateTabPort = (ports: TabSubscriptionsPorts) => SubscriptionsPort;

/** Creates the subscriptions of a tab. The leader stores the changes, which is this tab or another one. */
export const createTabPort: CreateTabPort = ({ views, store, store$, sendLater }) => {
  const portOf = (lead: LocalStore | null): SubscriptionsPort => lead?.context.views?.subscriptions ?? views;
  const port = (): SubscriptionsPort => portOf(store());
  /** Another tab may take over the storage before the change is stored. Then that tab stores it. */
  const resendIfTaken = ({ stored$, calls }: PendingEdit): Observable<never> => {
    let resent$: Observable<never> | null = null;
    return stored$.pipe(
      catchError((thrown: unknown) => {
        if (!(thrown instanceof StorageTakenOverError)) throw thrown;
        resent$ ??= views.resend(calls);
        views.show();
        sendLater();
        return resent$;
      }),
    );
  };
  return {
    status$: store$.pipe(switchMap((lead) => portOf(lead).status$)),
    getStatus: () => port().getStatus(),
    edit: (change) => {
      if (store() === null) sendLater();
      const edited = port().edit(change);
      return { ...edited, stored$: defer(() => resendIfTaken(edited)) };
    },
    numberIn,
  };
};
