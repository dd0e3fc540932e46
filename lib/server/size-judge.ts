import { concatMap, defer, from, map, of, reduce, switchMap, type Observable } from 'rxjs';
import type { ObjectState } from '../merge/object.js';
import type { RefusedWrite } from '../model/changeset.js';
import { limits as defaults } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Incoming, Verdict } from './incoming.js';
import { type Judging, noRefusals, type Refusals } from './judge.js';
import type { Present } from './present.js';
import { afterSteps, type Step, stepsOf } from './projection.js';
import { type SizeLimits, type Sizes, tooLarge } from './sizes.js';

export interface SizeJudgePorts {
  readonly present: Pick<Present, 'states'>;
  readonly sizes: Sizes;
  readonly limits: SizeLimits;
}

type Steps = ReadonlyMap<string, readonly Step[]>;

/** Objects as they are, with what a batch has done so far. */
const createAhead = (present: SizeJudgePorts['present']) => {
  const pending = new Map<string, Step[]>();
  return {
    states: (texts: readonly string[]): Observable<ReadonlyMap<string, ObjectState>> => {
      if (texts.length === 0) return of(new Map());
      return present.states(texts).pipe(
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
    sizes.note(text, before);
    return [];
  });

/** Refuses what makes an object larger than clients may make it, and asks another judge of the rest. For one batch. */
export const judgingSizes = (ports: SizeJudgePorts, inner: Judging): Judging => {
  const { present, sizes } = ports;
  const ahead = createAhead(present);

  const judged = (replica: string, incoming: Incoming): Observable<readonly RefusedWrite[]> =>
    defer(() => {
      const growths = sizes.growths(incoming);
      if (growths.size === 0) return of([]);
      const steps: Steps = stepsOf({ ...incoming.changeset, origin: replica }, incoming.operations);
      const unknown = [...growths.keys()].filter((text) => !sizes.isKnown(text));
      return ahead.states(unknown).pipe(
        switchMap((found) => {
          for (const text of unknown) sizes.note(text, found.get(text));
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
        judged(replica, incoming).pipe(
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
