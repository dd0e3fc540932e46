import {
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  of,
  share,
  Subject,
  switchMap,
  take,
  tap,
  type Observable,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { encodeState } from '../../merge/state-codec.js';
import type { Version } from '../../model/version.js';
import { HeadObject } from './head-object.js';
import type { History } from './history.js';
import { readPagesAfter } from './history-pages.js';
import type { HistoryRecord } from './history-record.js';
import { applySteps, operationsOf, stepsOf, type Projection, type Step } from './projection.js';
import type { Projector } from './projector.js';
import { decodeObjectState, type Row } from './stored-objects.js';

/** The objects of a realm at the head of its history: the stored ones with later changes applied. */
export interface HeadState {
  /**
   * Emits the states of existing objects once, by object texts, and completes. Waits until the stored objects are near
   * the head. Nothing may be appended meanwhile.
   */
  readonly readStates: (texts: Iterable<string>) => Observable<ReadonlyMap<string, ObjectState>>;
  /**
   * Emits the rows that a read of stored objects emits, with later changes applied, once and completes. Waits until the
   * stored objects are near the head. Changesets may be appended meanwhile: each object is as at some time during the
   * read. An object without a stored row is left out.
   */
  readonly readRows: (stored$: Observable<readonly Row[]>) => Observable<readonly Row[]>;
  /**
   * Emits those of some objects that exist, by their texts, once and completes. Like `readRows`, but also objects
   * without a stored row are read. If the history does not grow during the read, all are as at its head.
   */
  readonly readSomeObjects: (texts: readonly string[]) => Observable<ReadonlyMap<string, HeadObject>>;
  /**
   * Must be called with the appended changesets, in order. Their operations are read only if the cache is used.
   */
  readonly appended: (
    recorded: readonly HistoryRecord[],
    incoming: readonly DecodedChangeset[],
    known?: KnownChanges | null,
  ) => void;
  /** Must be called when the stored objects have reached a version. */
  readonly moved: (version: Version) => void;
  /** Clears the cache if it was not used since the last call. */
  readonly forgetUnused: () => void;
}

/** Facts about changesets that are known already. */
export interface KnownChanges {
  /** The operations of each changeset, by object. */
  readonly steps: readonly ObjectSteps[];
  /** Some of the objects after all of the changesets. */
  readonly states: ReadonlyMap<string, ObjectState>;
}

interface DecodedChangeset {
  readonly operations: readonly Operation[];
}

type ObjectSteps = ReadonlyMap<string, readonly Step[]>;

const noRecords: readonly HistoryRecord[] = [];

/** An object with changes that the stored one does not contain. */
interface RecentObject {
  /** The last version that wrote the object. */
  version: Version;
  /** State at the head; `null` until it is first read. Until then `records` are to be applied to the stored state. */
  state: ObjectState | null;
  /** Changesets that wrote the object. Decoded when it is read: most objects are not read again soon. */
  records: readonly HistoryRecord[];
}

/** Returns a function that applies changesets to one object. Decodes each of them once. */
const createApply = () => {
  const decoded = new Map<Version, ObjectSteps>();
  const decode = (record: HistoryRecord): ObjectSteps => {
    const known = decoded.get(record.version) ?? stepsOf(record, operationsOf(record));
    decoded.set(record.version, known);
    return known;
  };
  return (text: string, before: ObjectState | undefined, records: readonly HistoryRecord[]): ObjectState | undefined =>
    records.reduce((state, record) => applySteps(state, decode(record).get(text) ?? []), before);
};

export interface HeadStatePorts {
  readonly history: Pick<History, 'log' | 'projection' | 'watchedProperties'>;
  readonly projector: Pick<Projector, 'lag' | 'catchUpTo'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Bytes of history that may be cached here. */
  readonly lagBytesMax: number;
  /**
   * The same in a watched realm, where every upload reads objects. At this distance the projection advances by itself,
   * and an upload waits for one page of it only. The same number if left out.
   */
  readonly watchedLagBytesMax?: number;
}

/**
 * Returns the states of objects with recent changes applied. Emits `null` if the stored objects changed meanwhile: then
 * it must be repeated.
 */
const readCurrentStates = (
  recent: ReadonlyMap<string, RecentObject> | null,
  projection: Pick<Projection, 'readStates' | 'cursor'>,
  texts: readonly string[],
): Observable<ReadonlyMap<string, ObjectState> | null> => {
  const { version } = projection.cursor;
  const known = new Map<string, ObjectState>();
  // Kept here, because entries may be removed while the stored objects are read, which may be older than then.
  const waiting = new Map<string, RecentObject | undefined>();
  for (const text of texts) {
    const object = recent?.get(text);
    if (object?.state) known.set(text, object.state);
    else waiting.set(text, object);
  }
  if (waiting.size === 0) return of(known);
  return projection.readStates(waiting.keys()).pipe(
    map((stored) => {
      const apply = createApply();
      // The changes that the stored objects have applied may have lost to a delete whose tombstone is removed by now.
      if (projection.cursor.version !== version) return null;
      for (const [text, one] of waiting) {
        const state = one === undefined ? stored.get(text) : apply(text, stored.get(text), one.records);
        if (state === undefined) continue;
        known.set(text, state);
        if (one === undefined) continue;
        one.state = state;
        one.records = noRecords;
      }
      return known;
    }),
  );
};

/** Adds the objects of a changeset. `states` are objects after it that are known already. */
const addRecent = (
  recent: Map<string, RecentObject>,
  record: HistoryRecord,
  changes: ObjectSteps,
  states: ReadonlyMap<string, ObjectState> | null,
): void => {
  const { version } = record;
  for (const [text, steps] of changes) {
    const known = recent.get(text);
    if (known === undefined) {
      recent.set(text, { version, state: null, records: [record] });
      continue;
    }
    known.version = version;
    const state = states?.get(text) ?? (known.state && applySteps(known.state, steps));
    if (state) {
      known.state = state;
      known.records = noRecords;
    } else known.records = [...known.records, record];
  }
};

/**
 * Returns stored rows with recent changes applied. Emits `null` if the stored objects changed meanwhile: then it must
 * be repeated.
 */
const readCurrentRows = (
  recent: ReadonlyMap<string, RecentObject> | null,
  projection: Pick<Projection, 'cursor'>,
  stored$: Observable<readonly Row[]>,
): Observable<readonly Row[] | null> => {
  const { version } = projection.cursor;
  return stored$.pipe(
    map((rows) => {
      if (projection.cursor.version !== version) return null;
      const apply = createApply();
      return rows.map((row): Row => {
        const [text, bytes] = row;
        const one = recent?.get(text);
        if (one === undefined) return row;
        const state = one.state ?? apply(text, decodeObjectState(text, bytes), one.records);
        return state === undefined ? row : [text, encodeState(state)];
      });
    }),
  );
};

/** Returns the rows of some objects with recent changes applied. Like `readCurrentRows`. */
const readCurrentSome = (
  recent: ReadonlyMap<string, RecentObject> | null,
  projection: Pick<Projection, 'readSomeRows' | 'cursor'>,
  texts: readonly string[],
): Observable<ReadonlyMap<string, HeadObject> | null> => {
  const { version } = projection.cursor;
  const known = new Map<string, HeadObject>();
  const waiting: string[] = [];
  for (const text of texts) {
    const state = recent?.get(text)?.state;
    if (state) known.set(text, new HeadObject(text, state, null));
    else waiting.push(text);
  }
  if (waiting.length === 0) return of(known);
  return projection.readSomeRows(waiting).pipe(
    map((rows) => {
      if (projection.cursor.version !== version) return null;
      const stored = new Map(rows);
      const apply = createApply();
      for (const text of waiting) {
        const one = recent?.get(text);
        const bytes = stored.get(text);
        const before = one === undefined || bytes === undefined ? undefined : decodeObjectState(text, bytes);
        const state = one && (one.state ?? apply(text, before, one.records));
        if (state) known.set(text, new HeadObject(text, state, null));
        else if (bytes !== undefined) known.set(text, new HeadObject(text, null, bytes));
      }
      return known;
    }),
  );
};

/** Waits until the stored objects are near the head. */
const waitForProjection = ({
  history: { log, projection, watchedProperties },
  projector,
  lagBytesMax,
  watchedLagBytesMax = lagBytesMax,
}: HeadStatePorts): Observable<never> => {
  const isWatched = watchedProperties.types.size > 0;
  if (projector.lag() <= (isWatched ? watchedLagBytesMax : lagBytesMax)) return EMPTY;
  return projector.catchUpTo(isWatched ? projection.cursor.version + 1 : log.head);
};

/** Removes the changes that the stored objects contain. */
const forgetStored = (recent: Map<string, RecentObject>, version: Version): void => {
  for (const [text, one] of recent) {
    if (one.version <= version) recent.delete(text);
    // Applied again, they could win against a tombstone that is removed next.
    else if (one.records.length > 0) one.records = one.records.filter((record) => record.version > version);
  }
};

/** Tracks up to which version the appended changesets are known here. */
const createNotes = (log: Pick<History['log'], 'head'>) => {
  let notedTo = log.head;
  const noted = new Subject<Version>();
  return {
    add: (recorded: readonly HistoryRecord[]): void => {
      notedTo = Math.max(notedTo, recorded.at(-1)?.version ?? 0);
      noted.next(notedTo);
    },
    /** Reads when those up to the head are known: a session is woken by a new head before. */
    whenReached: <A>(read: () => Observable<A>): Observable<A> =>
      defer(() => {
        const { head } = log;
        if (notedTo >= head) return read();
        const reached$ = noted.pipe(filter((version) => version >= head));
        return reached$.pipe(take(1), switchMap(read));
      }),
  };
};

export const createHeadState = (ports: HeadStatePorts): HeadState => {
  const { history, clock } = ports;
  const { log, projection } = history;
  let recent: Map<string, RecentObject> | null = null; // `null` while unused.
  let isReading = false; // Whether these changes are being read.
  const endReading = (): boolean => (isReading = false);
  let isUsed = false;
  const notes = createNotes(log);

  const note = (
    entry: HistoryRecord,
    changes: () => ObjectSteps,
    states: ReadonlyMap<string, ObjectState> | null = null,
  ): void => {
    if (recent === null || entry.version <= projection.cursor.version) return;
    addRecent(recent, entry, changes(), states);
  };

  /** Reads the changes between the stored objects and the head, once for all who wait for them. */
  const read$: Observable<never> = defer(() => {
    recent = new Map();
    isReading = true;
    return readPagesAfter(log, projection.cursor.version, clock).pipe(
      tap((entries) => entries.forEach((entry) => note(entry, () => stepsOf(entry, operationsOf(entry))))),
      tap({ error: () => (recent = null), unsubscribe: () => (recent = null) }),
      tap({ complete: endReading, error: endReading, unsubscribe: endReading }),
      ignoreElements(),
    );
  }).pipe(share());

  const ready$: Observable<never> = defer(() => {
    return concat(
      waitForProjection(ports),
      defer(() => (recent === null || isReading ? read$ : EMPTY)),
    );
  });

  /** Reads something at the head, again while the stored objects change meanwhile. */
  const readCurrent = <A>(read: () => Observable<A | null>): Observable<A> =>
    defer(() => {
      isUsed = true;
      return concat(ready$, defer(read)).pipe(switchMap((found) => (found === null ? readCurrent(read) : of(found))));
    });

  return {
    readStates: (texts) => {
      const all = [...texts];
      return readCurrent(() => readCurrentStates(recent, projection, all));
    },
    readRows: (stored$) => readCurrent(() => readCurrentRows(recent, projection, stored$)),
    readSomeObjects: (texts) => notes.whenReached(() => readCurrent(() => readCurrentSome(recent, projection, texts))),
    appended: (recorded, incoming, known) => {
      if (recent !== null)
        recorded.forEach((entry, at) =>
          note(entry, () => known?.steps[at] ?? stepsOf(entry, incoming[at]?.operations ?? []), known?.states),
        );
      notes.add(recorded);
    },
    moved: (version) => {
      if (recent !== null) forgetStored(recent, version);
    },
    forgetUnused: () => {
      if (!isUsed) recent = null;
      isUsed = false;
    },
  };
};
