import {
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  ignoreElements,
  map,
  of,
  reduce,
  switchMap,
  toArray,
  type Observable,
} from 'rxjs';
import { isLeft, left, right, type Either } from '../../model/result.js';
import type { Version } from '../../model/version.js';
import type { PlacedView, ViewFilter, ViewRejection } from '../../model/view.js';
import type { History } from '../history/history.js';
import { WatchLimitError } from '../history/watched-properties.js';
import type { RealmWorks } from '../realms/realm-works.js';
import type { SelectionPlan } from '../selection/selection-plan.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { EnteredScope } from '../scope/user-scopes.js';
import { chooseScanPlan } from './bootstrap.js';
import { watchedSinceOf } from './watched-since.js';
import { readServedFilter, ServedView, type ServedFilter } from './served-view.js';
import { viewScansOf, type ViewScan } from './view-scans.js';

/** The view with which a session begins. */
export interface AcceptedView {
  /** The number of the placed view; `null`: none is placed. */
  readonly number: Version | null;
  /** The placed view whose changes the session is sent; `null`: the device has to get a whole view first. */
  readonly source: ServedView | null;
  /** The scope of the user; `null`: all objects are visible. */
  readonly scope: ServedScope | null;
}

type ViewHistory = Pick<History, 'log' | 'watchedProperties' | 'retentionCutoff' | 'retentionCutoffFrom'>;

/**
 * Whether tombstones that the changes after a version refer to may be removed. A state without them does not say what a
 * device has to remove.
 */
export const mayLackTombstones = (
  { retentionCutoff, retentionCutoffFrom }: Pick<History, 'retentionCutoff' | 'retentionCutoffFrom'>,
  after: Version,
): boolean => retentionCutoff > 0 && after < retentionCutoffFrom;

/** Whether states no longer have the tombstones of what was sent up to a version. */
export const isOutdated = (
  history: Pick<History, 'retentionCutoff' | 'retentionCutoffFrom'>,
  sentTo: Version,
): boolean => history.retentionCutoffFrom < Infinity && mayLackTombstones(history, sentTo);

const servePlaced = (
  history: ViewHistory,
  { filters }: PlacedView,
  downloadedTo: Version,
  scope: ServedScope | null,
): ServedView | null => {
  const served: ServedFilter[] = [];
  for (const filter of filters) {
    const read = readServedFilter(filter, scope);
    if (isLeft(read)) return null;
    served.push(read.right);
  }
  const view = new ServedView(served, scope?.id ?? null);
  return watchedSinceOf(history.watchedProperties.types, view) <= downloadedTo ? view : null;
};

/**
 * Decides whether the changes of a placed view can be sent from the version that the device has. `stored` is the scope
 * of the device's objects, if it is known.
 */
export const acceptView = (
  history: ViewHistory,
  placed: PlacedView,
  downloadedTo: Version,
  { scope, stored }: EnteredScope,
): AcceptedView => {
  const { number } = placed;
  // What a device without a scope had is not known: another one could learn the names of hidden objects.
  const isUnknown = placed.scope === null ? scope !== null : stored === null;
  const isLost = downloadedTo < history.log.floor || mayLackTombstones(history, downloadedTo);
  const source = number === null || isUnknown || isLost ? null : servePlaced(history, placed, downloadedTo, stored);
  return { number, source, scope };
};

/** A view with everything that its members are read by. */
export interface PlannedView {
  readonly target: ServedView;
  readonly rejections: readonly ViewRejection[];
  readonly scans: readonly ViewScan[];
  readonly plans: readonly SelectionPlan[];
  /** The version of which all scanned objects are at least. */
  readonly version: Version;
}

const isWatched = (
  { watchedProperties: { types } }: Pick<History, 'watchedProperties'>,
  served: ServedFilter,
): boolean => watchedSinceOf(types, new ServedView([served])) < Infinity;

/** Watches what a filter reads. Emits the filter, or why it is rejected. */
const serveFilter = (
  { uploadQueue }: Pick<RealmWorks, 'uploadQueue'>,
  history: Pick<History, 'watchedProperties'>,
  given: ViewFilter,
  scope: ServedScope | null,
): Observable<Either<ViewRejection, ServedFilter>> => {
  const read = readServedFilter(given, scope);
  if (isLeft(read) || isWatched(history, read.right)) return of(read);
  const { id, type, properties } = read.right;
  const limiting = scope?.propertiesOf(type) ?? null;
  const limiting$ = limiting === null ? EMPTY : uploadQueue.watch(type, limiting, 'scopes');
  const watch$ = defer(() => uploadQueue.watch(type, properties));
  return concat(limiting$, watch$, of(right(read.right))).pipe(
    catchError((thrown: unknown) => {
      if (thrown instanceof WatchLimitError) return of(left({ id, code: thrown.code, text: thrown.message }));
      throw thrown;
    }),
  );
};

interface Served {
  readonly filters: readonly ServedFilter[];
  readonly rejections: readonly ViewRejection[];
}

/** Watches what filters read, one after the other. Emits once and completes. Errors with a `StorageError`. */
const serveFilters = (
  works: Pick<RealmWorks, 'uploadQueue'>,
  history: Pick<History, 'watchedProperties'>,
  given: readonly ViewFilter[],
  scope: ServedScope | null,
): Observable<Served> =>
  from(given).pipe(
    concatMap((filter) => defer(() => serveFilter(works, history, filter, scope))),
    reduce<Either<ViewRejection, ServedFilter>, Served>(
      ({ filters, rejections }, each) =>
        isLeft(each)
          ? { filters, rejections: [...rejections, each.left] }
          : { filters: [...filters, each.right], rejections },
      { filters: [], rejections: [] },
    ),
  );

/**
 * Prepares the change from one view to another: watches the properties of its filters, waits until their index has all
 * objects, and chooses the plans. Emits once and completes. Errors with a `StorageError`.
 */
export const planView = (
  works: Pick<RealmWorks, 'uploadQueue' | 'projector' | 'indexBuilder' | 'selection'>,
  history: Pick<History, 'log' | 'watchedProperties' | 'projection'>,
  source: ServedView | null,
  filters: readonly ViewFilter[],
  scope: ServedScope | null,
): Observable<PlannedView> =>
  serveFilters(works, history, filters, scope).pipe(
    switchMap((served) => {
      const { rejections } = served;
      const target = new ServedView(served.filters, scope?.id ?? null);
      const scans = viewScansOf(source, target);
      const { log, projection } = history;
      // Without scans nothing is read of the stored objects.
      if (scans.length === 0) return defer(() => of({ target, rejections, scans, plans: [], version: log.head }));
      const ready$ = concat(
        defer(() => works.projector.catchUpTo(log.head)),
        works.indexBuilder.indexed$,
      ).pipe(ignoreElements());
      const plans$ = from(scans).pipe(
        concatMap((scan) => chooseScanPlan(works.selection, scan)),
        toArray(),
      );
      return concat(ready$, plans$).pipe(
        map((plans) => ({ target, rejections, scans, plans, version: projection.cursor.version })),
      );
    }),
  );
