import { from, map, mergeMap, of, throwError, timeout, toArray, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Operation } from '../../merge/operation.js';
import { describeValue } from '../../model/errors.js';
import type { RejectedWrite } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Key } from '../../model/value.js';
import { askOnce, type MaybeAsync, type User } from '../auth/access.js';
import type { PlainObject } from './plain-object.js';

/** What a transaction does to one object. */
export interface ObjectWrite {
  readonly type: string;
  /** Its primary key. */
  readonly key: Key;
  /**
   * The kinds of its operations, each once: `create`, `update`, `delete`, `insert`, `move`, `replace`, `remove`, `put`,
   * `drop`, `clear`, `increment`.
   */
  readonly kinds: readonly Operation['kind'][];
  /** The object on the server without this write; `null`: there is none. */
  readonly before: PlainObject | null;
  /** The object with it; `null`: there will be none. It may be as before: what others wrote later stays. */
  readonly after: PlainObject | null;
}

/**
 * Says whether a write may be: `true`, or the reason why not, which its writer is shown. Asked of every object that a
 * transaction touches; one that is refused refuses all of it. Of a transaction the objects are asked of side by side;
 * the next one is asked of when this one is decided.
 *
 * @example permit: (user, realm, { before, after }) => (before ?? after)?.['owner'] === user.id ? true : 'only its
 * owner may change this',
 */
export type Permit = (user: User, realm: string, write: ObjectWrite) => MaybeAsync<true | string>;

export interface PermitContext {
  readonly permit: Permit;
  readonly realm: string;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Milliseconds for one answer. */
  readonly permitMsMax: number;
}

const reasonOf = (answer: unknown): string | null => {
  if (answer === true) return null;
  if (typeof answer === 'string') return (answer || 'not permitted').slice(0, limits.errorTextCharsMax);
  throw new TypeError(`permit must return true or a reason, received ${describeValue(answer)}`);
};

/** Asks about one write; emits the refusal or `null`. */
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
      with: () => throwError(() => new Error(`permit has not answered within ${permitMsMax} ms`)),
    }),
    map((reason) => (reason === null ? null : { type, key, reason })),
  );
};

/**
 * Asks about all writes of a transaction: emits what was refused, once, in their order; errors when somebody has no
 * answer.
 */
export const rejectedWritesOf = (
  asking: PermitContext,
  user: User,
  writes: readonly ObjectWrite[],
): Observable<readonly RejectedWrite[]> => {
  if (writes.length === 0) return of([]);
  return from(writes.entries()).pipe(
    mergeMap(
      ([index, write]) => askPermit(asking, user, write).pipe(map((refused) => ({ index, refused }))),
      limits.permitsAtOnceMax,
    ),
    toArray(),
    map((answers) =>
      answers
        .sort((a, b) => a.index - b.index)
        .flatMap(({ refused }) => refused ?? [])
        .slice(0, limits.rejectedReasonsMax),
    ),
  );
};
