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

/** The objects of a realm at the head of its history: those that are stored, and what was written since. */
export interface HeadState {
  /**
   * States by the texts of the objects, where there are any. Waits for the stored ones to come near the head first.
   * Emits once and completes. Nothing may be appended meanwhile.
   */
  readonly readStates: (texts: Iterable<string>) => Observable<ReadonlyMap<string, ObjectState>>;
  /** Is told what was appended, in order. */
  readonly appended: (
    changesets: readonly { readonly recorded: HistoryRecord; readonly operations: readonly Operation[] }[],
  ) => void;
  /** Is told that the stored objects have come to a version. */
  readonly moved: (version: Version) => void;
  /** Forgets all if nobody has asked since the last call. */
  readonly forgetUnused: () => void;
}

interface RecentStep extends Step {
  readonly version: Version;
}

/** An object that was written after the stored one. */
interface RecentObject {
  /** The last version that wrote it. */
  version: Version;
  /** As it is at the head; `null`: nobody has asked yet, and `steps` are to be done. */
  state: ObjectState | null;
  steps: RecentStep[];
}

export interface HeadStatePorts {
  readonly history: Pick<History, 'log' | 'projection'>;
  readonly projector: Pick<Projector, 'lag' | 'catchUpTo'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Bytes of history that may be kept here. */
  readonly lagBytesMax: number;
}

/**
 * States of objects by what was written lately, on top of those that are stored. `null`: these went on meanwhile, so it
 * has to be done again.
 */
const readCurrentStates = (
  recent: ReadonlyMap<string, RecentObject> | null,
  projection: Pick<Projection, 'readStates' | 'cursor'>,
  texts: readonly string[],
): Observable<ReadonlyMap<string, ObjectState> | null> => {
  const { version } = projection.cursor;
  const known = new Map<string, ObjectState>();
  // Held on to: they may be let go of while the stored ones are read, which may be older ones than then.
  const waiting = new Map<string, RecentObject | undefined>();
  for (const text of texts) {
    const one = recent?.get(text);
    if (one?.state) known.set(text, one.state);
    else waiting.set(text, one);
  }
  if (waiting.size === 0) return of(known);
  return projection.readStates(waiting.keys()).pipe(
    map((stored) => {
      // What they took in may have given way to a delete that is forgotten by now.
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
  let recent: Map<string, RecentObject> | null = null; // `null`: nobody has asked for a while.
  let wasAsked = false;

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

  /** Reads what is between the stored objects and the head. */
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
        wasAsked = true;
        return statesOf([...texts]);
      }),
    appended: (changesets) => changesets.forEach(({ recorded, operations }) => note(recorded, operations)),
    moved: (version) => {
      for (const [text, one] of recent ?? []) {
        if (one.version <= version) recent?.delete(text);
        // Once more would be once too often: what they had to give way to may be forgotten next.
        else one.steps = one.steps.filter((step) => step.version > version);
      }
    },
    forgetUnused: () => {
      if (!wasAsked) recent = null;
      wasAsked = false;
    },
  };
};
