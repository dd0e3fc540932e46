import { concat, defer, EMPTY, map, of, switchMap, take, type Observable } from 'rxjs';
import { isRealmName } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Bind } from '../protocol/messages.js';
import { rightOf, type Authorize, type Right, type User } from './access.js';
import { ReplicaCopied, SessionFailure } from './failure.js';
import type { Realm } from './realm.js';
import type { Realms } from './realms.js';
import { acceptedFor } from './refusals.js';
import type { Holder, Replica } from './replicas.js';
import { comparedRuns } from './runs.js';
import type { Usage } from './users.js';

/** Whose a connection is, and what he takes. */
export interface Known {
  readonly user: User;
  readonly usage: Usage;
}

/** Somebody who may bind, with what they bind. */
export interface Admission {
  readonly realm: Realm;
  readonly replica: Replica;
  readonly user: User;
  readonly right: Exclude<Right, 'none'>;
  /** The version whose objects it starts from; `null`: it goes on after what it has seen. */
  readonly snapshot: Version | null;
  /**
   * Set when the replica is a copy that has to hear of refused changesets before it ends: the client version up to which it has what the history
   * has. `null`: it is no copy.
   */
  readonly copied: Version | null;
}

export interface AdmissionPorts {
  readonly authorize: Authorize;
  readonly realms: Pick<Realms, 'open'>;
  readonly holder: Holder;
}

/** Whether what a replica knows can be true of this history; throws when it cannot. */
const checkCursors = (
  { history: known, seen, acknowledged }: Bind,
  { history }: Realm,
  { accepted }: Replica,
): void => {
  // Who starts over as the same replica still knows what was acknowledged.
  if (known === null && seen > 0) {
    throw new SessionFailure('bad-cursor', 'a replica that knows no history cannot have seen any of it');
  }
  if (known !== null && known !== history.id) {
    throw new SessionFailure('history-changed', 'the server has another history of this realm');
  }
  if (seen > history.log.head || acknowledged > accepted) {
    // A backup was restored: the history is the same one, but what came after the backup is gone.
    throw new SessionFailure('history-changed', 'the server has lost what this replica has from it');
  }
};

/** Forgets the refusals that a replica has heard of. */
const forgetting = ({ history }: Realm, { id, refused }: Replica, acknowledged: number): Observable<never> => {
  const known = [...refused.keys()].filter((version) => version <= acknowledged);
  for (const version of known) refused.delete(version);
  return known.length > 0 ? history.forget(id, known) : EMPTY;
};

/** A copy is sent away, unless there are refused changesets that it has to hear of first: they would come back, or vanish without a word. */
const copyOf = (
  { acknowledged }: Bind,
  admitted: Omit<Admission, 'snapshot' | 'copied'>,
  agreed: Version,
): Admission => {
  if (acceptedFor(agreed, admitted.replica.refused.keys(), acknowledged) >= agreed) throw new ReplicaCopied(agreed);
  return { ...admitted, snapshot: null, copied: agreed };
};

const held = (
  ports: AdmissionPorts,
  bind: Bind,
  { user, usage }: Known,
  right: Exclude<Right, 'none'>,
): Observable<Admission> => {
  const { realms, holder } = ports;
  usage.hold(bind.realm, holder);
  return realms.open(bind.realm, { make: right === 'write', held: holder.held, makeRoom: usage.makeRoom }).pipe(
    switchMap((realm) =>
      realm.replicas.bind(bind.replica, user.id, holder).pipe(
        switchMap((replica) => {
          checkCursors(bind, realm, replica);
          const admitted = { realm, replica, user, right };
          return concat(
            forgetting(realm, replica, bind.acknowledged),
            comparedRuns(bind, replica, realm.history).pipe(
              switchMap((agreed) => {
                if (agreed !== replica.accepted) return of(copyOf(bind, admitted, agreed));
                replica.told = bind.runs;
                return realm.snapshots
                  .offer(replica.id, bind.seen)
                  .pipe(map((snapshot) => ({ ...admitted, snapshot, copied: null })));
              }),
            ),
          );
        }),
      ),
    ),
  );
};

/**
 * Lets a `bind` in: asks what its user may do with the realm, opens that, ties the replica to the user, and checks what the
 * replica says it knows. Emits once and completes; realm and replica are held until `holder.held` is let go of. Errors with a
 * `SessionFailure` for a no, and with `ReplicaCopied` for a copy.
 */
export const admission = (ports: AdmissionPorts, bind: Bind, known$: Observable<Known>): Observable<Admission> =>
  defer(() => {
    if (!isRealmName(bind.realm)) throw new SessionFailure('no-such-realm', 'this cannot be the name of a realm');
    return known$;
  }).pipe(
    switchMap((known) => rightOf(ports.authorize, known.user, bind.realm).pipe(map((right) => ({ known, right })))),
    switchMap(({ known, right }) => {
      if (right === 'none')
        throw new SessionFailure('permission-denied', `this user may not read realm "${bind.realm}"`);
      return held(ports, bind, known, right);
    }),
    take(1),
  );
