import { concat, defer, finalize, map, Observable, of, switchMap, take, type Subscription } from 'rxjs';
import type { Instant, Run } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import { SessionFailure } from '../server-errors.js';
import type { AcceptedRun, History, RejectionRecord, ReplicaRecord } from '../history/history.js';

/**
 * One replica of an open realm. All sessions and uploads of a replica share one record; otherwise a changeset could be
 * written twice.
 */
export interface Replica {
  readonly id: string;
  readonly user: string;
  /** The client version up to which the replica's changesets are durably decided: in the history, or rejected. */
  accepted: Version;
  /** Stamp of the changeset `accepted`, and the run that wrote it, if it is in the history. */
  stamp: Instant | null;
  /** Stamp of the replica's last operation, as far as it is known. */
  lastStamp: Instant | null;
  run: AcceptedRun | null;
  /** The runs in the `bind` of the session. Each uploaded changeset was written in one of them. */
  announcedRuns: readonly Run[];
  /**
   * Client versions of rejected changesets that the replica has not acknowledged. The reasons, up to a hundred for
   * each, are kept in the history and not in memory.
   */
  readonly rejected: Set<Version>;
  /** Number of holders: the bound session and unsettled uploads. The record is removed when none is left. */
  holdCount: number;
  /** Number of unsettled uploads, and callbacks for the moment when none is left. */
  uploadsPending: number;
  onSettled: (() => void)[];
  /** Ends the session that has bound the replica; `null` if none has. */
  evict: (() => void) | null;
}

/** A session that binds a replica. */
export interface Holder {
  /** Unsubscribed when the session ends. */
  readonly teardown: Subscription;
  /** Ends the session: the replica was bound again, or work of the session has failed. */
  failed(thrown: unknown): void;
}

/** The replicas of an open realm that are held. */
export interface Replicas {
  /**
   * Binds a replica until `teardown` is unsubscribed. Emits it once and completes. The first bind ties it to the user.
   * The session that has it so far ends with `replaced`, and its uploads are settled first, so that no later write of
   * this replica can appear in the history. Errors with `replica-taken` if the replica belongs to another user.
   */
  bind(id: string, user: string, holder: Holder): Observable<Replica>;
  /** Holds a replica for an upload until that is settled. */
  hold(replica: Replica): void;
  release(replica: Replica): void;
}

type ReplicasHistory = Pick<History, 'readReplica' | 'readRejected' | 'createReplica'>;

const replicaOf = (
  id: string,
  { user, accepted, stamp, run }: Omit<ReplicaRecord, 'hasRejected'>,
  rejected: readonly RejectionRecord[],
): Replica => ({
  id,
  user,
  accepted,
  stamp,
  lastStamp: stamp,
  run,
  announcedRuns: [],
  rejected: new Set(rejected.map(({ version }) => version)),
  holdCount: 0,
  uploadsPending: 0,
  onSettled: [],
  evict: null,
});

const createReplacedError = (): SessionFailure =>
  new SessionFailure('replaced', 'The same replica was bound again, on this or another connection.', 'later');

const settleUpload = (replica: Replica): void => {
  replica.uploadsPending -= 1;
  if (replica.uploadsPending === 0) for (const settled of replica.onSettled.splice(0)) settled();
};

/** Emits a replica once and completes, as soon as it has no unsettled upload. */
const waitUntilSettled = (replica: Replica): Observable<Replica> =>
  replica.uploadsPending === 0
    ? of(replica)
    : new Observable((subscriber) => {
        replica.onSettled.push(() => {
          subscriber.next(replica);
          subscriber.complete();
        });
      });

/** A class, because a server has one for each open realm. */
class HeldReplicas implements Replicas {
  private readonly known = new Map<string, Replica>();

  constructor(private readonly history: ReplicasHistory) {}

  bind(id: string, user: string, holder: Holder): Observable<Replica> {
    return defer(() => {
      const replica = this.known.get(id);
      return replica === undefined ? this.findOrCreate(id, user) : of(replica);
    }).pipe(
      take(1),
      map((replica) => this.bindReplica(replica, user, holder)),
      switchMap(waitUntilSettled),
    );
  }

  hold(replica: Replica): void {
    replica.uploadsPending += 1;
    this.addHolder(replica);
  }

  release(replica: Replica): void {
    settleUpload(replica);
    this.removeHolder(replica);
  }

  private addHolder(replica: Replica): void {
    replica.holdCount += 1;
    this.known.set(replica.id, replica);
  }

  private removeHolder(replica: Replica): void {
    replica.holdCount -= 1;
    if (replica.holdCount === 0) this.known.delete(replica.id);
  }

  private readRejected(id: string, record: ReplicaRecord | null): Observable<readonly RejectionRecord[]> {
    return record?.hasRejected === true ? this.history.readRejected(id) : of([]);
  }

  private findOrCreate(id: string, user: string): Observable<Replica> {
    return this.history.readReplica(id).pipe(
      switchMap((record) => this.readRejected(id, record).pipe(map((rejected) => ({ record, rejected })))),
      switchMap(({ record, rejected }) => {
        const replica = this.known.get(id); // Another bind may have been faster.
        if (replica !== undefined) return of(replica);
        if (record !== null) return of(replicaOf(id, record, rejected));
        const first = replicaOf(id, { user, accepted: 0, stamp: null, run: null }, []);
        return this.holdDuring(first, concat(this.history.createReplica(id, user), of(first)));
      }),
    );
  }

  private holdDuring(replica: Replica, work$: Observable<Replica>): Observable<Replica> {
    return defer(() => {
      this.addHolder(replica);
      return work$.pipe(finalize(() => this.removeHolder(replica)));
    });
  }

  private bindReplica(replica: Replica, user: string, holder: Holder): Replica {
    if (replica.user !== user) throw new SessionFailure('replica-taken', 'The replica belongs to another user.');
    this.addHolder(replica);
    replica.evict?.(); // The old session must end before the new one holds the replica.
    const evict = (): void => holder.failed(createReplacedError());
    replica.evict = evict;
    holder.teardown.add(() => {
      if (replica.evict === evict) replica.evict = null;
      this.removeHolder(replica);
    });
    return replica;
  }
}

export const createReplicas = (history: ReplicasHistory): Replicas => new HeldReplicas(history);
