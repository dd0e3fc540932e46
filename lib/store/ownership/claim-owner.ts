import { defer, EMPTY, type Observable } from 'rxjs';
import { SyncError, TidemarkError } from '../../model/errors.js';
import type { CommitContext } from '../commit/commit-context.js';
import { type Owner, toOwnerPut, hashUser } from './owner.js';

/**
 * The storage holds another realm than the one that `openRealm` was called with. Nothing was changed.
 *
 * @example
 * ```ts
 * if (error instanceof WrongRealmError) console.error(`This storage holds ${error.stored}.`);
 * ```
 */
export class WrongRealmError extends TidemarkError {
  override readonly name = 'WrongRealmError';
  readonly code = 'wrong-realm';
  constructor(
    /** Name of the realm in the storage. */
    readonly stored: string,
    /** Name of the realm that `openRealm` was called with. */
    readonly requested: string,
  ) {
    super(
      `This storage holds the realm "${stored}", not "${requested}". Nothing was changed. Open the realm that it holds, or give the other one a storage of its own.`,
    );
  }
}

export const createOtherUserError = (what = 'Nothing was changed, and nothing of it was sent.'): SyncError =>
  new SyncError('other-user', `This copy of the realm belongs to another user. ${what}`);

/** The realm name and user to which a copy is bound. */
export interface OwnerClaim {
  readonly realm: string;
  /** `null` if the user is not known. */
  readonly user: string | null;
}

/** Whether the realm has no data that could belong to a user: it is new, or everything was discarded. */
const isBlank = ({ optimistic, durable, outbox, rejectedList }: CommitContext): boolean =>
  !durable().hasBeenBound && optimistic.written === 0 && outbox.head === 0 && rejectedList.dump().length === 0;

/** Whether the copy belongs to a user other than `id`. */
export const isOwnedByOther = ({ realm, user }: Owner, id: string | null): boolean =>
  realm !== null && user !== null && id !== null && user !== hashUser(realm, id);

/**
 * Binds a realm to its name on the server and to its user, each when it is first known. Completes when that is durable.
 * Cold.
 *
 * @param anyUser - Whether other users may open the realm too. It then stays bound to the first user.
 * @returns A stream that emits nothing. Errors with a `WrongRealmError` or a `SyncError` `other-user`, with nothing
 * changed, when the realm is bound to another name or user.
 */
export const claimOwner = (context: CommitContext, { realm, user }: OwnerClaim, anyUser = false): Observable<never> =>
  defer(() => {
    const { owner } = context.durable();
    const isAnother = owner.realm !== null && owner.realm !== realm;
    // An empty copy may become any realm of any user.
    const isBlankNow = (isAnother || isOwnedByOther(owner, user)) && isBlank(context);
    if (isAnother && !isBlankNow) throw new WrongRealmError(owner.realm, realm);
    if (isOwnedByOther(owner, user) && !isBlankNow) {
      if (anyUser) return EMPTY;
      throw createOtherUserError();
    }
    const hash = user === null ? null : hashUser(realm, user);
    const next: Owner = { realm, user: isBlankNow ? hash : (owner.user ?? hash) };
    if (next.realm === owner.realm && next.user === owner.user) return EMPTY;
    return context.commit({
      changes: [toOwnerPut(next)],
      metadata: { owner: next },
      durable: true,
      stored: () => undefined,
    });
  });
