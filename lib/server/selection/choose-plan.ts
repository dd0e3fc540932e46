import { forkJoin, defer, EMPTY, expand, last, map, of, switchMap, type Observable } from 'rxjs';
import type { StoredFilter } from '../../filter/stored-filter.js';
import type { History } from '../history/history.js';
import { readIndexRows } from './read-index-rows.js';
import {
  type ConditionNode,
  type FilterNode,
  planOf,
  type Scan,
  type SelectionPlan,
  toFilterNode,
} from './selection-plan.js';

/** Rows of the index that are read at once when they are counted. */
const countPageRows = 4_096;
/** Rows of each scan that are counted first, and the factor by which more are counted. */
const firstCountMax = 256;
const countFactor = 8;
/** Rows of each scan that are counted at most: a few hundred milliseconds. */
const lastCountMax = 128 * 1024;
/** Share of all objects from which reading them in order is cheaper than by an index: measured with LevelDB. */
const typeScanShare = 1 / 5;

/** Conditions whose scans read all objects of a filter, and the number of these. */
interface Candidate {
  readonly chosen: readonly ConditionNode[];
  /** Not more than the maximum of the count. */
  readonly count: number;
}

/** Counts the objects that a scan reads, up to a maximum. Emits once and completes. */
const countScan = (
  index: History['projection']['index'],
  type: string,
  scan: Scan,
  max: number,
): Observable<number> => {
  if (scan.kind === 'keys') return of(Math.min(max, scan.texts.length));
  if (scan.kind === 'type') return of(max);
  const readNext = (count: number, after: string): Observable<{ count: number; after: string | null }> => {
    const limit = Math.min(countPageRows, max - count);
    return readIndexRows(index, type, scan, after, limit).pipe(
      map((rows) => ({
        count: count + rows.length,
        after: rows.length < limit || count + rows.length >= max ? null : (rows.at(-1)?.place ?? null),
      })),
    );
  };
  return readNext(0, '').pipe(
    expand(({ count, after }) => (after === null ? EMPTY : readNext(count, after))),
    last(),
    map(({ count }) => count),
  );
};

/** Emits the candidate with the fewest objects, or `null` if no index helps, once and completes. */
const findCandidate = (node: FilterNode, count: (scan: Scan) => Observable<number>): Observable<Candidate | null> => {
  if (!('parts' in node))
    return node.scan === null ? of(null) : count(node.scan).pipe(map((all) => ({ chosen: [node], count: all })));
  return forkJoin(node.parts.map((part) => findCandidate(part, count))).pipe(
    map((found) => {
      const present = found.filter((each) => each !== null);
      if (node.operator === 'and')
        return present.reduce<Candidate | null>((a, b) => (a !== null && a.count <= b.count ? a : b), null);
      if (present.length < found.length) return null;
      return {
        chosen: present.flatMap(({ chosen }) => chosen),
        count: present.reduce((sum, each) => sum + each.count, 0),
      };
    }),
  );
};

/**
 * Emits a plan that reads few objects, once and completes. The index is counted up to a number that grows until the
 * smallest count is known. Errors with a `StorageError`.
 */
export const choosePlan = (
  { projection, watchedProperties }: Pick<History, 'projection' | 'watchedProperties'>,
  type: string,
  filter: StoredFilter,
): Observable<SelectionPlan> =>
  defer(() => {
    const { objects } = projection.cursor;
    if (typeof filter === 'boolean') return of({ ...planOf(type, filter, null), objects: filter ? objects : 0 });
    const node = toFilterNode(type, filter, watchedProperties.types.get(type));
    const enough = Math.ceil(objects * typeScanShare);
    const choose = (max: number): Observable<SelectionPlan> =>
      findCandidate(node, (scan) => countScan(projection.index, type, scan, max)).pipe(
        switchMap((found) => {
          if (found === null) return of({ ...planOf(type, filter, null), objects });
          const isKnown = found.count < max;
          if (!isKnown && max < Math.min(enough, lastCountMax)) return choose(max * countFactor);
          const isFew = found.count < enough;
          return of({ ...planOf(type, filter, isFew ? found.chosen : null), objects: isFew ? found.count : objects });
        }),
      );
    return choose(firstCountMax);
  });
