import { concat, defer, EMPTY, map, type Observable, of, switchMap, timer } from 'rxjs';
import { forgotten } from '../merge/object.js';
import type { Stamp } from '../merge/stamp.js';
import type { Changeset, Horizon, ObjectName } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Desk } from './desk.js';
import type { Changed } from './objects.js';
import { isRestarting } from './reset.js';
import { objectChange } from './write.js';

/** Objects that are looked at in one turn of the event loop at most, also when that takes less than a slice. */
const objectsMax = 500;

/** A deleted object that may have had a counter is remembered: an increment that comes may name a create which the delete covers. */
const mayHaveCounters = ({ shapes }: Desk, type: string): boolean =>
  [...(shapes.get(type)?.properties.values() ?? [{ container: 'counter' }])].some(
    ({ container }) => container === 'counter',
  );

/** The first changeset that the server may not have. */
const firstUnsent = ({ ahead, outbox, underway }: Desk): Observable<Changeset | undefined> =>
  outbox
    .page(Math.max(ahead.acknowledged, outbox.floor))
    .pipe(map(({ entries }) => entries.find(({ version }) => version > ahead.acknowledged) ?? underway()[0]));

/** Some objects, from one of them on, as they are without what nobody speaks of any more; and how many were looked at. */
const looked = (desk: Desk, names: readonly ObjectName[], from: number, time: number) => {
  const { objects, clock } = desk;
  const isPast = (stamp: Stamp): boolean => stamp.time < time;
  const began = clock.scheduler.now();
  const changed: Changed[] = [];
  let to = from;
  for (const { type, key } of names.slice(from, from + objectsMax)) {
    if (to > from && clock.scheduler.now() - began >= limits.sliceMsMax) break;
    to += 1;
    const before = objects.latest(type, key);
    if (!before) continue;
    const state = forgotten(before, isPast);
    if (state === before || (state === null && mayHaveCounters(desk, type))) continue;
    changed.push({ type, key, state });
  }
  return { changed, to };
};

/** Forgets in pieces. What readers see stays the same. */
const forgetting = (desk: Desk, { time, version }: Horizon): Observable<never> => {
  const { ahead, objects, clock } = desk;
  const { replica } = ahead;
  const isLate = (): boolean => isRestarting(desk) || replica !== ahead.replica || ahead.seen < version;
  const names = [...objects.tables()].flatMap(([type, table]) =>
    [...table.keys()].map((key): ObjectName => ({ type, key })),
  );
  const piece = (from: number): Observable<never> => {
    if (isLate()) return EMPTY;
    const { changed, to } = looked(desk, names, from, time);
    const isLast = to === names.length;
    objects.stage(changed);
    const stored$ =
      changed.length === 0 && !isLast
        ? EMPTY
        : desk.added({
            changes: changed.map(objectChange),
            meta: isLast ? { forgotten: time } : {},
            durable: isLast, // What is lost in a power cut before that is forgotten again.
            stored: () => objects.settle(changed),
          });
    const rest$ = isLast ? EMPTY : timer(0, clock.scheduler).pipe(switchMap(() => piece(to)));
    return concat(stored$, rest$);
  };
  return piece(0);
};

/**
 * Forgets deleted objects, removed elements and dropped keys that are older than the server takes changesets, once, when everything is here that
 * may speak of them: what is in the history up to the horizon's version. Completes when that is durable. Does nothing while something
 * unsent is older.
 */
export const forget = (desk: Desk, horizon: Horizon): Observable<never> => {
  const { ahead, present } = desk;
  if (isRestarting(desk) || ahead.seen < horizon.version || present().forgotten >= horizon.time) return EMPTY;
  return firstUnsent(desk).pipe(
    switchMap((first) => (first && first.time < horizon.time ? EMPTY : of(null))),
    switchMap(() => timer(0, desk.clock.scheduler)),
    switchMap(() => defer(() => forgetting(desk, horizon))),
  );
};
