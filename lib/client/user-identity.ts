import { catchError, concat, defer, filter, map, type Observable, of, switchMap, take, timeout } from 'rxjs';
import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
import { userOf } from '../session/binding/token-claims.js';
import type { SessionStore } from '../session/state/session-store.js';
import type { Tokens } from '../session/binding/tokens.js';
import { createOtherUserError } from '../store/ownership/claim-owner.js';
import type { Store } from '../store/store.js';

/** The id of the user of a client, as far as it is known. */
export interface UserIdentity {
  /**
   * The id that the app gave or, once there is one, the id in the access token; `null` when neither has an id. Emits
   * once and completes.
   */
  readonly user$: Observable<string | null>;
  /** The id that the app gave; `null` when it gave none. */
  readonly userId: () => string | null;
}

export const createUserIdentity = (
  user: { readonly id: string | null },
  tokens: Pick<Tokens, 'take'>,
): UserIdentity => ({
  userId: () => user.id,
  user$: defer(() =>
    user.id === null
      ? tokens.take().pipe(
          map((taken) => (taken.kind === 'token' ? { user: userOf(taken.token) } : null)),
          filter((found) => found !== null),
          take(1),
          map((found) => found.user),
        )
      : of(user.id),
  ),
});

/**
 * Ties a store to its realm and its user, as far as they are known, before its data is read or changed. Cold; errors as
 * `Store.claimOwner`.
 */
export const claimStore = (
  store: Pick<Store, 'claimOwner' | 'isOwned'>,
  { user$, userId, clock }: UserIdentity & { readonly clock: Clock },
  { realmName: realm, anyUser }: { readonly realmName: string; readonly anyUser: boolean },
): Observable<never> =>
  concat(
    store.claimOwner({ realm, user: null }, anyUser),
    defer(() => {
      if (!store.isOwned() || anyUser) return of(userId());
      // The store belongs to a user: wait for the id of the present user, but only briefly, because there may be no
      // network.
      return user$.pipe(
        timeout({ first: limits.userMsMax, scheduler: clock.scheduler }),
        catchError(() => of(null)),
      );
    }).pipe(switchMap((user) => store.claimOwner({ realm, user }, anyUser))),
  );

/**
 * Throws a `SyncError` `other-user` when the realm is known to belong to another user. A new write would be uploaded as
 * that user.
 */
export const checkOwner = (
  store: Pick<Store, 'isOwnedByOther'>,
  session: Pick<SessionStore, 'getState'>,
  userId: string | null,
): void => {
  const { connection } = session.getState();
  const reason = connection.state === 'disconnected' ? connection.reason : null;
  const isRejectedAsOther = reason?.kind === 'failed' && reason.code === 'other-user';
  if (isRejectedAsOther || store.isOwnedByOther(userId))
    throw createOtherUserError(
      'Nothing was written, because the write would be uploaded as that user. Give each user a storage of their own.',
    );
};
