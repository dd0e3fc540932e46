import { concatMap, defer, from, map, type Observable, of, queueScheduler, reduce, subscribeOn, switchMap } from 'rxjs';
import { createYielder } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { ObjectName, RejectedWrite } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { User } from '../auth/access.js';
import { isHidden, type ServedScope } from '../scope/served-scope.js';
import { type IncomingChangeset, objectsOf, type RejectionDetails } from './incoming-changeset.js';
import { objectTextOf } from '../../model/object-key.js';
import { notPermittedText, rejectedWritesOf, type PermitContext, type ObjectWrite } from './permit.js';
import { plainObjectOf } from './plain-object.js';
import type { HeadState } from '../history/head-state.js';
import { applySteps, stepsOf } from '../history/projection.js';

/** Reasons of rejected changesets, by their client versions. */
export type RejectionsByVersion = ReadonlyMap<Version, RejectionDetails>;

export const noRejections: RejectionsByVersion = new Map();

/** The user who writes. */
export interface Writer {
  readonly user: User;
  /** The objects that the user may see; `null`: all. */
  readonly scope: ServedScope | null;
}

/** Checks the changesets of one batch. Each accepted page counts for the pages after it. */
export interface BatchCheck {
  /** Emits the rejections of a page once. If the check errors, nothing of the page counts. */
  readonly checkPage: (
    replica: string,
    writer: Writer,
    page: readonly IncomingChangeset[],
  ) => Observable<RejectionsByVersion>;
}

export type CreateBatchCheck = () => BatchCheck;

/** Accepts every changeset. */
export const acceptAll: CreateBatchCheck = () => ({ checkPage: () => of(noRejections) });

type ObjectStates = Map<string, ObjectState>;

interface ChangesetEffect {
  readonly writes: readonly ObjectWrite[];
  readonly statesAfter: ObjectStates;
  /** The objects that the user must not write, because they exist and the user may not see them. */
  readonly hidden: readonly ObjectName[];
}

/**
 * Returns the effect that a changeset would have on the present objects. Hidden objects are as if they did not exist,
 * so that reasons of `permit` do not show that they do.
 */
const effectOf = (
  states: ReadonlyMap<string, ObjectState>,
  replica: string,
  scope: ServedScope | null,
  { changeset, operations }: IncomingChangeset,
): ChangesetEffect => {
  const after: ObjectStates = new Map();
  const writes: ObjectWrite[] = [];
  const hidden: ObjectName[] = [];
  for (const [text, steps] of stepsOf({ ...changeset, origin: replica }, operations)) {
    const first = steps[0]?.operation;
    if (first === undefined) continue;
    const { type, key } = first;
    const stored = states.get(text);
    const isUnknown = isHidden(scope, first, stored);
    if (isUnknown) hidden.push({ type, key });
    const before = isUnknown ? undefined : stored;
    const state = applySteps(before, steps);
    if (state === undefined) continue;
    if (state !== before) after.set(text, state);
    const kinds = Object.freeze([...new Set(steps.map(({ operation }) => operation.kind))]);
    writes.push(Object.freeze({ type, key, kinds, before: plainObjectOf(before), after: plainObjectOf(state) }));
  }
  return { writes, statesAfter: after, hidden };
};

/** Returns the rejections of hidden objects, if no other reason was found. */
const rejectHidden = (hidden: readonly ObjectName[], rejected: readonly RejectedWrite[]): readonly RejectedWrite[] =>
  rejected.length > 0
    ? rejected
    : hidden.slice(0, limits.rejectedReasonsMax).map((each) => ({ ...each, reason: notPermittedText }));

export const objectTextsOf = (page: readonly IncomingChangeset[]): ReadonlySet<string> =>
  new Set(page.flatMap((incoming) => objectsOf(incoming).map(({ type, key }) => objectTextOf(type, key))));

/**
 * Calls `permit` for each object of each changeset, one changeset after the other. Each call shows the objects after
 * the changesets before.
 */
export const createPermitCheck =
  (context: PermitContext, headState: Pick<HeadState, 'readStates'>): CreateBatchCheck =>
  () => {
    const drafted: ObjectStates = new Map(); // Objects after the accepted changesets of the batch.
    const yieldAndRun = createYielder(context.clock, limits.sliceMsMax);

    const checkChangeset = (
      states: ObjectStates,
      replica: string,
      { user, scope }: Writer,
      incoming: IncomingChangeset,
    ): Observable<[Version, readonly RejectedWrite[]]> =>
      defer(() => {
        const { writes, statesAfter, hidden } = effectOf(states, replica, scope, incoming);
        return rejectedWritesOf(context, user, writes).pipe(
          map((found) => rejectHidden(hidden, found)),
          map((rejected): [Version, readonly RejectedWrite[]] => {
            if (rejected.length === 0) for (const [text, state] of statesAfter) states.set(text, state);
            return [incoming.changeset.version, rejected];
          }),
        );
      });

    return {
      checkPage: (replica, writer, page) => {
        if (page.length === 0) return of(noRejections);
        const texts = objectTextsOf(page);
        const unknown = [...texts].filter((text) => !drafted.has(text));
        return headState.readStates(unknown).pipe(
          switchMap((found) => {
            const states: ObjectStates = new Map(found);
            for (const text of texts) {
              const state = drafted.get(text);
              if (state !== undefined) states.set(text, state);
            }
            return from(page).pipe(
              // On the queue: otherwise a thousand synchronous answers after an asynchronous one would nest a thousand
              // stack frames.
              concatMap((incoming) =>
                yieldAndRun(() => checkChangeset(states, replica, writer, incoming)).pipe(subscribeOn(queueScheduler)),
              ),
              reduce(
                (all, [version, writes]) =>
                  writes.length > 0 ? all.set(version, { code: 'not-permitted', writes }) : all,
                new Map<Version, RejectionDetails>(),
              ),
              map((rejections) => {
                for (const [text, state] of states) drafted.set(text, state);
                return rejections;
              }),
            );
          }),
        );
      },
    };
  };
