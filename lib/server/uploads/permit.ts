import { from, map, mergeMap, of, throwError, timeout, toArray, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Operation } from '../../merge/operation.js';
import { describeValue } from '../../model/errors.js';
import type { RejectedWrite } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Key } from '../../model/value.js';
import { askOnce, type MaybeAsync, type User } from '../auth/access.js';
import type { PlainObject } from './plain-object.js';

/**
 * The change of one object by a transaction.
 *
 * @see {@link Permit}
 */
export interface ObjectWrite {
  /** The type of the object. */
  readonly type: string;
  /** The primary key of the object. */
  readonly key: Key;
  /**
   * The kinds of the operations, each once: `create`, `update`, `delete`, `insert`, `move`, `replace`, `remove`, `put`,
   * `drop`, `clear`, `increment`.
   */
  readonly kinds: readonly Operation['kind'][];
  /** The object on the server without this write; `null` if it does not exist. */
  readonly before: PlainObject | null;
  /**
   * The object with this write; `null` if it will not exist. May equal `before`, because later writes of others win.
   */
  readonly after: PlainObject | null;
}

/**
 * Decides whether a user may write an object: `true`, or the reason against it, which the writing client shows. Called
 * for every object that a transaction touches. One rejected object rejects the whole transaction. The objects of a
 * transaction are checked concurrently, and transactions one after the other.
 *
 * @param user - The user of the writing client.
 * @param realm - The name of the realm.
 * @param write - The change of one object.
 * @returns `true`, or the reason as a text.
 * @throws Any error means that nothing is accepted and the client tries again later. The server logs the error.
 *
 * @example
 * ```ts
 * const permit: Permit = (user, realm, { before, after }) =>
 *   (before ?? after)?.['owner'] === user.id ? true : 'Only the owner may change this task.';
 * ```
 */
export type Permit = (user: User, realm: string, write: ObjectWrite) => MaybeAsync<true | string>;

export interface PermitContext {
  readonly permit: Permit;
  readonly realm: string;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Milliseconds in which `permit` must answer. */
  readonly permitMsMax: number;
}

/** The reason of a rejected write without another one. */
export const notPermittedText = 'The write is not permitted.';

/** Accepts every write. */
export const permitAll: Permit = () => true;

const reasonOf = (answer: unknown): string | null => {
  if (answer === true) return null;
  if (typeof answer === 'string') return (answer || notPermittedText).slice(0, limits.errorTextCharsMax);
  throw new TypeError(`permit must return true or a reason, received ${describeValue(answer)}.`);
};

/** Calls `permit` for one write. Emits the rejection or `null`. */
const askPermit = (
  { permit, realm, clock, permitMsMax }: PermitContext,
  user: User,
  write: ObjectWrite,
): Observable<RejectedWrite | null> => {
  const { type, key } = write;
  return askOnce(() => permit(user, realm, write), reasonOf).pipe(
    timeout({
      first: permitMsMax,
      scheduler: clock.scheduler,
      with: () => throwError(() => new Error(`permit has not answered within ${permitMsMax} ms.`)),
    }),
    map((reason) => (reason === null ? null : { type, key, reason })),
  );
};

/**
 * Calls `permit` for all writes of a transaction. Emits the rejected writes once, in their order. Errors if one of the
 * calls errors.
 */
export const rejectedWritesOf = (
  context: PermitContext,
  user: User,
  writes: readonly ObjectWrite[],
): Observable<readonly RejectedWrite[]> => {
  if (writes.length === 0) return of([]);
  return from(writes.entries()).pipe(
    mergeMap(
      ([index, write]) => askPermit(context, user, write).pipe(map((rejection) => ({ index, rejection }))),
      serverLimits.permitsAtOnceMax,
    ),
    toArray(),
    map((answers) =>
      answers
        .sort((a, b) => a.index - b.index)
        .flatMap(({ rejection }) => rejection ?? [])
        .slice(0, limits.rejectedReasonsMax),
    ),
  );
};
