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

/** What a batch has let in. */
interface TakenChangeset {
  readonly replica: string;
  readonly incoming: IncomingChangeset;
}

/** Objects as they are, with what a batch has done so far: made of what was let in when somebody asks. */
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

/** What a changeset makes of some objects: their sizes, or why they may not become that. */
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
): SizeResult => {
  const refused: RejectedWrite[] = [];
  const sizes = new Map<string, ObjectSize>();
  for (const text of texts) {
    const own = steps.get(text) ?? [];
    const before = found.get(text);
    const after = applySteps(before, own);
    const first = own[0]?.operation;
    const size = sizeOf(after);
    const reason = after && tooLargeReasonOf(limits, before, after, size);
    if (reason && first) refused.push({ type: first.type, key: first.key, reason });
    else sizes.set(text, size);
  }
  return { rejected: refused, sizes };
};

/** The objects of a changeset of which only the states say whether they become too large. */
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

/** Refuses what makes an object larger than clients may make it, and asks another judge of the rest. For one batch. */
export const createSizeCheck = (ports: SizeCheckPorts, inner: BatchCheck): BatchCheck => {
  const { settledObjects, sizes, limits, clock } = ports;
  const ahead = createBatchStates(settledObjects);
  const give = createYielder(clock, defaults.sliceMsMax);
  if (sizes.isFull()) {
    sizes.clear();
    settledObjects.forget();
  }

  const page: BatchCheck['checkPage'] = (replica, user, all) =>
    defer(() => {
      const refusals = new Map<Version, RejectionDetails>();
      let waiting: IncomingChangeset[] = [];
      /** Asks the other judge of what was let in: what it refuses does not count for what comes next. */
      const asked$ = defer((): Observable<unknown> => {
        const now = waiting;
        waiting = [];
        if (now.length === 0) return of(noRejections);
        return inner.checkPage(replica, user, now).pipe(
          tap((found: RejectionsByVersion) => {
            for (const [version, verdict] of found) refusals.set(version, verdict);
            ahead.add(
              replica,
              now.filter(({ changeset }) => !found.has(changeset.version)),
            );
          }),
        );
      });
      const looked = (incoming: IncomingChangeset, texts: readonly string[]): Observable<SizeResult> => {
        if (texts.length === 0) return of(emptyResult);
        const steps = stepsOf({ ...incoming.changeset, origin: replica }, incoming.operations);
        return asked$.pipe(
          switchMap(() => ahead.states(texts)),
          map((found) => checkSizes(limits, found, texts, steps)),
        );
      };
      const note = (incoming: IncomingChangeset, { rejected, sizes: exact }: SizeResult): void => {
        const { version } = incoming.changeset;
        if (rejected.length > 0) {
          refusals.set(version, { code: 'too-large', writes: rejected.slice(0, defaults.rejectedReasonsMax) });
          return;
        }
        waiting.push(incoming);
        sizes.add(incoming);
        for (const [text, size] of exact) sizes.note(text, size);
      };
      const judged = (incoming: IncomingChangeset): Observable<SizeResult> =>
        give(() => findDoubtful(ports, incoming).pipe(switchMap((texts) => looked(incoming, texts)))).pipe(
          subscribeOn(queueScheduler), // As in the other judge: many answers at hand are not each deeper in the stack.
          tap((look) => note(incoming, look)),
        );
      return concat(from(all).pipe(concatMap(judged)), asked$).pipe(
        last(),
        map(() => refusals),
      );
    });
  return { checkPage: page };
};
