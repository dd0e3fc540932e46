import { concat, defer, finalize, map, Observable, of, switchMap, take, type Subscription } from 'rxjs';
import type { Instant, Run } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import { SessionFailure } from '../server-errors.js';
import type { AcceptedRun, History, RejectionRecord, ReplicaRecord } from '../history/history.js';

/**
 * One replica of an open realm. Everybody who works for it shares this one record, or its changesets could go in twice.
 */
export interface Replica {
  readonly id: string;
  readonly user: string;
  /** The client version up to which its changesets are dealt with, durably: in the history, or refused. */
  accepted: Version;
  /** The stamp of the changeset `accepted`, and the run that wrote it, when there is one. */
  stamp: Instant | null;
  /** The stamp of its last operation, as far as it is known. */
  lastStamp: Instant | null;
  run: AcceptedRun | null;
  /** The runs that the session says which binds it: in one of them each changeset was written that it uploads. */
  announcedRuns: readonly Run[];
  /**
   * What was refused of it, until it acknowledges that. Why is kept in the history, and not in memory: that may be a
   * hundred reasons each.
   */
  readonly rejected: Set<Version>;
  /** The session that binds it and its uploads that are not settled. It is forgotten when none is left. */
  holdCount: number;
  /** Uploads that are not settled, and who waits for that. */
  uploadsPending: number;
  onSettled: (() => void)[];
  /** Ends the session that binds it; `null` when none does. */
  evict: (() => void) | null;
}

/** A session that binds a replica. */
export interface Holder {
  /** What is let go of with it. */
  readonly teardown: Subscription;
  /** Ends it: the same replica has been bound again, or something that it runs has failed. */
  readonly failed: (thrown: unknown) => void;
}

/** The replicas of an open realm that somebody works for. */
export interface Replicas {
  /**
   * Binds a replica until `teardown` is let go of: emits it once and completes; ties it to the user when it is seen for
   * the first time. The session that has it so far is told that it is replaced, and what it has uploaded is settled
   * first: nothing of this replica can come into the history any more that is not in there. Errors with `replica-taken`
   * when it is another user's.
   */
  readonly bind: (id: string, user: string, holder: Holder) => Observable<Replica>;
  /** Holds a replica for an upload, until that is settled. */
  readonly hold: (replica: Replica) => void;
  readonly release: (replica: Replica) => void;
}

const replicaOf = (
  id: string,
  { user, accepted, stamp, run }: Omit<ReplicaRecord, 'hasRejected'>,
  refused: readonly RejectionRecord[],
): Replica => ({
  id,
  user,
  accepted,
  stamp,
  lastStamp: stamp,
  run,
  announcedRuns: [],
  rejected: new Set(refused.map(({ version }) => version)),
  holdCount: 0,
  uploadsPending: 0,
  onSettled: [],
  evict: null,
});

const createReplacedError = (): SessionFailure =>
  new SessionFailure('replaced', 'the same replica has been bound again, here or on another connection', 'later');

const settleUpload = (replica: Replica): void => {
  replica.uploadsPending -= 1;
  if (replica.uploadsPending === 0) for (const settled of replica.onSettled.splice(0)) settled();
};

/** Emits a replica once and completes, when no upload of it is under way. */
const waitUntilSettled = (replica: Replica): Observable<Replica> =>
  replica.uploadsPending === 0
    ? of(replica)
    : new Observable((subscriber) => {
        replica.onSettled.push(() => {
          subscriber.next(replica);
          subscriber.complete();
        });
      });

export const createReplicas = (history: Pick<History, 'readReplica' | 'readRejected' | 'createReplica'>): Replicas => {
  const known = new Map<string, Replica>();

  const hold = (replica: Replica): void => {
    replica.holdCount += 1;
    known.set(replica.id, replica);
  };
  const release = (replica: Replica): void => {
    replica.holdCount -= 1;
    if (replica.holdCount === 0) known.delete(replica.id);
  };
  const heldDuring = (replica: Replica, work$: Observable<Replica>): Observable<Replica> =>
    defer(() => {
      hold(replica);
      return work$.pipe(finalize(() => release(replica)));
    });

  const refusedOf = (id: string, record: ReplicaRecord | null): Observable<readonly RejectionRecord[]> =>
    record?.hasRejected === true ? history.readRejected(id) : of([]);

  const found = (id: string, user: string): Observable<Replica> =>
    history.readReplica(id).pipe(
      switchMap((record) => refusedOf(id, record).pipe(map((refused) => ({ record, refused })))),
      switchMap(({ record, refused }) => {
        const replica = known.get(id); // Somebody else may have been quicker.
        if (replica !== undefined) return of(replica);
        if (record !== null) return of(replicaOf(id, record, refused));
        const first = replicaOf(id, { user, accepted: 0, stamp: null, run: null }, []);
        return heldDuring(first, concat(history.createReplica(id, user), of(first)));
      }),
    );

  const holding = (replica: Replica, user: string, { teardown, failed }: Holder): Replica => {
    if (replica.user !== user) throw new SessionFailure('replica-taken', 'this replica belongs to another user');
    hold(replica);
    replica.evict?.(); // The old session has to be gone before the new one has it.
    const evict = (): void => failed(createReplacedError());
    replica.evict = evict;
    teardown.add(() => {
      if (replica.evict === evict) replica.evict = null;
      release(replica);
    });
    return replica;
  };

  return {
    bind: (id, user, holder) =>
      defer(() => {
        const replica = known.get(id);
        return replica === undefined ? found(id, user) : of(replica);
      }).pipe(
        take(1),
        map((replica) => holding(replica, user, holder)),
        switchMap(waitUntilSettled),
      ),
    hold: (replica) => {
      replica.uploadsPending += 1;
      hold(replica);
    },
    release: (replica) => {
      settleUpload(replica);
      release(replica);
    },
  };
};
