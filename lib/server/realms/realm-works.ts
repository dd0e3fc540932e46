import { ignoreElements, merge, tap, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { History } from '../history/history.js';
import { createUploadQueue, type UploadQueue } from '../uploads/upload-queue.js';
import { createPermitCheck, acceptAll } from '../uploads/permit-check.js';
import { createSnapshotLeases, type SnapshotLeases } from '../history/snapshot-leases.js';
import { serverLimits } from '../server-limits.js';
import type { ServerLimits } from '../server-options.js';
import { permitAll, type Permit } from '../uploads/permit.js';
import { createSchemaCheck, type SchemaOf } from '../uploads/server-schemas.js';
import { createIndexBuilder, type IndexBuilder } from '../history/index-builder.js';
import { createHeadState, type HeadState } from '../history/head-state.js';
import { createProjector, type Projector } from '../history/projector.js';
import { createSettledObjects } from '../history/settled-objects.js';
import { createObjectSizes } from '../uploads/object-sizes.js';
import { createSnapshots, type Snapshots } from '../history/snapshots.js';
import { createSelection, type Selection } from '../selection/read-matching.js';
import { createFailedEvent, type ServerLog } from '../http/server-events.js';
import type { DelayQueue } from './delay-queue.js';
import type { Replicas } from './replicas.js';

/**
 * The parts of a realm that write, project or read objects. A realm that is not used has none, because they need ten
 * times the memory of all the rest.
 */
export interface RealmWorks {
  readonly uploadQueue: UploadQueue;
  readonly snapshots: Snapshots;
  readonly leases: SnapshotLeases;
  readonly projector: Projector;
  readonly headState: HeadState;
  readonly indexBuilder: IndexBuilder;
  readonly selection: Selection;
  /** Runs the work. Must be subscribed once until the works are dropped. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /**
   * Whether the works can be dropped: nothing is under way or waits, and new works would read what these keep in memory
   * from the storage, at little cost.
   */
  readonly isIdle: () => boolean;
}

export interface RealmWorksOptions {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  /** `null` if every user with write access may write everything. */
  readonly permit: Permit | null;
  /** Whether users may see parts of realms, and write only what they see. */
  readonly isScoped: boolean;
  readonly schemaOf: SchemaOf;
  readonly log: ServerLog;
}

export interface RealmWorksPorts {
  readonly name: string;
  readonly history: History;
  readonly replicas: Replicas;
  readonly quietQueue: DelayQueue<() => void>;
}

/** Times `projectionLagBytesMax` of recent changes that `permit` may keep in memory. */
const headStateLagTimes = 4;

/** Creates the parts of an open realm that work. */
export const createRealmWorks = (
  { name, history, replicas, quietQueue }: RealmWorksPorts,
  { limits, clock, permit, isScoped, schemaOf, log }: RealmWorksOptions,
): RealmWorks => {
  const { projectionLagBytesMax: lagBytesMax, permitMsMax, rejectionsPendingMax } = limits;
  const leases = createSnapshotLeases({
    now: () => clock.scheduler.now(), // A monotonic clock: setting the wall clock back delays nothing.
    idleMs: limits.snapshotLeaseMs,
    holdMs: limits.snapshotHoldMsMax,
  });
  const failed = (error: unknown): void => log(createFailedEvent(name, error));
  const projector = createProjector({ history, leases, clock, lagBytesMax, quietQueue, failed });
  const headState = createHeadState({
    history,
    projector,
    clock,
    lagBytesMax: headStateLagTimes * lagBytesMax,
    watchedLagBytesMax: serverLimits.projectionLagTimesMax * lagBytesMax,
  });
  const permitCheck =
    permit === null && !isScoped
      ? acceptAll
      : createPermitCheck({ permit: permit ?? permitAll, realm: name, clock, permitMsMax }, headState);
  const shapes = schemaOf(name);
  const createCheck = shapes === null ? permitCheck : createSchemaCheck(shapes, permitCheck);
  const uploadQueue = createUploadQueue({
    history,
    replicas,
    createCheck,
    headState,
    sizes: createObjectSizes({ projection: history.projection, limits }),
    settledObjects: createSettledObjects({ history, projector, clock }),
    limits,
    clock,
    rejectionsPendingMax,
  });
  const snapshots = createSnapshots({ history, leases, projector });
  const indexBuilder = createIndexBuilder({ history, projector, clock, failed });
  const moved$ = projector.moved$.pipe(tap(headState.moved));
  return {
    ...{ uploadQueue, snapshots, leases, projector, headState, indexBuilder },
    selection: createSelection({ history, headState }),
    working$: merge(uploadQueue.working$, moved$, projector.working$, indexBuilder.working$).pipe(ignoreElements()),
    isIdle: () =>
      !uploadQueue.isBusy() &&
      leases.isEmpty() &&
      projector.isIdle() &&
      indexBuilder.isIdle() &&
      projector.lag() <= serverLimits.worksLagBytesMax,
  };
};
