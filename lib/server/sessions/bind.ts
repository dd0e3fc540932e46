import { concat, defer, EMPTY, map, of, switchMap, take, type Observable } from 'rxjs';
import { isRealmName } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { Bind } from '../../protocol/messages.js';
import { accessOf, type Authorize, type Access, type User } from '../auth/access.js';
import { ReplicaCopiedError, SessionFailure } from '../server-errors.js';
import type { ServerRealm } from '../realms/server-realm.js';
import type { Realms } from '../realms/realms.js';
import { acceptedVersionOf } from '../uploads/rejections.js';
import type { Holder, Replica } from '../realms/replicas.js';
import { compareRuns } from '../realms/accepted-runs.js';
import type { ConnectionUsage } from '../connections/user-limits.js';
import { acceptView, type AcceptedView } from '../views/plan-view.js';
import type { ScopeFilters } from '../scope/scope.js';
import type { EnteredScope } from '../scope/user-scopes.js';
import type { ScopeWatch } from '../scope/scope-watch.js';
import type { ServedScope } from '../scope/served-scope.js';

/** The user of a connection, and the connection's share in the limits of the user. */
export interface ConnectionUser {
  readonly user: User;
  readonly usage: ConnectionUsage;
}

/** An accepted `bind`: the user, with the realm and replica that are bound. */
export interface AcceptedBind {
  readonly realm: ServerRealm;
  readonly replica: Replica;
  readonly user: User;
  readonly access: Exclude<Access, 'none'>;
  /** The version of the snapshot that the replica starts from; `null` if it continues after `downloadedTo`. */
  readonly snapshot: Version | null;
  /**
   * Set if the replica is a copy that must learn of rejected changesets before its session ends: the client version up
   * to which it agrees with the history. `null` if it is not a copy.
   */
  readonly sharedVersion: Version | null;
  /** `null`: the replica has the whole realm. */
  readonly view: AcceptedView | null;
  /** The objects that the user may see; `null`: all. */
  readonly scope: ServedScope | null;
}

export interface BindPorts {
  readonly authorize: Authorize;
  readonly realms: Pick<Realms, 'open'>;
}

/** Checks that the cursors of a replica are possible in this history. Throws a `SessionFailure` if not. */
const checkCursors = (
  { history: historyId, downloadedTo, acknowledged }: Bind,
  { history }: ServerRealm,
  { accepted }: Replica,
): void => {
  // A replica that starts again under its old id still knows what was acknowledged.
  if (historyId === null && downloadedTo > 0) {
    throw new SessionFailure('bad-cursor', 'The replica names no history, but has downloaded changesets of one.');
  }
  if (historyId !== null && historyId !== history.id) {
    throw new SessionFailure('history-changed', 'The server has another history of this realm.');
  }
  if (downloadedTo > history.log.head || acknowledged > accepted) {
    // A backup was restored: the history is the same, but everything after the backup is lost.
    throw new SessionFailure(
      'history-changed',
      'The server has lost changesets that this replica has downloaded or uploaded.',
    );
  }
};

/** Throws a `SessionFailure` if a replica wants the whole realm, and its user may see a part. */
export const checkVisible = ({ realm, view }: Bind, isWhole: boolean): void => {
  if (isWhole || view !== undefined) return;
  throw new SessionFailure(
    'needs-subscriptions',
    `The user may see a part of realm "${realm}". The app must open it with subscriptions, and be updated if it has none.`,
  );
};

/** Deletes the rejections that a replica has acknowledged. */
const forgetAcknowledged = (
  { history }: ServerRealm,
  { id, rejected }: Replica,
  acknowledged: number,
): Observable<never> => {
  const acknowledgedVersions = [...rejected.keys()].filter((version) => version <= acknowledged);
  for (const version of acknowledgedVersions) rejected.delete(version);
  return acknowledgedVersions.length > 0 ? history.forgetRejected(id, acknowledgedVersions) : EMPTY;
};

/**
 * Rejects a copy, unless it must learn of rejected changesets first: otherwise the copy would upload them again, or
 * lose them without an error.
 */
const acceptCopy = ({ acknowledged }: Bind, accepted: AcceptedBind, sharedVersion: Version): AcceptedBind => {
  if (acceptedVersionOf(sharedVersion, accepted.replica.rejected.keys(), acknowledged) >= sharedVersion)
    throw new ReplicaCopiedError(sharedVersion);
  return { ...accepted, sharedVersion };
};

const wholeScope: EnteredScope = { scope: null, stored: null };

/** Notes the scope of a user. Emits once and completes. For a replica with the whole realm, nothing is read. */
const enterScope = (
  { scopes }: ServerRealm,
  { id: user }: User,
  filters: ScopeFilters,
  { view, downloadedTo }: Bind,
): Observable<EnteredScope> => {
  return view === undefined ? of(wholeScope) : scopes.enter(user, filters, { id: view.scope, downloadedTo });
};

const openAndBind = (
  { realms }: BindPorts,
  holder: Holder,
  bind: Bind,
  { user, usage }: ConnectionUser,
  access: Exclude<Access, 'none'>,
  filters: ScopeFilters,
): Observable<AcceptedBind> => {
  usage.addSession(bind.realm, holder);
  return realms
    .open(bind.realm, {
      create: access === 'write',
      teardown: holder.teardown,
      makeRoom: (isOpen) => usage.makeRoom(isOpen),
    })
    .pipe(
      switchMap((realm) =>
        realm.replicas.bind(bind.replica, user.id, holder).pipe(
          switchMap((replica) => enterScope(realm, user, filters, bind).pipe(map((entered) => ({ replica, entered })))),
          switchMap(({ replica, entered }) => {
            checkCursors(bind, realm, replica);
            const { view } = bind;
            // Without a spread, which takes four times the memory, for each of ten thousand sessions.
            const acceptedOf = (snapshot: Version | null): AcceptedBind => ({
              realm,
              replica,
              user,
              access,
              snapshot,
              sharedVersion: null,
              view: view === undefined ? null : acceptView(realm.history, view, bind.downloadedTo, entered),
              scope: entered.scope,
            });
            return concat(
              forgetAcknowledged(realm, replica, bind.acknowledged),
              compareRuns(bind, replica, realm.history).pipe(
                switchMap((agreed) => {
                  if (agreed !== replica.accepted) return of(acceptCopy(bind, acceptedOf(null), agreed));
                  replica.announcedRuns = bind.runs;
                  if (view !== undefined) return of(acceptedOf(null));
                  return realm.offerSnapshot(replica.id, bind.downloadedTo).pipe(map(acceptedOf));
                }),
              ),
            );
          }),
        ),
      ),
    );
};

/**
 * Accepts a `bind`: authorizes the user, opens the realm, ties the replica to the user, and checks the replica's
 * cursors. Emits once and completes. Realm and replica are held until `holder.teardown` is unsubscribed. Errors with a
 * `SessionFailure` if the bind is rejected, and with `ReplicaCopiedError` for a copy. `scopeWatch` is `null` if every
 * user may see all objects.
 */
export const acceptBind = (
  ports: BindPorts,
  holder: Holder,
  bind: Bind,
  user$: Observable<ConnectionUser>,
  scopeWatch: ScopeWatch | null,
): Observable<AcceptedBind> =>
  defer(() => {
    if (!isRealmName(bind.realm)) throw new SessionFailure('no-such-realm', 'The realm has an invalid name.');
    return user$;
  }).pipe(
    switchMap((known) => accessOf(ports.authorize, known.user, bind.realm).pipe(map((access) => ({ known, access })))),
    switchMap(({ known, access }) => {
      if (access === 'none')
        throw new SessionFailure('permission-denied', `The user may not read realm "${bind.realm}".`);
      return (scopeWatch?.begin(known.user) ?? of(null)).pipe(
        switchMap((filters) => {
          checkVisible(bind, filters === null);
          return openAndBind(ports, holder, bind, known, access, filters);
        }),
      );
    }),
    take(1),
  );
