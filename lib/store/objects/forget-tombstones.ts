import { concat, defer, EMPTY, map, type Observable, of, switchMap, timer } from 'rxjs';
import { forgetTombstones } from '../../merge/object-state.js';
import type { Stamp } from '../../merge/timestamp.js';
import type { Changeset, RetentionCutoff, ObjectName } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from './object-change.js';
import { isResetting } from '../sync/reset-store.js';

/** Maximum number of objects that are processed in one event-loop turn, even if there is time for more. */
const objectsPerTurnMax = 500;

/**
 * Whether objects of a type may have counters. Their tombstones are kept when they are deleted: an increment that
 * arrives later may name a create that the delete covers.
 */
const mayHaveCounters = ({ shapes }: CommitContext, type: string): boolean =>
  [...(shapes.get(type)?.properties.values() ?? [{ container: 'counter' }])].some(
    ({ container }) => container === 'counter',
  );

/** Reads the first changeset that the server may not have. */
const readFirstUnsent = ({ optimistic, outbox, queuedChangesets }: CommitContext): Observable<Changeset | undefined> =>
  outbox
    .page(Math.max(optimistic.acknowledged, outbox.floor))
    .pipe(
      map(({ entries }) => entries.find(({ version }) => version > optimistic.acknowledged) ?? queuedChangesets()[0]),
    );

/**
 * Returns objects without their old tombstones, beginning at index `from`, and the index after the last object that was
 * processed.
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

/** Forgets tombstones in slices. The objects that readers see do not change. */
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
    const staged = objects.stage(changed);
    const stored$ =
      changed.length === 0 && !isLast
        ? EMPTY
        : context.commit({
            changes: staged.changes,
            metadata: isLast ? { forgottenBefore: time } : {},
            durable: isLast, // Slices that are lost in a power cut are forgotten again.
            stored: staged.settle,
          });
    const rest$ = isLast ? EMPTY : timer(0, clock.scheduler).pipe(switchMap(() => piece(to)));
    return concat(stored$, rest$);
  };
  return piece(0);
};

/**
 * Forgets the tombstones of deleted objects, removed elements and dropped keys that are older than the retention
 * cutoff. Runs once per cutoff, after this replica has downloaded the history up to the cutoff's version. Does nothing
 * while an unsent changeset is older than the cutoff. Completes when that is durable.
 */
export const forget = (context: CommitContext, cutoff: RetentionCutoff): Observable<never> => {
  const { optimistic, durable } = context;
  if (isResetting(context) || optimistic.downloadedTo < cutoff.version || durable().forgottenBefore >= cutoff.time)
    return EMPTY;
  return readFirstUnsent(context).pipe(
    switchMap((first) => (first && first.time < cutoff.time ? EMPTY : of(null))),
    switchMap(() => timer(0, context.clock.scheduler)),
    switchMap(() => defer(() => forgetInSlices(context, cutoff))),
  );
};
