import { concatMap, defer, from, map, type Observable, of, queueScheduler, reduce, subscribeOn, switchMap } from 'rxjs';
import { type Clock, givingWay } from '../clock.js';
import type { ObjectState } from '../merge/object.js';
import type { RefusedWrite } from '../model/changeset.js';
import { limits as defaults } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Incoming, Verdict } from './incoming.js';
import { type Judging, noRefusals, type Refusals } from './judge.js';
import { afterSteps, type Step, stepsOf } from './projection.js';
import type { SettledObjects } from './settled-objects.js';
import { type SizeLimits, sizeOf, type Sizes, tooLarge } from './sizes.js';

export interface SizeJudgePorts {
  readonly settled: SettledObjects;
  readonly sizes: Sizes;
  readonly limits: SizeLimits;
  readonly clock: Pick<Clock, 'scheduler'>;
}

type Steps = ReadonlyMap<string, readonly Step[]>;

/** Objects as they are, with what a batch has done so far. */
const createAhead = (settled: SettledObjects) => {
  const pending = new Map<string, Step[]>();
  return {
    states: (texts: readonly string[]): Observable<ReadonlyMap<string, ObjectState>> => {
      if (texts.length === 0) return of(new Map());
      return settled.states(texts).pipe(
        map((found) => {
          const all = new Map(found);
          for (const text of texts) {
            const state = afterSteps(found.get(text), pending.get(text) ?? []);
            if (state !== undefined) all.set(text, state);
          }
          return all;
        }),
      );
    },
    add: (text: string, steps: readonly Step[]): void =>
      void pending.set(text, [...(pending.get(text) ?? []), ...steps]),
  };
};

/** What of some objects a changeset makes too large, by what they are. */
const lookedAt = (
  { sizes, limits }: SizeJudgePorts,
  found: ReadonlyMap<string, ObjectState>,
  texts: readonly string[],
  steps: Steps,
): readonly RefusedWrite[] =>
  texts.flatMap((text): readonly RefusedWrite[] => {
    const own = steps.get(text) ?? [];
    const before = found.get(text);
    const after = afterSteps(before, own);
    const first = own[0]?.operation;
    const reason = after && tooLarge(limits, before, after);
    if (reason && first) return [{ type: first.type, key: first.key, reason }];
    sizes.note(text, sizeOf(before));
    return [];
  });

/** Refuses what makes an object larger than clients may make it, and asks another judge of the rest. For one batch. */
export const judgingSizes = (ports: SizeJudgePorts, inner: Judging): Judging => {
  const { settled, sizes, clock } = ports;
  const ahead = createAhead(settled);
  const give = givingWay(clock, defaults.sliceMsMax);
  if (sizes.isFull()) {
    sizes.clear();
    settled.forget();
  }

  const judged = (replica: string, incoming: Incoming): Observable<readonly RefusedWrite[]> =>
    defer(() => {
      const growths = sizes.growths(incoming);
      if (growths.size === 0) return of([]);
      const steps: Steps = stepsOf({ ...incoming.changeset, origin: replica }, incoming.operations);
      const unknown = [...growths.keys()].filter((text) => !sizes.isKnown(text));
      return settled.sizes(unknown).pipe(
        switchMap((found) => {
          for (const [text, size] of found) sizes.note(text, size);
          const doubtful = [...growths].filter(([text, growth]) => !sizes.fits(text, growth)).map(([text]) => text);
          return ahead.states(doubtful).pipe(map((states) => lookedAt(ports, states, doubtful, steps)));
        }),
        map((writes) => {
          if (writes.length === 0) for (const text of growths.keys()) ahead.add(text, steps.get(text) ?? []);
          return writes.slice(0, defaults.refusedReasonsMax);
        }),
      );
    });

  const refusalsIn = (replica: string, page: readonly Incoming[]): Observable<ReadonlyMap<Version, Verdict>> =>
    from(page).pipe(
      concatMap((incoming) =>
        give(() => judged(replica, incoming)).pipe(
          subscribeOn(queueScheduler), // As in the other judge: many answers at hand are not each deeper in the stack.
          map((writes) => {
            if (writes.length === 0) sizes.taken(incoming);
            return [incoming.changeset.version, writes] as const;
          }),
        ),
      ),
      reduce(
        (all, [version, writes]) => (writes.length > 0 ? all.set(version, { code: 'too-large', writes }) : all),
        new Map<Version, Verdict>(),
      ),
    );

  return {
    page: (replica, user, page) =>
      refusalsIn(replica, page).pipe(
        switchMap((found) => {
          const rest = page.filter(({ changeset }) => !found.has(changeset.version));
          const asked$ = rest.length === 0 ? of(noRefusals) : inner.page(replica, user, rest);
          return asked$.pipe(map((refusals): Refusals => new Map([...found, ...refusals])));
        }),
      ),
  };
};
