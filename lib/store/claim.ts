import { defer, EMPTY, type Observable } from 'rxjs';
import { SyncError, TidemarkError } from '../model/errors.js';
import type { Desk } from './desk.js';
import { type Owner, ownerPut, userHash } from './owner.js';

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

export const otherUser = (what = 'Nothing was changed, and nothing of it was sent.'): SyncError =>
  new SyncError('other-user', `This copy of the realm belongs to another user. ${what}`);

/** What says whose a realm is to be. */
export interface Claim {
  readonly realm: string;
  /** `null`: not known. */
  readonly user: string | null;
}

/** Whether there is nothing in the realm that could be anybody's: it is new, or everything was discarded. */
const isBlank = ({ ahead, present, outbox, refusals }: Desk): boolean =>
  !present().bound && ahead.written === 0 && outbox.head === 0 && refusals.dump().length === 0;

/** Whether it is known to belong to another user than this one. */
export const isOthers = ({ realm, user }: Owner, id: string | null): boolean =>
  realm !== null && user !== null && id !== null && user !== userHash(realm, id);

/**
 * Ties a realm to its name on the server and to its user, each when it is first known. Errors with a `WrongRealmError` or a `SyncError`
 * `other-user`, having changed nothing, when it is tied to others. Durable when it completes. `anyUser`: another user may have it, and it stays tied to
 * the one before. Cold.
 */
export const claim = (desk: Desk, { realm, user }: Claim, anyUser = false): Observable<never> =>
  defer(() => {
    const { owner } = desk.present();
    const isAnother = owner.realm !== null && owner.realm !== realm;
    const isBlankNow = (isAnother || isOthers(owner, user)) && isBlank(desk); // A copy of nothing may become anything, and anybody's.
    if (isAnother && !isBlankNow) throw new WrongRealmError(owner.realm, realm);
    if (isOthers(owner, user) && !isBlankNow) {
      if (anyUser) return EMPTY;
      throw otherUser();
    }
    const hash = user === null ? null : userHash(realm, user);
    const next: Owner = { realm, user: isBlankNow ? hash : (owner.user ?? hash) };
    if (next.realm === owner.realm && next.user === owner.user) return EMPTY;
    return desk.added({ changes: [ownerPut(next)], meta: { owner: next }, durable: true, stored: () => undefined });
  });
