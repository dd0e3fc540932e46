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
import { type Clock, givingWay } from '../clock.js';
import type { ObjectState } from '../merge/object.js';
import type { RefusedWrite } from '../model/changeset.js';
import { limits as defaults } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Incoming, Verdict } from './incoming.js';
import { type Judging, noRefusals, type Refusals } from './judge.js';
import { afterSteps, type Step, stepsOf } from './projection.js';
import type { SettledObjects } from './settled-objects.js';
import { type Size, type SizeLimits, sizeOf, type Sizes, tooLarge } from './sizes.js';

export interface SizeJudgePorts {
  readonly settled: SettledObjects;
  readonly sizes: Sizes;
  readonly limits: SizeLimits;
  readonly clock: Pick<Clock, 'scheduler'>;
}

/** What a batch has let in. */
interface Taken {
  readonly replica: string;
  readonly incoming: Incoming;
}

/** Objects as they are, with what a batch has done so far: made of what was let in when somebody asks. */
const createAhead = (settled: SettledObjects) => {
  const pending = new Map<string, Step[]>();
  let taken: Taken[] = [];
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
    add: (replica: string, page: readonly Incoming[]): void =>
      void taken.push(...page.map((incoming) => ({ replica, incoming }))),
    states: (texts: readonly string[]): Observable<ReadonlyMap<string, ObjectState>> =>
      settled.states(texts).pipe(
        map((found) => {
          fold();
          const all = new Map(found);
          for (const text of texts) {
            const state = afterSteps(found.get(text), pending.get(text) ?? []);
            if (state !== undefined) all.set(text, state);
          }
          return all;
        }),
      ),
  };
};

/** What a changeset makes of some objects: their sizes, or why they may not become that. */
interface Look {
  readonly refused: readonly RefusedWrite[];
  readonly sizes: ReadonlyMap<string, Size>;
}

const nothing: Look = { refused: [], sizes: new Map() };

const lookAt = (
  limits: SizeLimits,
  found: ReadonlyMap<string, ObjectState>,
  texts: readonly string[],
  steps: ReadonlyMap<string, readonly Step[]>,
): Look => {
  const refused: RefusedWrite[] = [];
  const sizes = new Map<string, Size>();
  for (const text of texts) {
    const own = steps.get(text) ?? [];
    const before = found.get(text);
    const after = afterSteps(before, own);
    const first = own[0]?.operation;
    const size = sizeOf(after);
    const reason = after && tooLarge(limits, before, after, size);
    if (reason && first) refused.push({ type: first.type, key: first.key, reason });
    else sizes.set(text, size);
  }
  return { refused, sizes };
};

/** The objects of a changeset of which only the states say whether they become too large. */
const doubtfulIn = ({ settled, sizes }: SizeJudgePorts, incoming: Incoming): Observable<readonly string[]> =>
  defer(() => {
    const growths = sizes.growths(incoming);
    const unknown = [...growths.keys()].filter((text) => !sizes.isKnown(text));
    return settled.sizes(unknown).pipe(
      map((found) => {
        for (const [text, size] of found) sizes.note(text, size);
        return [...growths].filter(([text, growth]) => !sizes.fits(text, growth)).map(([text]) => text);
      }),
    );
  });

/** Refuses what makes an object larger than clients may make it, and asks another judge of the rest. For one batch. */
export const judgingSizes = (ports: SizeJudgePorts, inner: Judging): Judging => {
  const { settled, sizes, limits, clock } = ports;
  const ahead = createAhead(settled);
  const give = givingWay(clock, defaults.sliceMsMax);
  if (sizes.isFull()) {
    sizes.clear();
    settled.forget();
  }

  const page: Judging['page'] = (replica, user, all) =>
    defer(() => {
      const refusals = new Map<Version, Verdict>();
      let waiting: Incoming[] = [];
      /** Asks the other judge of what was let in: what it refuses does not count for what comes next. */
      const asked$ = defer((): Observable<unknown> => {
        const now = waiting;
        waiting = [];
        if (now.length === 0) return of(noRefusals);
        return inner.page(replica, user, now).pipe(
          tap((found: Refusals) => {
            for (const [version, verdict] of found) refusals.set(version, verdict);
            ahead.add(
              replica,
              now.filter(({ changeset }) => !found.has(changeset.version)),
            );
          }),
        );
      });
      const looked = (incoming: Incoming, texts: readonly string[]): Observable<Look> => {
        if (texts.length === 0) return of(nothing);
        const steps = stepsOf({ ...incoming.changeset, origin: replica }, incoming.operations);
        return asked$.pipe(
          switchMap(() => ahead.states(texts)),
          map((found) => lookAt(limits, found, texts, steps)),
        );
      };
      const note = (incoming: Incoming, { refused, sizes: exact }: Look): void => {
        const { version } = incoming.changeset;
        if (refused.length > 0) {
          refusals.set(version, { code: 'too-large', writes: refused.slice(0, defaults.refusedReasonsMax) });
          return;
        }
        waiting.push(incoming);
        sizes.taken(incoming);
        for (const [text, size] of exact) sizes.note(text, size);
      };
      const judged = (incoming: Incoming): Observable<Look> =>
        give(() => doubtfulIn(ports, incoming).pipe(switchMap((texts) => looked(incoming, texts)))).pipe(
          subscribeOn(queueScheduler), // As in the other judge: many answers at hand are not each deeper in the stack.
          tap((look) => note(incoming, look)),
        );
      return concat(from(all).pipe(concatMap(judged)), asked$).pipe(
        last(),
        map(() => refusals),
      );
    });
  return { page };
};
