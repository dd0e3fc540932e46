import { concat, defer, EMPTY, ignoreElements, map, of, switchMap, tap, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { History } from './history.js';
import { readPagesAfter } from './history-pages.js';
import { operationsOf } from './projection.js';
import type { Projector } from './projector.js';
import type { HistoryRecord } from './history-record.js';
import { growthsOf, noGrowth, type ObjectSize, sizeOf, sumOf } from '../uploads/object-sizes.js';

/** Reads the stored objects of a realm and their sizes, without keeping later changes in memory. */
export interface SettledObjects {
  /** Emits upper bounds of the sizes of objects, with later changes counted in. Emits once and completes. */
  readonly readSizes: (texts: readonly string[]) => Observable<ReadonlyMap<string, ObjectSize>>;
  /**
   * Emits the states of objects at the head of the history. Waits until the stored objects have reached it. Emits once
   * and completes.
   */
  readonly readStates: (texts: readonly string[]) => Observable<ReadonlyMap<string, ObjectState>>;
  /** Forgets the counted growth. */
  readonly forget: () => void;
}

export interface SettledObjectsPorts {
  readonly history: Pick<History, 'log' | 'projection'>;
  readonly projector: Pick<Projector, 'catchUpTo'>;
  readonly clock: Pick<Clock, 'scheduler'>;
}

export const createSettledObjects = ({ history, projector, clock }: SettledObjectsPorts): SettledObjects => {
  const { log, projection } = history;
  /** Largest growth of objects by changesets after the stored version; `null` until it is read. */
  let lag: Map<string, ObjectSize> | null = null;

  const read$: Observable<never> = defer(() => {
    const growths = new Map<string, ObjectSize>();
    const count = (entry: HistoryRecord): void => {
      for (const [text, growth] of growthsOf({ changeset: entry, operations: operationsOf(entry) }))
        growths.set(text, sumOf(growths.get(text) ?? noGrowth, growth));
    };
    return readPagesAfter(log, projection.cursor.version, clock).pipe(
      tap({
        next: (entries) => entries.forEach(count),
        complete: () => (lag = growths),
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
