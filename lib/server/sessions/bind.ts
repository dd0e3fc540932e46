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

/** Whose a connection is, and what he takes. */
export interface ConnectionUser {
  readonly user: User;
  readonly usage: ConnectionUsage;
}

/** Somebody who may bind, with what they bind. */
export interface AcceptedBind {
  readonly realm: ServerRealm;
  readonly replica: Replica;
  readonly user: User;
  readonly access: Exclude<Access, 'none'>;
  /** The version whose objects it starts from; `null`: it goes on after what it has seen. */
  readonly snapshot: Version | null;
  /**
   * Set when the replica is a copy that has to hear of refused changesets before it ends: the client version up to
   * which it has what the history has. `null`: it is no copy.
   */
  readonly sharedVersion: Version | null;
}

export interface BindPorts {
  readonly authorize: Authorize;
  readonly realms: Pick<Realms, 'open'>;
  readonly holder: Holder;
}

/** Whether what a replica knows can be true of this history; throws when it cannot. */
const checkCursors = (
  { history: known, downloadedTo, acknowledged }: Bind,
  { history }: ServerRealm,
  { accepted }: Replica,
): void => {
  // Who starts over as the same replica still knows what was acknowledged.
  if (known === null && downloadedTo > 0) {
    throw new SessionFailure('bad-cursor', 'a replica that knows no history cannot have seen any of it');
  }
  if (known !== null && known !== history.id) {
    throw new SessionFailure('history-changed', 'the server has another history of this realm');
  }
  if (downloadedTo > history.log.head || acknowledged > accepted) {
    // A backup was restored: the history is the same one, but what came after the backup is gone.
    throw new SessionFailure('history-changed', 'the server has lost what this replica has from it');
  }
};

/** Forgets the refusals that a replica has heard of. */
const forgetAcknowledged = (
  { history }: ServerRealm,
  { id, rejected }: Replica,
  acknowledged: number,
): Observable<never> => {
  const known = [...rejected.keys()].filter((version) => version <= acknowledged);
  for (const version of known) rejected.delete(version);
  return known.length > 0 ? history.forgetRejected(id, known) : EMPTY;
};

/**
 * A copy is sent away, unless there are refused changesets that it has to hear of first: they would come back, or
 * vanish without a word.
 */
const acceptCopy = (
  { acknowledged }: Bind,
  admitted: Omit<AcceptedBind, 'snapshot' | 'sharedVersion'>,
  agreed: Version,
): AcceptedBind => {
  if (acceptedVersionOf(agreed, admitted.replica.rejected.keys(), acknowledged) >= agreed)
    throw new ReplicaCopiedError(agreed);
  return { ...admitted, snapshot: null, sharedVersion: agreed };
};

const openAndBind = (
  ports: BindPorts,
  bind: Bind,
  { user, usage }: ConnectionUser,
  access: Exclude<Access, 'none'>,
): Observable<AcceptedBind> => {
  const { realms, holder } = ports;
  usage.addSession(bind.realm, holder);
  return realms
    .open(bind.realm, { create: access === 'write', teardown: holder.teardown, makeRoom: usage.makeRoom })
    .pipe(
      switchMap((realm) =>
        realm.replicas.bind(bind.replica, user.id, holder).pipe(
          switchMap((replica) => {
            checkCursors(bind, realm, replica);
            const admitted = { realm, replica, user, access };
            return concat(
              forgetAcknowledged(realm, replica, bind.acknowledged),
              compareRuns(bind, replica, realm.history).pipe(
                switchMap((agreed) => {
                  if (agreed !== replica.accepted) return of(acceptCopy(bind, admitted, agreed));
                  replica.announcedRuns = bind.runs;
                  return realm.snapshots
                    .offer(replica.id, bind.downloadedTo)
                    .pipe(map((snapshot) => ({ ...admitted, snapshot, sharedVersion: null })));
                }),
              ),
            );
          }),
        ),
      ),
    );
};

/**
 * Lets a `bind` in: asks what its user may do with the realm, opens that, ties the replica to the user, and checks what
 * the replica says it knows. Emits once and completes; realm and replica are held until `holder.teardown` is let go of.
 * Errors with a `SessionFailure` for a no, and with `ReplicaCopiedError` for a copy.
 */
export const acceptBind = (
  ports: BindPorts,
  bind: Bind,
  known$: Observable<ConnectionUser>,
): Observable<AcceptedBind> =>
  defer(() => {
    if (!isRealmName(bind.realm)) throw new SessionFailure('no-such-realm', 'this cannot be the name of a realm');
    return known$;
  }).pipe(
    switchMap((known) => accessOf(ports.authorize, known.user, bind.realm).pipe(map((access) => ({ known, access })))),
    switchMap(({ known, access }) => {
      if (access === 'none')
        throw new SessionFailure('permission-denied', `this user may not read realm "${bind.realm}"`);
      return openAndBind(ports, bind, known, access);
    }),
    take(1),
  );
