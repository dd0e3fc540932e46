import { concat, defer, EMPTY, map, type Observable, of, switchMap, timer } from 'rxjs';
import { forgetTombstones } from '../../merge/object-state.js';
import type { Stamp } from '../../merge/timestamp.js';
import type { Changeset, RetentionCutoff, ObjectName } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from './objects.js';
import { isResetting } from '../sync/reset-store.js';
import { toObjectChange } from '../transaction/write.js';

/** Objects that are looked at in one turn of the event loop at most, also when that takes less than a slice. */
const objectsPerTurnMax = 500;

/**
 * A deleted object that may have had a counter is remembered: an increment that comes may name a create which the
 * delete covers.
 */
const mayHaveCounters = ({ shapes }: CommitContext, type: string): boolean =>
  [...(shapes.get(type)?.properties.values() ?? [{ container: 'counter' }])].some(
    ({ container }) => container === 'counter',
  );

/** The first changeset that the server may not have. */
const readFirstUnsent = ({ optimistic, outbox, queuedChangesets }: CommitContext): Observable<Changeset | undefined> =>
  outbox
    .page(Math.max(optimistic.acknowledged, outbox.floor))
    .pipe(
      map(({ entries }) => entries.find(({ version }) => version > optimistic.acknowledged) ?? queuedChangesets()[0]),
    );

/**
 * Some objects, from one of them on, as they are without what nobody speaks of any more; and how many were looked at.
 */
const forgetSlice = (context: CommitContext, names: readonly ObjectName[], from: number, time: number) => {
  const { objects, clock } = context;
  const isPast = (stamp: Stamp): boolean => stamp.time < time;
  const began = clock.scheduler.now();
  const changed: ObjectChange[] = [];
  let to = from;
  for (const { type, key } of names.slice(from, from + objectsPerTurnMax)) {
    if (to > from && clock.scheduler.now() - began >= limits.sliceMsMax) break;
    to += 1;
    const before = objects.latestState(type, key);
    if (!before) continue;
    const state = forgetTombstones(before, isPast);
    if (state === before || (state === null && mayHaveCounters(context, type))) continue;
    changed.push({ type, key, state });
  }
  return { changed, to };
};

/** Forgets in pieces. What readers see stays the same. */
const forgetInSlices = (context: CommitContext, { time, version }: RetentionCutoff): Observable<never> => {
  const { optimistic, objects, clock } = context;
  const { replica } = optimistic;
  const isLate = (): boolean =>
    isResetting(context) || replica !== optimistic.replica || optimistic.downloadedTo < version;
  const names = [...objects.tables()].flatMap(([type, table]) =>
    [...table.keys()].map((key): ObjectName => ({ type, key })),
  );
  const piece = (from: number): Observable<never> => {
    if (isLate()) return EMPTY;
    const { changed, to } = forgetSlice(context, names, from, time);
    const isLast = to === names.length;
    objects.stage(changed);
    const stored$ =
      changed.length === 0 && !isLast
        ? EMPTY
        : context.commit({
            changes: changed.map(toObjectChange),
            metadata: isLast ? { forgottenBefore: time } : {},
            durable: isLast, // What is lost in a power cut before that is forgotten again.
            stored: () => objects.settle(changed),
          });
    const rest$ = isLast ? EMPTY : timer(0, clock.scheduler).pipe(switchMap(() => piece(to)));
    return concat(stored$, rest$);
  };
  return piece(0);
};

/**
 * Forgets deleted objects, removed elements and dropped keys that are older than the server takes changesets, once,
 * when everything is here that may speak of them: what is in the history up to the horizon's version. Completes when
 * that is durable. Does nothing while something unsent is older.
 */
export const forget = (context: CommitContext, horizon: RetentionCutoff): Observable<never> => {
  const { optimistic, durable } = context;
  if (isResetting(context) || optimistic.downloadedTo < horizon.version || durable().forgottenBefore >= horizon.time)
    return EMPTY;
  return readFirstUnsent(context).pipe(
    switchMap((first) => (first && first.time < horizon.time ? EMPTY : of(null))),
    switchMap(() => timer(0, context.clock.scheduler)),
    switchMap(() => defer(() => forgetInSlices(context, horizon))),
  );
};
