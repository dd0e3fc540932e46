import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  of,
  switchMap,
  take,
  takeUntil,
  timer,
  type Observable,
  type Subscription,
} from 'rxjs';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import { maySendSnapshot, type Snapshots } from '../history/snapshots.js';
import { createFailedEvent } from '../http/server-events.js';
import { serverLimits } from '../server-limits.js';
import { ViewRouter } from '../views/view-router.js';
import { HistoryFollowers } from '../sessions/history-followers.js';
import { HiddenPositions } from '../scope/hidden-positions.js';
import { UserScopes } from '../scope/user-scopes.js';
import type { UploadQueue } from '../uploads/upload-queue.js';
import { createCompactionRound } from './compaction.js';
import type { DelayQueue } from './delay-queue.js';
import { createRealmWorks, type RealmWorks, type RealmWorksOptions } from './realm-works.js';
import { createReplicas, type Replicas } from './replicas.js';
import { createReplicaCursors, type ReplicaCursors } from './replica-cursors.js';

/** An open realm of the server. */
export interface ServerRealm {
  readonly history: History;
  readonly replicas: Replicas;
  readonly uploadQueue: Pick<UploadQueue, 'append'>;
  readonly replicaCursors: Pick<ReplicaCursors, 'begin' | 'note' | 'end'>;
  readonly followers: HistoryFollowers;
  /** Follows the history for sessions with a view. Created when the first one needs it. */
  readonly viewRouter: ViewRouter;
  readonly scopes: Pick<UserScopes, 'enter' | 'forget'>;
  readonly hiddenPositions: Pick<HiddenPositions, 'hide' | 'reveal'>;
  readonly createSnapshotFetch: Snapshots['createFetch'];
  readonly offerSnapshot: Snapshots['offer'];
  /** Ends the lease of a replica that has all objects of a snapshot. */
  readonly endLease: (replica: string) => void;
  /** Postpones the projection, because a session is being sent one of many pages. */
  readonly postponeProjection: () => void;
  /** Reads by means of the parts that work, which are kept meanwhile. */
  readonly readWith: <A>(read: (works: RealmWorks) => Observable<A>) => Observable<A>;
}

export interface ServerRealmOptions extends RealmWorksOptions {
  /** Starts the rounds of compaction. All realms of a server share one. */
  readonly compactionQueue: DelayQueue<OpenRealm>;
  /** Notices that a realm is quiet. All realms of a server share one. */
  readonly quietQueue: DelayQueue<() => void>;
  /** Notices that the works of a realm are not used. All realms of a server share one. */
  readonly worksQueue: DelayQueue<OpenRealm>;
}

/**
 * One open realm. A class, because a server has ten thousand of them: an idle realm is this record, its history, and
 * its bound replicas. Everything else is created at its first use, and dropped when it was not used for a while.
 *
 * Subscribes to its work while that is used, and to rounds of compaction, until it is closed.
 */
export class OpenRealm implements ServerRealm {
  readonly replicas: Replicas;
  readonly replicaCursors: ReplicaCursors;
  readonly followers: HistoryFollowers;
  private router: ViewRouter | null = null;
  private works: RealmWorks | null = null;
  private running: Subscription | null = null;
  /** Whether the works were used since `dropUnusedWorks` was called. */
  private isUsed = false;
  /** Number of readers that use the works. */
  private readers = 0;
  private round: Subscription | null = null;
  private userScopes: UserScopes | null = null;
  private positions: HiddenPositions | null = null;

  constructor(
    readonly name: string,
    readonly history: History,
    private readonly options: ServerRealmOptions,
  ) {
    const { clock, limits, compactionQueue } = options;
    this.replicas = createReplicas(history);
    this.replicaCursors = createReplicaCursors({ history, now: clock.now, retentionMs: limits.retentionMs });
    this.followers = new HistoryFollowers(history.log);
    compactionQueue.put(this);
  }

  get uploadQueue(): UploadQueue {
    return this.startWorks().uploadQueue;
  }

  get viewRouter(): ViewRouter {
    const { history, followers, options } = this;
    const readWith: ServerRealm['readWith'] = (read) => this.readWith(read);
    const { scheduler } = options.clock;
    return (this.router ??= new ViewRouter({ history, followers, readWith, scheduler }));
  }

  /** Number of groups of sessions with the same view. */
  get viewGroupCount(): number {
    return this.router?.groupCount ?? 0;
  }

  get scopes(): UserScopes {
    return (this.userScopes ??= new UserScopes(this.history, this.options.clock));
  }

  get hiddenPositions(): HiddenPositions {
    return (this.positions ??= new HiddenPositions(this.options.clock));
  }

  /** The parts that work; `null` if they are not used. */
  get presentWorks(): RealmWorks | null {
    return this.works;
  }

  /** Returns the parts that work, for use in the same event-loop turn, and creates them if necessary. */
  startWorks(): RealmWorks {
    this.isUsed = true;
    if (this.works !== null) return this.works;
    const { name, history, replicas, options } = this;
    options.worksQueue.put(this);
    this.works = createRealmWorks({ name, history, replicas, quietQueue: options.quietQueue }, options);
    this.running = this.works.working$.subscribe({ error: (thrown: unknown) => this.noteFailure(thrown) });
    return this.works;
  }

  offerSnapshot(replica: string, downloadedTo: Version): Observable<Version | null> {
    return maySendSnapshot(this.history.log, downloadedTo)
      ? this.readWith(({ snapshots }) => snapshots.offer(replica, downloadedTo))
      : of(null);
  }

  createSnapshotFetch(...args: Parameters<Snapshots['createFetch']>): ReturnType<Snapshots['createFetch']> {
    let works: RealmWorks | null = null;
    let fetch: ReturnType<Snapshots['createFetch']> | null = null;
    return (after) =>
      this.readWith((present) => {
        // After a lease has ended, the works may be others. They find the place of the next page themselves.
        if (fetch === null || works !== present) fetch = present.snapshots.createFetch(...args);
        works = present;
        return fetch(after);
      });
  }

  readWith<A>(read: (works: RealmWorks) => Observable<A>): Observable<A> {
    return defer(() => {
      this.readers += 1;
      return read(this.startWorks()).pipe(finalize(() => (this.readers -= 1)));
    });
  }

  /** Drops the works if they were not used since the last call and nothing is lost with them. */
  dropUnusedWorks(): void {
    const { works, isUsed, readers, round } = this;
    if (works === null) return;
    const isCompacting = round !== null && !round.closed;
    if (isUsed || readers > 0 || isCompacting || !works.isIdle()) {
      this.isUsed = false;
      this.options.worksQueue.put(this);
      return;
    }
    this.running?.unsubscribe();
    this.running = null;
    this.works = null;
  }

  endLease(replica: string): void {
    this.works?.leases.end(replica);
  }

  postponeProjection(): void {
    this.works?.projector.postpone();
  }

  /** Runs a round of compaction, unless the previous one still runs. */
  compact(): void {
    const { history, replicaCursors, options } = this;
    const { clock, compactionQueue, limits } = options;
    compactionQueue.put(this);
    if (this.round !== null && !this.round.closed) return;
    const failed = (thrown: unknown): void => this.noteFailure(thrown);
    const ports = { history, replicaCursors, clock, retentionMs: limits.retentionMs, failed, realm: this };
    this.round = createCompactionRound(ports).subscribe({ error: failed });
  }

  /**
   * Emits once, when all uploads are in the history, the replica cursors are stored, and nothing else is being written.
   */
  get idle$(): Observable<unknown> {
    const flushed$ = defer(() => this.replicaCursors.flush()).pipe(catchError(() => EMPTY));
    const uploaded$ = defer(() => this.works?.uploadQueue.idle$ ?? of(true));
    const settled$ = defer(() => this.works?.projector.settled$ ?? of(true));
    return uploaded$.pipe(switchMap(() => concat(flushed$, this.createCatchUp(), settled$).pipe(take(1))));
  }

  /**
   * Stores the objects of a watched realm, because its next upload would first read all changes after the stored
   * objects. Completes also if that fails or takes too long.
   */
  private createCatchUp(): Observable<never> {
    return defer(() => {
      const { watchedProperties, log, bytes, projection } = this.history;
      const isNear = bytes - projection.cursor.total <= serverLimits.worksLagBytesMax;
      if (isNear || watchedProperties.types.size === 0) return EMPTY;
      const late$ = timer(serverLimits.catchUpMsMax, this.options.clock.scheduler);
      return this.startWorks().projector.catchUpTo(log.head).pipe(takeUntil(late$));
    }).pipe(catchError(() => EMPTY));
  }

  close(): void {
    this.options.compactionQueue.remove(this);
    this.options.worksQueue.remove(this);
    this.round?.unsubscribe();
    this.running?.unsubscribe();
    this.history.close();
  }

  private noteFailure(thrown: unknown): void {
    this.options.log(createFailedEvent(this.name, thrown));
  }
}
