import { concatMap, defer, from, map, type Observable, of, queueScheduler, reduce, subscribeOn, switchMap } from 'rxjs';
import { createYielder } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { RejectedWrite } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { User } from '../auth/access.js';
import { type IncomingChangeset, objectsOf, type RejectionDetails } from './incoming-changeset.js';
import { objectTextOf } from '../history/object-keys.js';
import { rejectedWritesOf, type PermitContext, type ObjectWrite } from './permit.js';
import { plainObjectOf } from './plain-object.js';
import type { HeadState } from '../history/head-state.js';
import { applySteps, stepsOf } from '../history/projection.js';

/** Why changesets were refused, by their client versions. */
export type RejectionsByVersion = ReadonlyMap<Version, RejectionDetails>;

export const noRejections: RejectionsByVersion = new Map();

/** Decides what goes into the history, for as long as one batch takes: what it let in counts for what comes next. */
export interface BatchCheck {
  /** Emits what of a page is refused, once; errors when nobody can say, and then nothing of the page counts. */
  readonly checkPage: (
    replica: string,
    user: User,
    page: readonly IncomingChangeset[],
  ) => Observable<RejectionsByVersion>;
}

export type CreateBatchCheck = () => BatchCheck;

/** Lets everything in. */
export const acceptAll: CreateBatchCheck = () => ({ checkPage: () => of(noRejections) });

type ObjectStates = Map<string, ObjectState>;

interface ChangesetEffect {
  readonly writes: readonly ObjectWrite[];
  readonly statesAfter: ObjectStates;
}

/** What a changeset would make of the objects that are there. */
const effectOf = (
  states: ReadonlyMap<string, ObjectState>,
  replica: string,
  { changeset, operations }: IncomingChangeset,
): ChangesetEffect => {
  const after: ObjectStates = new Map();
  const writes: ObjectWrite[] = [];
  for (const [text, steps] of stepsOf({ ...changeset, origin: replica }, operations)) {
    const before = states.get(text);
    const state = applySteps(before, steps);
    const first = steps[0]?.operation;
    if (state === undefined || first === undefined) continue;
    if (state !== before) after.set(text, state);
    const kinds = Object.freeze([...new Set(steps.map(({ operation }) => operation.kind))]);
    writes.push(
      Object.freeze({
        type: first.type,
        key: first.key,
        kinds,
        before: plainObjectOf(before),
        after: plainObjectOf(state),
      }),
    );
  }
  return { writes, statesAfter: after };
};

export const objectTextsOf = (page: readonly IncomingChangeset[]): ReadonlySet<string> =>
  new Set(page.flatMap((incoming) => objectsOf(incoming).map(({ type, key }) => objectTextOf(type, key))));

/**
 * Asks `permit` about each object of each changeset, one changeset after the other: each is shown what those before it
 * have done.
 */
export const createPermitCheck =
  (asking: PermitContext, present: Pick<HeadState, 'readStates'>): CreateBatchCheck =>
  () => {
    const drafted: ObjectStates = new Map(); // What the batch has done so far.
    const give = createYielder(asking.clock, limits.sliceMsMax);

    const judged = (
      states: ObjectStates,
      replica: string,
      user: User,
      incoming: IncomingChangeset,
    ): Observable<[Version, readonly RejectedWrite[]]> =>
      defer(() => {
        const { writes, statesAfter } = effectOf(states, replica, incoming);
        return rejectedWritesOf(asking, user, writes).pipe(
          map((refused): [Version, readonly RejectedWrite[]] => {
            if (refused.length === 0) for (const [text, state] of statesAfter) states.set(text, state);
            return [incoming.changeset.version, refused];
          }),
        );
      });

    return {
      checkPage: (replica, user, page) => {
        if (page.length === 0) return of(noRejections);
        const texts = objectTextsOf(page);
        const unknown = [...texts].filter((text) => !drafted.has(text));
        return present.readStates(unknown).pipe(
          switchMap((found) => {
            const states: ObjectStates = new Map(found);
            for (const text of texts) {
              const state = drafted.get(text);
              if (state !== undefined) states.set(text, state);
            }
            return from(page).pipe(
              // In the queue: a thousand answers at hand, after one that took its time, would each be deeper in the
              // stack.
              concatMap((incoming) =>
                give(() => judged(states, replica, user, incoming)).pipe(subscribeOn(queueScheduler)),
              ),
              reduce(
                (all, [version, writes]) =>
                  writes.length > 0 ? all.set(version, { code: 'not-permitted', writes }) : all,
                new Map<Version, RejectionDetails>(),
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
