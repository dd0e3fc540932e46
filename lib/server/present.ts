import { concat, defer, EMPTY, ignoreElements, map, of, switchMap, tap, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import type { ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import type { Version } from '../model/version.js';
import type { History } from './history.js';
import { pagesAfter } from './history-pages.js';
import type { Recorded } from './recorded.js';
import { afterSteps, operationsOf, stepsOf, type Projection, type Step } from './projection.js';
import type { Projector } from './projector.js';

/** The objects of a realm at the head of its history: those that are stored, and what was written since. */
export interface Present {
  /**
   * States by the texts of the objects, where there are any. Waits for the stored ones to come near the head first. Emits once and
   * completes. Nothing may be appended meanwhile.
   */
  readonly states: (texts: Iterable<string>) => Observable<ReadonlyMap<string, ObjectState>>;
  /** Is told what was appended, in order. */
  readonly appended: (
    changesets: readonly { readonly recorded: Recorded; readonly operations: readonly Operation[] }[],
  ) => void;
  /** Is told that the stored objects have come to a version. */
  readonly moved: (version: Version) => void;
  /** Forgets all if nobody has asked since the last call. */
  readonly rest: () => void;
}

/** An object that was written after the stored one. */
interface Recent {
  /** The last version that wrote it. */
  version: Version;
  /** As it is at the head; `null`: nobody has asked yet, and `steps` are to be done. */
  state: ObjectState | null;
  steps: Step[];
}

export interface PresentPorts {
  readonly history: Pick<History, 'log' | 'projection'>;
  readonly projector: Pick<Projector, 'lag' | 'reach'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Bytes of history that may be kept here. */
  readonly lagBytesMax: number;
}

/** States of objects by what was written lately, on top of those that are stored. */
const found = (
  recent: ReadonlyMap<string, Recent> | null,
  projection: Pick<Projection, 'states'>,
  texts: readonly string[],
): Observable<ReadonlyMap<string, ObjectState>> => {
  const known = new Map<string, ObjectState>();
  // Held on to: they may be let go of while the stored ones are read, which may be older ones than then.
  const waiting = new Map<string, Recent | undefined>();
  for (const text of texts) {
    const one = recent?.get(text);
    if (one?.state) known.set(text, one.state);
    else waiting.set(text, one);
  }
  if (waiting.size === 0) return of(known);
  return projection.states(waiting.keys()).pipe(
    map((stored) => {
      for (const [text, one] of waiting) {
        const state = one === undefined ? stored.get(text) : afterSteps(stored.get(text), one.steps);
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

export const createPresent = ({ history, projector, clock, lagBytesMax }: PresentPorts): Present => {
  const { log, projection } = history;
  let recent: Map<string, Recent> | null = null; // `null`: nobody has asked for a while.
  let wasAsked = false;

  const note = (entry: Recorded, operations: readonly Operation[]): void => {
    if (recent === null || entry.version <= projection.cursor.version) return;
    for (const [text, steps] of stepsOf(entry, operations)) {
      const known = recent.get(text);
      if (known === undefined) recent.set(text, { version: entry.version, state: null, steps });
      else {
        known.version = entry.version;
        if (known.state === null) known.steps.push(...steps);
        else known.state = afterSteps(known.state, steps) ?? known.state;
      }
    }
  };

  /** Reads what is between the stored objects and the head. */
  const read$: Observable<never> = defer(() => {
    recent = new Map();
    return pagesAfter(log, projection.cursor.version, clock).pipe(
      tap((entries) => entries.forEach((entry) => note(entry, operationsOf(entry)))),
      tap({ error: () => (recent = null), unsubscribe: () => (recent = null) }),
      ignoreElements(),
    );
  });

  const ready$: Observable<never> = defer(() => {
    const near$ = projector.lag() > lagBytesMax ? projector.reach(log.head) : EMPTY;
    return concat(
      near$,
      defer(() => (recent === null ? read$ : EMPTY)),
    );
  });

  return {
    states: (texts) =>
      defer(() => {
        wasAsked = true;
        const all = [...texts];
        return concat(ready$, of(all)).pipe(switchMap((wanted) => found(recent, projection, wanted)));
      }),
    appended: (changesets) => changesets.forEach(({ recorded, operations }) => note(recorded, operations)),
    moved: (version) => {
      for (const [text, one] of recent ?? []) if (one.version <= version) recent?.delete(text);
    },
    rest: () => {
      if (!wasAsked) recent = null;
      wasAsked = false;
    },
  };
};
