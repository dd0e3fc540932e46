import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  ignoreElements,
  map,
  of,
  queueScheduler,
  subscribeOn,
  switchMap,
  tap,
  type Observable,
} from 'rxjs';
import { createFilterTest, createReader, type FilterTest } from '../../filter/filter-test.js';
import { isGroup, type StoredFilter } from '../../filter/stored-filter.js';
import { isAlive, propertyValueOf } from '../../merge/object-state.js';
import { limits } from '../../model/limits.js';
import { parseObjectText } from '../../model/object-key.js';
import type { HeadState } from '../history/head-state.js';
import type { History } from '../history/history.js';
import type { IndexRow } from '../history/object-index.js';
import { sliceSizeOf, slicesOf } from '../history/object-slices.js';
import { decodeObjectState, type Row } from '../history/stored-objects.js';
import { serverLimits } from '../server-limits.js';
import { choosePlan } from './choose-plan.js';
import { readIndexRows } from './read-index-rows.js';
import { restorePlan, type Scan, type SelectionPlan } from './selection-plan.js';

/** Some objects that match a filter. */
export interface SelectionPage {
  /** The objects, in the order of the plan. A page may have none although more follow. */
  readonly rows: readonly Row[];
  /** From here the next page goes on, also after a restart; `null` after the last page. */
  readonly position: string | null;
}

/** Finds the objects of a realm that match a filter. */
export interface Selection {
  /** Emits a plan that reads few objects, once and completes. Errors with a `StorageError`. */
  readonly choosePlan: (type: string, filter: StoredFilter) => Observable<SelectionPlan>;
  /**
   * Returns the plan to which a position belongs. A client may have sent the position. `null`: it is no position of
   * this filter, or its index is being built again. Then the selection starts with a new plan.
   */
  readonly resumePlan: (type: string, filter: StoredFilter, position: string) => SelectionPlan | null;
  /**
   * Reads one page, after a position of the plan or from the start. Emits it once and completes. Errors with a
   * `StorageError`.
   *
   * The pages have each object that matches in the stored objects when the first page is read, and that no later
   * changeset touches. Each object is sent as it is at the head of the history at some time during the reading of its
   * page, and only if it matches then. So an object that changes meanwhile may be left out or be read twice.
   */
  readonly readMatching: (plan: SelectionPlan, position: string | null) => Observable<SelectionPage>;
}

export interface SelectionPorts {
  readonly history: Pick<History, 'projection' | 'watchedProperties'>;
  readonly headState: Pick<HeadState, 'readRows'>;
}

/** Where a plan goes on: in one of its scans, after a place. */
interface PlanPosition {
  readonly scan: number;
  /** A place of the index, or the text of an object; empty before the first. */
  readonly after: string;
}

const startPosition: PlanPosition = { scan: 0, after: '' };

const positionPattern = /^([\d.]*|all)\/(\d{1,5})\/([ -~]{0,2000})$/;

const positionTextOf = ({ choice, scans }: SelectionPlan, { scan, after }: PlanPosition): string | null =>
  scan >= scans.length ? null : `${choice}/${scan}/${after}`;

const parsePosition = (text: string): { readonly choice: string; readonly at: PlanPosition } | null => {
  const [, choice, scan, after] = positionPattern.exec(text) ?? [];
  if (choice === undefined || after === undefined) return null;
  return { choice, at: { scan: Number(scan), after } };
};

/** Objects that a scan reads, and the place of the last one; `null` at the end of the scan. */
interface ScanPage {
  readonly rows: readonly Row[];
  readonly place: string | null;
  /** The rows of which the index says what it says at this time. */
  readonly indexed: ReadonlySet<Row>;
}

/** A page of an index has more objects, and more bytes, than one of the history. */
const pageSize = () => ({
  limit: serverLimits.selectionPages * limits.pageChangesetsMax,
  bytesMax: serverLimits.selectionPages * limits.pageBytesMax,
});
const noRows: ReadonlySet<Row> = new Set();

/** Objects that are read together. A page has a few times as many, and ends after one of these. */
const rowsAtOnce = 256;

type Named = Pick<IndexRow, 'place' | 'text'>;

/** Reads the rows of objects, slice by slice, until they fill a page. `isUnchanged`: since the index was read. */
const readNamed = (
  { history: { projection }, headState }: SelectionPorts,
  named: readonly Named[],
  isLast: boolean,
  isUnchanged: () => boolean,
): Observable<ScanPage> =>
  defer(() => {
    const rows: Row[] = [];
    const indexed = new Set<Row>();
    let [count, bytes] = [0, 0];
    const texts = named.map(({ text }) => text);
    const { bytesMax } = pageSize();
    const note = (stored: readonly Row[]): void => {
      if (isUnchanged()) for (const row of stored) indexed.add(row);
    };
    const readSlice = (slice: readonly string[]): Observable<unknown> =>
      headState.readRows(projection.readSomeRows(slice).pipe(tap(note))).pipe(
        tap((read) => {
          count += slice.length;
          rows.push(...read);
          bytes += read.reduce((sum, [, state]) => sum + state.byteLength, 0);
        }),
        subscribeOn(queueScheduler), // Synchronous results do not nest on the stack.
      );
    return concat(
      from(slicesOf(texts, (text) => projection.isLarge(text), sliceSizeOf(projection.cursor, rowsAtOnce))).pipe(
        concatMap((slice) => (bytes >= bytesMax ? EMPTY : readSlice(slice))),
        ignoreElements(),
      ),
      defer(() => {
        const place = isLast && count === named.length ? null : (named[count - 1]?.place ?? null);
        return of({ rows, place, indexed });
      }),
    );
  });

/** Returns a function that returns whether the stored objects are as at this time. */
const trackChanges = ({ history: { projection } }: SelectionPorts): (() => boolean) => {
  const { cursor, isMoving } = projection;
  return () => !isMoving && !projection.isMoving && projection.cursor === cursor;
};

/** Reads the next page of a scan, after a place. */
const readScan = (ports: SelectionPorts, type: string, scan: Scan, after: string): Observable<ScanPage> => {
  const { history, headState } = ports;
  const { limit } = pageSize();
  if (scan.kind === 'keys') {
    const texts = scan.texts.filter((text) => text > after);
    const named = texts.slice(0, limit).map((text): Named => ({ place: text, text }));
    return readNamed(ports, named, texts.length <= limit, () => false);
  }
  if (scan.kind === 'index') {
    const isUnchanged = trackChanges(ports);
    return readIndexRows(history.projection.index, type, scan, after, limit).pipe(
      switchMap((named) => readNamed(ports, named, named.length < limit, isUnchanged)),
    );
  }
  return headState
    .readRows(history.projection.readRows(after === '' ? null : after, type))
    .pipe(map((rows) => ({ rows, place: rows.at(-1)?.[0] ?? null, indexed: noRows })));
};

/** Whether each object matches that is in the index at a scan, and no earlier scan of the plan reads it. */
const isIndexEnough = ({ filter, scans }: SelectionPlan, at: number): boolean => {
  const scan = scans[at];
  if (scan?.kind !== 'index' || !scan.isExact || at > 0) return false;
  return filter === scan.covers || (isGroup(filter) && filter[0] === 'or' && filter.includes(scan.covers));
};

/** Returns whether a row is sent by a scan: it matches, and no earlier scan of the plan reads it. */
const createRowTest = ({ filter, scans }: SelectionPlan, at: number): ((row: Row) => boolean) => {
  const test = createFilterTest(filter);
  const earlier: readonly FilterTest[] = scans.slice(0, at).map(({ covers }) => createFilterTest(covers));
  return ([text, bytes]) => {
    const state = decodeObjectState(text, bytes);
    if (!isAlive(state)) return false;
    const { key } = parseObjectText(text);
    const read = createReader(key, (property) => propertyValueOf(state, property));
    return test(read) && !earlier.some((isRead) => isRead(read));
  };
};

const readPage = (ports: SelectionPorts, plan: SelectionPlan, at: PlanPosition): Observable<SelectionPage> => {
  const scan = plan.scans[at.scan];
  if (scan === undefined) return of({ rows: [], position: null });
  const isSent = createRowTest(plan, at.scan);
  const isEnough = isIndexEnough(plan, at.scan);
  return readScan(ports, plan.type, scan, at.after).pipe(
    map(({ rows, place, indexed }) => {
      const next = place === null ? { scan: at.scan + 1, after: '' } : { scan: at.scan, after: place };
      // A row with later changes is another one than the stored one.
      const sent = rows.filter((row) => (isEnough && indexed.has(row)) || isSent(row));
      return { rows: sent, position: positionTextOf(plan, next) };
    }),
  );
};

/** Creates the reader of the objects that match a filter. */
export const createSelection = (ports: SelectionPorts): Selection => ({
  choosePlan: (type, filter) => choosePlan(ports.history, type, filter),
  resumePlan: (type, filter, position) => {
    const parsed = parsePosition(position);
    if (parsed === null) return null;
    const plan = restorePlan(type, filter, ports.history.watchedProperties.types.get(type), parsed.choice);
    return plan !== null && parsed.at.scan < plan.scans.length ? plan : null;
  },
  readMatching: (plan, position) =>
    defer(() => {
      const at = position === null ? startPosition : parsePosition(position)?.at;
      if (at === undefined) throw new Error('Defect: the position does not belong to the plan.');
      return readPage(ports, plan, at);
    }),
});
