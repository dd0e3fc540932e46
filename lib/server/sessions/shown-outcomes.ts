import { AsyncSubject, concat, defer, EMPTY, finalize, of, type Observable } from 'rxjs';
import type { RejectedChangeset } from '../../model/changeset.js';
import { objectTextOf } from '../../model/object-key.js';
import { decodeObjectState } from '../history/stored-objects.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { RejectedOutcome, UploadedPage, UploadOutcome } from '../uploads/append-batch.js';

/** Whether a client that has an object of a rejection removes it: one that is hidden is as one that does not exist. */
const removesObjects = ({ serverStates }: RejectedChangeset): boolean =>
  serverStates.some(({ state }) => state === null);

/** Leaves out the states of objects that a user may not see any more. */
const hideStates = (rejected: RejectedChangeset, scope: ServedScope): RejectedChangeset => ({
  ...rejected,
  serverStates: rejected.serverStates.map((each) => {
    const { type, key, state } = each;
    const isShown = state !== null && scope.hasState(each, decodeObjectState(objectTextOf(type, key), state));
    return isShown ? each : { ...each, state: null };
  }),
});

/** Returns a rejection as the user may see it in a scope, which may be later than the one that it was read in. */
const showIn = (outcome: RejectedOutcome, scope: ServedScope | null): RejectedOutcome =>
  scope === null || scope.id === outcome.scope?.id ? outcome : { rejected: hideStates(outcome.rejected, scope), scope };

/**
 * Emits a rejection as the user may see it when it is sent. `removed$` is subscribed before one that removes objects
 * from the client. It may take a while, in which the scope changes once more.
 */
const showRejection = (
  outcome: RejectedOutcome,
  scope: UploadedPage['scope'],
  removed$: Observable<never>,
): Observable<UploadOutcome> =>
  defer(() => {
    const present = scope();
    const shown = showIn(outcome, present);
    if (!removesObjects(shown.rejected)) return of(shown);
    const next$ = defer(() => (scope()?.id === present?.id ? of(shown) : showRejection(shown, scope, removed$)));
    return concat(removed$, next$);
  });

/**
 * Returns a function for each outcome of a session's uploads, in their order. It returns a stream of the outcome as the
 * user may see it, which waits for all outcomes before. Otherwise a later upload could be acknowledged before a
 * rejection of an earlier one, and the client would not learn of that.
 */
export const createOutcomeOrder = (
  scope: UploadedPage['scope'],
  removed$: Observable<never>,
): ((outcome: UploadOutcome) => Observable<UploadOutcome>) => {
  let last: Observable<never> | null = null;
  return (outcome) => {
    const isRejected = 'rejected' in outcome;
    if (last === null && !isRejected) return of(outcome);
    const emitted = new AsyncSubject<never>();
    const shown$ = isRejected ? showRejection(outcome, scope, removed$) : of(outcome);
    const outcome$ = concat(last ?? EMPTY, shown$);
    last = emitted;
    return outcome$.pipe(
      finalize(() => {
        if (last === emitted) last = null;
        emitted.complete();
      }),
    );
  };
};
