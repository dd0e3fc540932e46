import { catchError, concat, defer, EMPTY, ignoreElements, merge, switchMap, take, tap, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import type { History } from './history.js';
import { createIntake, type Intake } from './intake.js';
import { createJudge, lenient } from './judge.js';
import { createLeases, type Leases } from './leases.js';
import type { ServerLimits } from './options.js';
import type { Permit } from './permit.js';
import { judgeBy, type SchemaOf } from './schemas.js';
import { createPresent } from './present.js';
import { createProjector } from './projector.js';
import { createReplicas, type Replicas } from './replicas.js';
import { createSettledObjects } from './settled-objects.js';
import { createSharing, type Sharing } from './sharing.js';
import { createSightings, type Sightings } from './sightings.js';
import { createSizes } from './sizes.js';
import { createSnapshots, type Snapshots } from './snapshots.js';
import type { Tell } from './telling.js';
import { upkeep } from './upkeep.js';

/** A realm that somebody has bound. */
export interface Realm {
  readonly history: History;
  readonly replicas: Replicas;
  readonly intake: Intake;
  readonly snapshots: Snapshots;
  readonly leases: Pick<Leases, 'end'>;
  readonly sharing: Sharing;
  /** Somebody is being sent a page, and more are to follow. */
  readonly disturbed: () => void;
  readonly sightings: Pick<Sightings, 'begin' | 'note' | 'end'>;
  /** Emits once, when all that was uploaded is in the history, what is known of replicas is written down, and nothing else is being written. */
  readonly idle$: Observable<unknown>;
}

export interface RealmOptions {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  /** `null`: everybody who may write may write everything. */
  readonly permit: Permit | null;
  readonly schemaOf: SchemaOf;
  readonly tell: Tell;
}

/** Times `projectionLagBytesMax` that may be in memory of what was written lately, for `permit`. */
const presentLagTimes = 4;

/** Everything that works for one realm while it is open; the work has to be subscribed as long. */
export const assembled = (
  history: History,
  name: string,
  { limits, clock, permit, schemaOf, tell }: RealmOptions,
): { readonly realm: Realm; readonly working$: Observable<never> } => {
  const { projectionLagBytesMax: lagBytesMax, permitMsMax, refusalsPendingMax, retentionMs, upkeepMs } = limits;
  const leases = createLeases({
    now: () => clock.scheduler.now(), // A clock that is put back holds nothing up.
    idleMs: limits.snapshotLeaseMs,
    holdMs: limits.snapshotHoldMsMax,
  });
  const failed = (error: unknown): void => tell({ level: 'error', event: 'failed', realm: name, error });
  const projector = createProjector({ history, leases, clock, lagBytesMax, failed });
  const present = createPresent({ history, projector, clock, lagBytesMax: presentLagTimes * lagBytesMax });
  const permitted = permit === null ? lenient : createJudge({ permit, realm: name, clock, permitMsMax }, present);
  const shapes = schemaOf(name);
  const judge = shapes === null ? permitted : judgeBy(shapes, permitted);
  const sizes = createSizes({ projection: history.projection, limits });
  const settled = createSettledObjects({ history, projector, clock });
  const replicas = createReplicas(history);
  const intake = createIntake({ history, replicas, judge, present, sizes, settled, limits, clock, refusalsPendingMax });
  const snapshots = createSnapshots({ history, leases, projector });
  const sightings = createSightings({ history, now: clock.now, retentionMs });
  const kept = upkeep({ history, intake, projector, leases, present, sightings, clock, upkeepMs, retentionMs, failed });
  const moved$ = projector.moved$.pipe(tap(present.moved));
  const flushed$ = defer(() => sightings.flush()).pipe(catchError(() => EMPTY));
  const idle$ = intake.idle$.pipe(switchMap(() => concat(flushed$, projector.settled$).pipe(take(1))));
  return {
    realm: {
      ...{ history, replicas, intake, snapshots, leases, sightings, idle$ },
      ...{ sharing: createSharing(), disturbed: projector.disturb },
    },
    working$: merge(intake.working$, moved$, projector.working$, kept).pipe(ignoreElements()),
  };
};
