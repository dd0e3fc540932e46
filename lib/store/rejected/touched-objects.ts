import { defer, map, type Observable, of, switchMap } from 'rxjs';
import { createYielder, type Clock } from '../../clock.js';
import type { Log } from '../../log/log.js';
import { type Changeset, nameTextOf, type ObjectName } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import { readOperations } from '../commit/outbox.js';

/** Which stored changesets of the outbox touch which objects. */
export interface TouchedObjects {
  /**
   * The stored changesets with these versions, and those after the first of them that touch one of these objects, in
   * order: so that taking some back costs what they touch, and not all that waits. Emits once and completes; what
   * follows it in the same turn may build on it. What of them is gone when the realm started over meanwhile is left
   * out.
   */
  readonly readChangesets: (
    versions: readonly Version[],
    objects: readonly ObjectName[],
  ) => Observable<readonly Changeset[]>;
}

type StoredOutbox = Pick<Log<Changeset>, 'page' | 'head' | 'floor'>;

/** The versions of stored changesets by the objects that they touch. */
const createIndex = () => {
  const byObject = new Map<string, Version[]>();
  let noted = 0; // How many versions there are, of all objects.
  let upTo = 0;
  return {
    upTo: () => upTo,
    noted: () => noted,
    note: (changeset: Changeset): void => {
      upTo = changeset.version;
      for (const text of new Set(readOperations(changeset).map(nameTextOf))) {
        const known = byObject.get(text);
        if (known) known.push(upTo);
        else byObject.set(text, [upTo]);
        noted += 1;
      }
    },
    /** Some versions and those that touch some objects, from the first of them on, in order. */
    versions: (versions: readonly Version[], objects: readonly ObjectName[], after: Version): readonly Version[] => {
      const first = Math.max(versions[0] ?? 0, after + 1);
      const all = new Set(versions);
      for (const object of objects) for (const each of byObject.get(nameTextOf(object)) ?? []) all.add(each);
      return [...all].filter((each) => each >= first).sort((a, b) => a - b);
    },
  };
};

/** The stored changesets with these versions, which are in order, but for what was acknowledged meanwhile. */
const readVersions = (
  outbox: StoredOutbox,
  clock: Clock,
  versions: readonly Version[],
  isGone: () => boolean,
): Observable<readonly Changeset[]> => {
  const give = createYielder(clock, limits.sliceMsMax);
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
        if (to === at) throw new Error(`defect: entry ${version} of the outbox is not in its page`);
        return give(() => next(to));
      }),
    );
  };
  return next(0);
};

/** Made when it is first asked for, and taken along from then on; anew when the replica is another one. */
export const createTouchedObjects = (outbox: StoredOutbox, clock: Clock, replica: () => string): TouchedObjects => {
  let index = createIndex();
  let known = replica();

  /**
   * Takes in what was stored since the last time; begins anew when most of what it has is not in the outbox any more.
   */
  const followed = (isGone: () => boolean): Observable<unknown> => {
    if (known !== replica() || index.noted() > 1_000 + 4 * (outbox.head - outbox.floor)) index = createIndex();
    known = replica();
    const into = index;
    const give = createYielder(clock, limits.sliceMsMax);
    const next = (): Observable<unknown> => {
      if (isGone()) return of(null);
      return outbox.page(Math.max(into.upTo(), outbox.floor)).pipe(
        switchMap(({ entries }) => {
          if (entries.length === 0) return of(null);
          entries.forEach(into.note);
          return give(next);
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
    followed(isGone).pipe(
      switchMap(() => {
        const here = index.upTo();
        const concerned = index.versions(versions, objects, Math.max(after, outbox.floor));
        return readVersions(outbox, clock, concerned, isGone).pipe(
          map((found) => [...before, ...found]),
          // What was stored meanwhile.
          switchMap((all) => (outbox.head > here && !isGone() ? since(versions, objects, here, all, isGone) : of(all))),
        );
      }),
    );

  return {
    readChangesets: (versions, objects) =>
      defer(() => {
        const asked = replica();
        return since(versions, objects, 0, [], () => replica() !== asked);
      }),
  };
};
