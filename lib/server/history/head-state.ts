import { concat, defer, EMPTY, ignoreElements, map, of, switchMap, tap, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import type { Version } from '../../model/version.js';
import type { History } from './history.js';
import { readPagesAfter } from './history-pages.js';
import type { HistoryRecord } from './history-record.js';
import { applySteps, operationsOf, stepsOf, type Projection, type Step } from './projection.js';
import type { Projector } from './projector.js';

/** The objects of a realm at the head of its history: the stored ones with later changes applied. */
export interface HeadState {
  /**
   * Emits the states of existing objects once, by object texts, and completes. Waits until the stored objects are near
   * the head. Nothing may be appended meanwhile.
   */
  readonly readStates: (texts: Iterable<string>) => Observable<ReadonlyMap<string, ObjectState>>;
  /** Must be called with the appended changesets, in order. Their operations are read only if the cache is used. */
  readonly appended: (recorded: readonly HistoryRecord[], incoming: readonly DecodedChangeset[]) => void;
  /** Must be called when the stored objects have reached a version. */
  readonly moved: (version: Version) => void;
  /** Clears the cache if it was not used since the last call. */
  readonly forgetUnused: () => void;
}

interface DecodedChangeset {
  readonly operations: readonly Operation[];
}

interface RecentStep extends Step {
  readonly version: Version;
}

/** An object with changes that the stored one does not contain. */
interface RecentObject {
  /** The last version that wrote the object. */
  version: Version;
  /** State at the head; `null` until it is first read. Until then `steps` are to be applied to the stored state. */
  state: ObjectState | null;
  steps: RecentStep[];
}

export interface HeadStatePorts {
  readonly history: Pick<History, 'log' | 'projection'>;
  readonly projector: Pick<Projector, 'lag' | 'catchUpTo'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Bytes of history that may be cached here. */
  readonly lagBytesMax: number;
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
      // The changes that the stored objects have applied may have lost to a delete whose tombstone is removed by now.
      if (projection.cursor.version !== version) return null;
      for (const [text, one] of waiting) {
        const state = one === undefined ? stored.get(text) : applySteps(stored.get(text), one.steps);
        if (state === undefined) continue;
        known.set(text, state);
        if (one === undefined) continue;
        one.state = state;
        one.steps = [];
      }
      return known;
    }),
  );
};

export const createHeadState = ({ history, projector, clock, lagBytesMax }: HeadStatePorts): HeadState => {
  const { log, projection } = history;
  let recent: Map<string, RecentObject> | null = null; // `null` while unused.
  let isUsed = false;

  const note = (entry: HistoryRecord, operations: readonly Operation[]): void => {
    if (recent === null || entry.version <= projection.cursor.version) return;
    const { version } = entry;
    for (const [text, all] of stepsOf(entry, operations)) {
      const known = recent.get(text);
      const steps = all.map((step) => ({ ...step, version }));
      if (known === undefined) recent.set(text, { version, state: null, steps });
      else {
        known.version = version;
        if (known.state === null) known.steps.push(...steps);
        else known.state = applySteps(known.state, steps) ?? known.state;
      }
    }
  };

  /** Reads the changes between the stored objects and the head. */
  const read$: Observable<never> = defer(() => {
    recent = new Map();
    return readPagesAfter(log, projection.cursor.version, clock).pipe(
      tap((entries) => entries.forEach((entry) => note(entry, operationsOf(entry)))),
      tap({ error: () => (recent = null), unsubscribe: () => (recent = null) }),
      ignoreElements(),
    );
  });

  const ready$: Observable<never> = defer(() => {
    const near$ = projector.lag() > lagBytesMax ? projector.catchUpTo(log.head) : EMPTY;
    return concat(
      near$,
      defer(() => (recent === null ? read$ : EMPTY)),
    );
  });

  const statesOf = (texts: readonly string[]): Observable<ReadonlyMap<string, ObjectState>> =>
    concat(
      ready$,
      defer(() => readCurrentStates(recent, projection, texts)),
    ).pipe(switchMap((states) => (states === null ? statesOf(texts) : of(states))));

  return {
    readStates: (texts) =>
      defer(() => {
        isUsed = true;
        return statesOf([...texts]);
      }),
    appended: (recorded, incoming) => {
      if (recent === null) return;
      recorded.forEach((entry, at) => note(entry, incoming[at]?.operations ?? []));
    },
    moved: (version) => {
      for (const [text, one] of recent ?? []) {
        if (one.version <= version) recent?.delete(text);
        // Applied again, they could win against a tombstone that is removed next.
        else one.steps = one.steps.filter((step) => step.version > version);
      }
    },
    forgetUnused: () => {
      if (!isUsed) recent = null;
      isUsed = false;
    },
  };
};
