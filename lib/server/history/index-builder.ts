import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  startWith,
  Subject,
  take,
  tap,
  type Observable,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import { repeatWhile, runAction } from '../../model/operators.js';
import type { History } from './history.js';
import type { IndexPass } from './object-index.js';
import type { Projector } from './projector.js';

/** Adds the stored objects of an open realm to the index of properties that were watched later. */
export interface IndexBuilder {
  /**
   * Runs the work. Must be subscribed once while the realm is open. Goes on with what an earlier process has not
   * finished. Never emits, completes or errors.
   */
  readonly working$: Observable<never>;
  /** Builds the index of all watched properties. Completes when they are indexed, and errors if a step fails. */
  readonly indexed$: Observable<never>;
  /** Whether nothing is being built. */
  readonly isIdle: () => boolean;
}

export interface IndexBuilderPorts {
  readonly history: { readonly projection: Pick<History['projection'], 'index'> };
  readonly projector: Pick<Projector, 'runExclusive'>;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Called with errors of the work. It is tried again when it is needed again. */
  readonly failed: (thrown: unknown) => void;
}

/** Creates a builder. Each page of objects has an event-loop turn of its own, so that other work is not held up. */
export const createIndexBuilder = ({ history, projector, clock, failed }: IndexBuilderPorts): IndexBuilder => {
  const { index } = history.projection;
  const requests = new Subject<void>();
  /** Emits at the end of the work, with the error if it failed. */
  const ends = new Subject<{ readonly thrown: unknown } | null>();
  let isBuilding = false;
  let pass: IndexPass | null = null;

  const isUnfinished = (): boolean => {
    pass ??= index.createPass();
    return pass !== null;
  };
  const end = (result: { readonly thrown: unknown } | null): void => {
    isBuilding = false;
    pass = null;
    ends.next(result);
  };
  const page$ = defer(() => (pass === null ? EMPTY : projector.runExclusive(index.build(pass)))).pipe(
    tap((rest) => (pass = rest)),
    ignoreElements(),
  );
  const work$ = defer(() => {
    if (!isUnfinished()) return EMPTY;
    isBuilding = true;
    return page$.pipe(
      repeatWhile(isUnfinished, clock.scheduler),
      tap({ complete: () => end(null) }),
      catchError((thrown: unknown) => {
        failed(thrown);
        end({ thrown });
        return EMPTY;
      }),
    );
  });

  return {
    working$: requests.pipe(
      startWith(undefined),
      filter(() => !isBuilding),
      concatMap(() => work$),
    ),
    indexed$: defer(() => {
      if (!isUnfinished()) return EMPTY;
      const ended$ = ends.pipe(
        take(1),
        map((result) => {
          if (result !== null) throw result.thrown;
        }),
        ignoreElements(),
      );
      return merge(
        ended$,
        runAction(() => requests.next()),
      );
    }),
    isIdle: () => !isBuilding,
  };
};
