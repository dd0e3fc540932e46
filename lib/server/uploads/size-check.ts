import {
  concat,
  concatMap,
  defer,
  from,
  last,
  map,
  type Observable,
  of,
  queueScheduler,
  subscribeOn,
  switchMap,
  tap,
} from 'rxjs';
import { type Clock, createYielder } from '../../clock.js';
import { isHidden, type ServedScope } from '../scope/served-scope.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { RejectedWrite } from '../../model/changeset.js';
import { limits as defaults } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { IncomingChangeset, RejectionDetails } from './incoming-changeset.js';
import { type BatchCheck, noRejections, type RejectionsByVersion } from './permit-check.js';
import { applySteps, type Step, stepsOf } from '../history/projection.js';
import type { SettledObjects } from '../history/settled-objects.js';
import { type ObjectSize, type SizeLimits, sizeOf, type ObjectSizes, tooLargeReasonOf } from './object-sizes.js';

export interface SizeCheckPorts {
  readonly settledObjects: SettledObjects;
  readonly sizes: ObjectSizes;
  readonly limits: SizeLimits;
  readonly clock: Pick<Clock, 'scheduler'>;
}

/** A changeset that the batch has accepted. */
interface TakenChangeset {
  readonly replica: string;
  readonly incoming: IncomingChangeset;
}

/** Reads objects as they are after the changesets of the batch. These are applied only when a state is read. */
const createBatchStates = (settled: SettledObjects) => {
  const pending = new Map<string, Step[]>();
  let taken: TakenChangeset[] = [];
  const fold = (): void => {
    for (const { replica, incoming } of taken)
      for (const [text, steps] of stepsOf({ ...incoming.changeset, origin: replica }, incoming.operations)) {
        const known = pending.get(text);
        if (known) known.push(...steps);
        else pending.set(text, steps);
      }
    taken = [];
  };
  return {
    add: (replica: string, page: readonly IncomingChangeset[]): void =>
      void taken.push(...page.map((incoming) => ({ replica, incoming }))),
    states: (texts: readonly string[]): Observable<ReadonlyMap<string, ObjectState>> =>
      settled.readStates(texts).pipe(
        map((found) => {
          fold();
          const all = new Map(found);
          for (const text of texts) {
            const state = applySteps(found.get(text), pending.get(text) ?? []);
            if (state !== undefined) all.set(text, state);
          }
          return all;
        }),
      ),
  };
};

/** The effect of a changeset on the sizes of objects, and the objects that would become too large. */
interface SizeResult {
  readonly rejected: readonly RejectedWrite[];
  readonly sizes: ReadonlyMap<string, ObjectSize>;
}

const emptyResult: SizeResult = { rejected: [], sizes: new Map() };

const checkSizes = (
  limits: SizeLimits,
  found: ReadonlyMap<string, ObjectState>,
  texts: readonly string[],
  steps: ReadonlyMap<string, readonly Step[]>,
  scope: ServedScope | null,
): SizeResult => {
  const rejected: RejectedWrite[] = [];
  const sizes = new Map<string, ObjectSize>();
  for (const text of texts) {
    const own = steps.get(text) ?? [];
    const before = found.get(text);
    const after = applySteps(before, own);
    const first = own[0]?.operation;
    // The next check rejects it, without its size.
    if (first && isHidden(scope, first, before)) continue;
    const size = sizeOf(after);
    const reason = after && tooLargeReasonOf(limits, before, after, size);
    if (reason && first) rejected.push({ type: first.type, key: first.key, reason });
    else sizes.set(text, size);
  }
  return { rejected, sizes };
};

/** Returns the objects of a changeset whose states must be read to decide whether they become too large. */
const findDoubtful = (
  { settledObjects, sizes }: SizeCheckPorts,
  incoming: IncomingChangeset,
): Observable<readonly string[]> =>
  defer(() => {
    const growths = sizes.growthsOf(incoming);
    const unknown = [...growths.keys()].filter((text) => !sizes.isKnown(text));
    return settledObjects.readSizes(unknown).pipe(
      map((found) => {
        for (const [text, size] of found) sizes.note(text, size);
        return [...growths].filter(([text, growth]) => !sizes.fits(text, growth)).map(([text]) => text);
      }),
    );
  });

/**
 * Creates the check of one batch that rejects changesets that make an object too large, and passes the others to
 * `inner`.
 */
export const createSizeCheck = (ports: SizeCheckPorts, inner: BatchCheck): BatchCheck => {
  const { settledObjects, sizes, limits, clock } = ports;
  const batchStates = createBatchStates(settledObjects);
  const yieldAndRun = createYielder(clock, defaults.sliceMsMax);
  if (sizes.isFull()) {
    sizes.clear();
    settledObjects.forget();
  }

  const checkPage: BatchCheck['checkPage'] = (replica, writer, all) =>
    defer(() => {
      const rejections = new Map<Version, RejectionDetails>();
      let waiting: IncomingChangeset[] = [];
      /** Passes the accepted changesets to `inner`. Those that it rejects do not count for later ones. */
      const innerCheck$ = defer((): Observable<unknown> => {
        const now = waiting;
        waiting = [];
        if (now.length === 0) return of(noRejections);
        return inner.checkPage(replica, writer, now).pipe(
          tap((found: RejectionsByVersion) => {
            for (const [version, rejection] of found) rejections.set(version, rejection);
            batchStates.add(
              replica,
              now.filter(({ changeset }) => !found.has(changeset.version)),
            );
          }),
        );
      });
      const checkTexts = (incoming: IncomingChangeset, texts: readonly string[]): Observable<SizeResult> => {
        if (texts.length === 0) return of(emptyResult);
        const steps = stepsOf({ ...incoming.changeset, origin: replica }, incoming.operations);
        return innerCheck$.pipe(
          switchMap(() => batchStates.states(texts)),
          map((found) => checkSizes(limits, found, texts, steps, writer.scope)),
        );
      };
      const note = (incoming: IncomingChangeset, { rejected, sizes: exact }: SizeResult): void => {
        const { version } = incoming.changeset;
        if (rejected.length > 0) {
          rejections.set(version, { code: 'too-large', writes: rejected.slice(0, defaults.rejectedReasonsMax) });
          return;
        }
        waiting.push(incoming);
        sizes.add(incoming);
        for (const [text, size] of exact) sizes.note(text, size);
      };
      const checkChangeset = (incoming: IncomingChangeset): Observable<SizeResult> =>
        yieldAndRun(() => findDoubtful(ports, incoming).pipe(switchMap((texts) => checkTexts(incoming, texts)))).pipe(
          subscribeOn(queueScheduler), // As in `createPermitCheck`: synchronous answers do not nest on the stack.
          tap((result) => note(incoming, result)),
        );
      return concat(from(all).pipe(concatMap(checkChangeset)), innerCheck$).pipe(
        last(),
        map(() => rejections),
      );
    });
  return { checkPage };
};
