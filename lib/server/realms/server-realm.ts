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
import type { ServerLog } from '../http/server-events.js';
import { runCompaction } from './compaction.js';

/** A realm that somebody has bound. */
export interface ServerRealm {
  readonly history: History;
  readonly replicas: Replicas;
  readonly uploadQueue: UploadQueue;
  readonly snapshots: Snapshots;
  readonly leases: Pick<SnapshotLeases, 'end'>;
  readonly downloadCache: DownloadCache;
  /** Somebody is being sent a page, and more are to follow. */
  readonly postponeProjection: () => void;
  readonly replicaCursors: Pick<ReplicaCursors, 'begin' | 'note' | 'end'>;
  /**
   * Emits once, when all that was uploaded is in the history, what is known of replicas is written down, and nothing
   * else is being written.
   */
  readonly idle$: Observable<unknown>;
}

export interface ServerRealmOptions {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  /** `null`: everybody who may write may write everything. */
  readonly permit: Permit | null;
  readonly schemaOf: SchemaOf;
  readonly log: ServerLog;
}

/** Times `projectionLagBytesMax` that may be in memory of what was written lately, for `permit`. */
const headStateLagTimes = 4;

/** Everything that works for one realm while it is open; the work has to be subscribed as long. */
export const assembleRealm = (
  history: History,
  name: string,
  { limits, clock, permit, schemaOf, log }: ServerRealmOptions,
): { readonly realm: ServerRealm; readonly working$: Observable<never> } => {
  const { projectionLagBytesMax: lagBytesMax, permitMsMax, refusalsPendingMax, retentionMs, upkeepMs } = limits;
  const leases = createSnapshotLeases({
    now: () => clock.scheduler.now(), // A clock that is put back holds nothing up.
    idleMs: limits.snapshotLeaseMs,
    holdMs: limits.snapshotHoldMsMax,
  });
  const failed = (error: unknown): void => log({ level: 'error', event: 'failed', realm: name, error });
  const projector = createProjector({ history, leases, clock, lagBytesMax, failed });
  const present = createHeadState({ history, projector, clock, lagBytesMax: headStateLagTimes * lagBytesMax });
  const permitted =
    permit === null ? acceptAll : createPermitCheck({ permit, realm: name, clock, permitMsMax }, present);
  const shapes = schemaOf(name);
  const check = shapes === null ? permitted : createSchemaCheck(shapes, permitted);
  const sizes = createObjectSizes({ projection: history.projection, limits });
  const settled = createSettledObjects({ history, projector, clock });
  const replicas = createReplicas(history);
  const uploadQueue = createUploadQueue({
    history,
    replicas,
    createCheck: check,
    headState: present,
    sizes,
    settledObjects: settled,
    limits,
    clock,
    refusalsPendingMax,
  });
  const snapshots = createSnapshots({ history, leases, projector });
  const cursors = createReplicaCursors({ history, now: clock.now, retentionMs });
  const kept = runCompaction({
    history,
    intake: uploadQueue,
    projector,
    leases,
    headState: present,
    replicaCursors: cursors,
    clock,
    upkeepMs,
    retentionMs,
    failed,
  });
  const moved$ = projector.moved$.pipe(tap(present.moved));
  const flushed$ = defer(() => cursors.flush()).pipe(catchError(() => EMPTY));
  const idle$ = uploadQueue.idle$.pipe(switchMap(() => concat(flushed$, projector.settled$).pipe(take(1))));
  return {
    realm: {
      ...{ history, replicas, uploadQueue, snapshots, leases, replicaCursors: cursors, idle$ },
      ...{ downloadCache: createDownloadCache(), postponeProjection: projector.postpone },
    },
    working$: merge(uploadQueue.working$, moved$, projector.working$, kept).pipe(ignoreElements()),
  };
};
