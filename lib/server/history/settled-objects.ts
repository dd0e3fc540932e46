import { concat, defer, EMPTY, ignoreElements, map, of, switchMap, tap, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { History } from './history.js';
import { readPagesAfter } from './history-pages.js';
import { operationsOf } from './projection.js';
import type { Projector } from './projector.js';
import type { HistoryRecord } from './history-record.js';
import { growthsOf, noGrowth, type ObjectSize, sizeOf, sumOf } from '../uploads/object-sizes.js';

/** The objects of a realm as they are stored: asked for their sizes, at no memory for what was written since. */
export interface SettledObjects {
  /**
   * At least how large objects are that are not larger: as they are stored, with what was written since. Emits once and
   * completes.
   */
  readonly readSizes: (texts: readonly string[]) => Observable<ReadonlyMap<string, ObjectSize>>;
  /** As they are at the head of the history: waits for the stored ones to come there. Emits once and completes. */
  readonly readStates: (texts: readonly string[]) => Observable<ReadonlyMap<string, ObjectState>>;
  /** What was counted of the history is of no use any more. */
  readonly forget: () => void;
}

export interface SettledObjectsPorts {
  readonly history: Pick<History, 'log' | 'projection'>;
  readonly projector: Pick<Projector, 'catchUpTo'>;
  readonly clock: Pick<Clock, 'scheduler'>;
}

export const createSettledObjects = ({ history, projector, clock }: SettledObjectsPorts): SettledObjects => {
  const { log, projection } = history;
  /** What changesets behind the stored objects may have added to them; `null`: they were not read. */
  let lag: Map<string, ObjectSize> | null = null;

  const read$: Observable<never> = defer(() => {
    const counted = new Map<string, ObjectSize>();
    const count = (entry: HistoryRecord): void => {
      for (const [text, growth] of growthsOf({ changeset: entry, operations: operationsOf(entry) }))
        counted.set(text, sumOf(counted.get(text) ?? noGrowth, growth));
    };
    return readPagesAfter(log, projection.cursor.version, clock).pipe(
      tap({
        next: (entries) => entries.forEach(count),
        complete: () => (lag = counted),
      }),
      ignoreElements(),
    );
  });

  return {
    forget: () => (lag = null),
    readSizes: (texts) => {
      if (texts.length === 0) return of(new Map<string, ObjectSize>());
      return concat(
        defer(() => (lag === null ? read$ : EMPTY)),
        defer(() => projection.readStates(texts)),
      ).pipe(
        map((found) => {
          const sizes = new Map<string, ObjectSize>();
          for (const text of texts) sizes.set(text, sumOf(sizeOf(found.get(text)), lag?.get(text) ?? noGrowth));
          return sizes;
        }),
      );
    },
    readStates: (texts) =>
      texts.length === 0
        ? of(new Map<string, ObjectState>())
        : defer(() => concat(projector.catchUpTo(log.head), of(null))).pipe(
            switchMap(() => projection.readStates(texts)),
          ),
  };
};
