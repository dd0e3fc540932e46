import { catchError, concat, defer, filter, map, type Observable, of, switchMap, take, timeout } from 'rxjs';
import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
import { userOf } from '../session/binding/token-claims.js';
import type { SessionStore } from '../session/state/session-store.js';
import type { Tokens } from '../session/binding/tokens.js';
import { createOtherUserError } from '../store/ownership/claim-owner.js';
import type { Store } from '../store/store.js';

/** What a client knows of its user. */
export interface UserIdentity {
  /**
   * The id of the user: as the app said it, or as the access token says it, which is waited for; `null`: neither says
   * it. Emits once and completes.
   */
  readonly user$: Observable<string | null>;
  /** The id of the user that the app said. */
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
          map((heard) => (heard.kind === 'token' ? { user: userOf(heard.token) } : null)),
          filter((found) => found !== null),
          take(1),
          map((found) => found.user),
        )
      : of(user.id),
  ),
});

/**
 * Ties a store to its realm and its user, as far as that is known: before anything in it is read or changed. Cold;
 * errors as `Store.own`.
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
      // It belongs to a user: so whose it is to be is waited for, though not for long, because there may be no network.
      return user$.pipe(
        timeout({ first: limits.userMsMax, scheduler: clock.scheduler }),
        catchError(() => of(null)),
      );
    }).pipe(switchMap((user) => store.claimOwner({ realm, user }, anyUser))),
  );

/**
 * Throws a `SyncError` `other-user` when a realm is known to belong to another user than the one who is logged in: what
 * is written in it would be sent as that user's.
 */
export const checkOwner = (
  { store, machine }: { readonly store: Pick<Store, 'isOwnedByOther'>; readonly machine: SessionStore | null },
  core: Pick<UserIdentity, 'userId'> | undefined,
): void => {
  const connection = machine?.getState().connection;
  const reason = connection?.state === 'disconnected' ? connection.reason : null;
  const isToldSo = reason?.kind === 'failed' && reason.code === 'other-user';
  if (isToldSo || store.isOwnedByOther(core?.userId() ?? null))
    throw createOtherUserError(
      'Nothing was written, because it would be sent as written by that user. Use a storage of its own for each user.',
    );
};
