import { catchError, concat, defer, EMPTY, ignoreElements, merge, switchMap, take, tap, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { History } from '../history/history.js';
import { createUploadQueue, type UploadQueue } from '../uploads/upload-queue.js';
import { createPermitCheck, acceptAll } from '../uploads/permit-check.js';
import { createSnapshotLeases, type SnapshotLeases } from '../history/snapshot-leases.js';
import type { ServerLimits } from '../server-options.js';
import type { Permit } from '../uploads/permit.js';
import { createSchemaCheck, type SchemaOf } from '../uploads/server-schemas.js';
import { createHeadState } from '../history/head-state.js';
import { createProjector } from '../history/projector.js';
import { createReplicas, type Replicas } from './replicas.js';
import { createSettledObjects } from '../history/settled-objects.js';
import { createDownloadCache, type DownloadCache } from '../sessions/download-cache.js';
import { createReplicaCursors, type ReplicaCursors } from './replica-cursors.js';
import { createObjectSizes } from '../uploads/object-sizes.js';
import { createSnapshots, type Snapshots } from '../history/snapshots.js';
import { createFailedEvent, type ServerLog } from '../http/server-events.js';
import { runCompaction } from './compaction.js';

/** An open realm of the server. */
export interface ServerRealm {
  readonly history: History;
  readonly replicas: Replicas;
  readonly uploadQueue: UploadQueue;
  readonly snapshots: Snapshots;
  readonly leases: Pick<SnapshotLeases, 'end'>;
  readonly downloadCache: DownloadCache;
  /** Postpones the projection, because a session is being sent one of many pages. */
  readonly postponeProjection: () => void;
  readonly replicaCursors: Pick<ReplicaCursors, 'begin' | 'note' | 'end'>;
  /**
   * Emits once, when all uploads are in the history, the replica cursors are stored, and nothing else is being written.
   */
  readonly idle$: Observable<unknown>;
}

export interface ServerRealmOptions {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  /** `null` if every user with write access may write everything. */
  readonly permit: Permit | null;
  readonly schemaOf: SchemaOf;
  readonly log: ServerLog;
}

/** Times `projectionLagBytesMax` of recent changes that `permit` may keep in memory. */
const headStateLagTimes = 4;

/** Creates all parts of an open realm. `working$` must stay subscribed while the realm is open. */
export const assembleRealm = (
  history: History,
  name: string,
  { limits, clock, permit, schemaOf, log }: ServerRealmOptions,
): { readonly realm: ServerRealm; readonly working$: Observable<never> } => {
  const { projectionLagBytesMax: lagBytesMax, permitMsMax, rejectionsPendingMax, retentionMs, compactionMs } = limits;
  const leases = createSnapshotLeases({
    now: () => clock.scheduler.now(), // A monotonic clock: setting the wall clock back delays nothing.
    idleMs: limits.snapshotLeaseMs,
    holdMs: limits.snapshotHoldMsMax,
  });
  const failed = (error: unknown): void => log(createFailedEvent(name, error));
  const projector = createProjector({ history, leases, clock, lagBytesMax, failed });
  const headState = createHeadState({ history, projector, clock, lagBytesMax: headStateLagTimes * lagBytesMax });
  const permitCheck =
    permit === null ? acceptAll : createPermitCheck({ permit, realm: name, clock, permitMsMax }, headState);
  const shapes = schemaOf(name);
  const createCheck = shapes === null ? permitCheck : createSchemaCheck(shapes, permitCheck);
  const sizes = createObjectSizes({ projection: history.projection, limits });
  const settledObjects = createSettledObjects({ history, projector, clock });
  const replicas = createReplicas(history);
  const uploadQueue = createUploadQueue({
    history,
    replicas,
    createCheck,
    headState,
    sizes,
    settledObjects,
    limits,
    clock,
    rejectionsPendingMax,
  });
  const snapshots = createSnapshots({ history, leases, projector });
  const replicaCursors = createReplicaCursors({ history, now: clock.now, retentionMs });
  const compaction$ = runCompaction({
    history,
    uploadQueue,
    projector,
    leases,
    headState,
    replicaCursors,
    clock,
    compactionMs,
    retentionMs,
    failed,
  });
  const moved$ = projector.moved$.pipe(tap(headState.moved));
  const flushed$ = defer(() => replicaCursors.flush()).pipe(catchError(() => EMPTY));
  const idle$ = uploadQueue.idle$.pipe(switchMap(() => concat(flushed$, projector.settled$).pipe(take(1))));
  return {
    realm: {
      ...{ history, replicas, uploadQueue, snapshots, leases, replicaCursors, idle$ },
      ...{ downloadCache: createDownloadCache(), postponeProjection: projector.postpone },
    },
    working$: merge(uploadQueue.working$, moved$, projector.working$, compaction$).pipe(ignoreElements()),
  };
};
