import { defer, map, type Observable, of, switchMap } from 'rxjs';
import { createYielder, type Clock } from '../../clock.js';
import type { Log } from '../../log/log.js';
import { type Changeset, nameTextOf, type ObjectName } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { CommitContext } from '../commit/commit-context.js';
import { decodeStoredOperations } from '../commit/outbox.js';

/** Finds the stored changesets of the outbox that touch given objects. */
export interface TouchedObjects {
  /**
   * Reads the stored changesets with these versions, and those after the first of them that touch one of these objects,
   * in order. So the cost of a rollback depends on the touched objects, not on the size of the outbox. Emits once and
   * completes; code that runs in the same event-loop turn may build on the result. Changesets that a client reset
   * removes meanwhile are left out.
   */
  readonly readChangesets: (
    versions: readonly Version[],
    objects: readonly ObjectName[],
  ) => Observable<readonly Changeset[]>;
}

type StoredOutbox = Pick<Log<Changeset>, 'page' | 'head' | 'floor'>;

/** An index of stored changesets: the versions by touched object. */
const createIndex = () => {
  const byObject = new Map<string, Version[]>();
  let noted = 0; // Number of versions in the index, over all objects.
  let upTo = 0;
  return {
    upTo: () => upTo,
    noted: () => noted,
    note: (changeset: Changeset): void => {
      upTo = changeset.version;
      for (const text of new Set(decodeStoredOperations(changeset).map(nameTextOf))) {
        const found = byObject.get(text);
        if (found) found.push(upTo);
        else byObject.set(text, [upTo]);
        noted += 1;
      }
    },
    /** Merges these versions with those that touch the objects, from the first given version on, sorted. */
    versions: (versions: readonly Version[], objects: readonly ObjectName[], after: Version): readonly Version[] => {
      const first = Math.max(versions[0] ?? 0, after + 1);
      const all = new Set(versions);
      for (const object of objects) for (const each of byObject.get(nameTextOf(object)) ?? []) all.add(each);
      return [...all].filter((each) => each >= first).sort((a, b) => a - b);
    },
  };
};

/** Reads the stored changesets with these sorted versions, except those that were acknowledged meanwhile. */
const readVersions = (
  outbox: StoredOutbox,
  clock: Clock,
  versions: readonly Version[],
  isGone: () => boolean,
): Observable<readonly Changeset[]> => {
  const yieldThen = createYielder(clock, limits.sliceMsMax);
  const found: Changeset[] = [];
  const next = (at: number): Observable<readonly Changeset[]> => {
    const version = versions[at];
    if (version === undefined || isGone()) return of(found);
    if (version <= outbox.floor) return next(at + 1);
    return outbox.page(version - 1).pipe(
      switchMap(({ entries }) => {
        let to = at;
        for (const entry of entries) {
          if (entry.version !== versions[to]) continue;
          found.push(entry);
          to += 1;
        }
        if (to === at) throw new Error(`Defect: entry ${version} of the outbox is not in its page.`);
        return yieldThen(() => next(to));
      }),
    );
  };
  return next(0);
};

/** Creates the index on first use and updates it on each later one. The index is rebuilt when the replica changes. */
const createTouchedObjects = (outbox: StoredOutbox, clock: Clock, replica: () => string): TouchedObjects => {
  let index = createIndex();
  let indexedReplica = replica();

  /**
   * Adds the changesets that were stored since the last call. Rebuilds the index when most of it is no longer in the
   * outbox.
   */
  const updateIndex = (isGone: () => boolean): Observable<unknown> => {
    if (indexedReplica !== replica() || index.noted() > 1_000 + 4 * (outbox.head - outbox.floor)) index = createIndex();
    indexedReplica = replica();
    const into = index;
    const yieldThen = createYielder(clock, limits.sliceMsMax);
    const next = (): Observable<unknown> => {
      if (isGone()) return of(null);
      return outbox.page(Math.max(into.upTo(), outbox.floor)).pipe(
        switchMap(({ entries }) => {
          if (entries.length === 0) return of(null);
          entries.forEach(into.note);
          return yieldThen(next);
        }),
      );
    };
    return next();
  };

  const since = (
    versions: readonly Version[],
    objects: readonly ObjectName[],
    after: Version,
    before: readonly Changeset[],
    isGone: () => boolean,
  ): Observable<readonly Changeset[]> =>
    updateIndex(isGone).pipe(
      switchMap(() => {
        const upTo = Math.max(index.upTo(), outbox.floor);
        const concerned = index.versions(versions, objects, Math.max(after, outbox.floor));
        return readVersions(outbox, clock, concerned, isGone).pipe(
          map((found) => [...before, ...found]),
          // Repeats for changesets that were stored meanwhile.
          switchMap((all) => (outbox.head > upTo && !isGone() ? since(versions, objects, upTo, all, isGone) : of(all))),
        );
      }),
    );

  return {
    readChangesets: (versions, objects) =>
      defer(() => {
        const first = replica();
        return since(versions, objects, 0, [], () => replica() !== first);
      }),
  };
};

/** The finders of the open realms, each created on first use. */
const finders = new WeakMap<StoredOutbox, TouchedObjects>();

/** Returns the finder of a realm. */
export const touchedObjectsOf = ({
  outbox,
  clock,
  optimistic,
}: Pick<CommitContext, 'outbox' | 'clock' | 'optimistic'>): TouchedObjects => {
  const finder = finders.get(outbox) ?? createTouchedObjects(outbox, clock, () => optimistic.replica);
  finders.set(outbox, finder);
  return finder;
};

/**
 * Reads the changesets with these versions, and those that touch these objects, pending ones included. Emits once and
 * completes; code that runs in the same event-loop turn may build on the result.
 */
export const readTouching = (
  context: CommitContext,
  versions: readonly Version[],
  objects: readonly ObjectName[],
): Observable<readonly Changeset[]> =>
  touchedObjectsOf(context)
    .readChangesets(versions, objects)
    .pipe(
      map((stored) => {
        // The latest of each version.
        const queued = new Map(context.queuedChangesets().map((changeset) => [changeset.version, changeset]));
        return [
          ...stored.map((changeset) => queued.get(changeset.version) ?? changeset),
          ...[...queued.values()].filter(({ version }) => version > context.outbox.head),
        ];
      }),
    );
