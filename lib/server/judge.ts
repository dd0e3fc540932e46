import { concatMap, defer, from, map, type Observable, of, queueScheduler, reduce, subscribeOn, switchMap } from 'rxjs';
import { givingWay } from '../clock.js';
import type { ObjectState } from '../merge/object.js';
import type { RefusedWrite } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { User } from './access.js';
import { type Incoming, objectsOf, type Verdict } from './incoming.js';
import { objectText } from './objectkeys.js';
import { refusedOf, type Asking, type ObjectWrite } from './permit.js';
import { plainOf } from './plain.js';
import type { Present } from './present.js';
import { afterSteps, stepsOf } from './projection.js';

/** Why changesets were refused, by their client versions. */
export type Refusals = ReadonlyMap<Version, Verdict>;

export const noRefusals: Refusals = new Map();

/** Decides what goes into the history, for as long as one batch takes: what it let in counts for what comes next. */
export interface Judging {
  /** Emits what of a page is refused, once; errors when nobody can say, and then nothing of the page counts. */
  readonly page: (replica: string, user: User, page: readonly Incoming[]) => Observable<Refusals>;
}

export type Judge = () => Judging;

/** Lets everything in. */
export const lenient: Judge = () => ({ page: () => of(noRefusals) });

type States = Map<string, ObjectState>;

interface Case {
  readonly writes: readonly ObjectWrite[];
  readonly after: States;
}

/** What a changeset would make of the objects that are there. */
const caseOf = (
  states: ReadonlyMap<string, ObjectState>,
  replica: string,
  { changeset, operations }: Incoming,
): Case => {
  const after: States = new Map();
  const writes: ObjectWrite[] = [];
  for (const [text, steps] of stepsOf({ ...changeset, origin: replica }, operations)) {
    const before = states.get(text);
    const state = afterSteps(before, steps);
    const first = steps[0]?.operation;
    if (state === undefined || first === undefined) continue;
    if (state !== before) after.set(text, state);
    const kinds = Object.freeze([...new Set(steps.map(({ operation }) => operation.kind))]);
    writes.push(
      Object.freeze({ type: first.type, key: first.key, kinds, before: plainOf(before), after: plainOf(state) }),
    );
  }
  return { writes, after };
};

export const textsIn = (page: readonly Incoming[]): ReadonlySet<string> =>
  new Set(page.flatMap((incoming) => objectsOf(incoming).map(({ type, key }) => objectText(type, key))));

/** Asks `permit` about each object of each changeset, one changeset after the other: each is shown what those before it have done. */
export const createJudge =
  (asking: Asking, present: Pick<Present, 'states'>): Judge =>
  () => {
    const drafted: States = new Map(); // What the batch has done so far.
    const give = givingWay(asking.clock, limits.sliceMsMax);

    const judged = (
      states: States,
      replica: string,
      user: User,
      incoming: Incoming,
    ): Observable<[Version, readonly RefusedWrite[]]> =>
      defer(() => {
        const { writes, after } = caseOf(states, replica, incoming);
        return refusedOf(asking, user, writes).pipe(
          map((refused): [Version, readonly RefusedWrite[]] => {
            if (refused.length === 0) for (const [text, state] of after) states.set(text, state);
            return [incoming.changeset.version, refused];
          }),
        );
      });

    return {
      page: (replica, user, page) => {
        if (page.length === 0) return of(noRefusals);
        const texts = textsIn(page);
        const unknown = [...texts].filter((text) => !drafted.has(text));
        return present.states(unknown).pipe(
          switchMap((found) => {
            const states: States = new Map(found);
            for (const text of texts) {
              const state = drafted.get(text);
              if (state !== undefined) states.set(text, state);
            }
            return from(page).pipe(
              // In the queue: a thousand answers at hand, after one that took its time, would each be deeper in the stack.
              concatMap((incoming) =>
                give(() => judged(states, replica, user, incoming)).pipe(subscribeOn(queueScheduler)),
              ),
              reduce(
                (all, [version, writes]) =>
                  writes.length > 0 ? all.set(version, { code: 'not-permitted', writes }) : all,
                new Map<Version, Verdict>(),
              ),
              map((refusals) => {
                for (const [text, state] of states) drafted.set(text, state);
                return refusals;
              }),
            );
          }),
        );
      },
    };
  };
