import { defer, EMPTY, type Observable } from 'rxjs';
import { SyncError, TidemarkError } from '../../model/errors.js';
import type { CommitContext } from '../commit/commit-context.js';
import { type Owner, toOwnerPut, hashUser } from './owner.js';

/** The storage holds another realm than the one that `openRealm` was asked for. Nothing was changed. */
export class WrongRealmError extends TidemarkError {
  override readonly name = 'WrongRealmError';
  readonly code = 'wrong-realm';
  constructor(
    /** The realm that the storage holds. */
    readonly stored: string,
    readonly asked: string,
  ) {
    super(
      `This storage holds the realm "${stored}", not "${asked}". Nothing was changed. Open the realm that it holds, or give the other one a storage of its own.`,
    );
  }
}

export const createOtherUserError = (what = 'Nothing was changed, and nothing of it was sent.'): SyncError =>
  new SyncError('other-user', `This copy of the realm belongs to another user. ${what}`);

/** What says whose a realm is to be. */
export interface OwnerClaim {
  readonly realm: string;
  /** `null`: not known. */
  readonly user: string | null;
}

/** Whether there is nothing in the realm that could be anybody's: it is new, or everything was discarded. */
const isBlank = ({ optimistic, durable, outbox, rejectedList }: CommitContext): boolean =>
  !durable().hasBeenBound && optimistic.written === 0 && outbox.head === 0 && rejectedList.dump().length === 0;

/** Whether it is known to belong to another user than this one. */
export const isOwnedByOther = ({ realm, user }: Owner, id: string | null): boolean =>
  realm !== null && user !== null && id !== null && user !== hashUser(realm, id);

/**
 * Ties a realm to its name on the server and to its user, each when it is first known. Errors with a `WrongRealmError`
 * or a `SyncError` `other-user`, having changed nothing, when it is tied to others. Durable when it completes.
 * `anyUser`: another user may have it, and it stays tied to the one before. Cold.
 */
export const claimOwner = (context: CommitContext, { realm, user }: OwnerClaim, anyUser = false): Observable<never> =>
  defer(() => {
    const { owner } = context.durable();
    const isAnother = owner.realm !== null && owner.realm !== realm;
    const isBlankNow = (isAnother || isOwnedByOther(owner, user)) && isBlank(context); // A copy of nothing may become anything, and anybody's.
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
