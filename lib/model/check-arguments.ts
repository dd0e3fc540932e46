import { isObservable, type Observable } from 'rxjs';
import { InvalidArgumentError } from './errors.js';

/*
 * Checks for arguments of the public API, because JavaScript callers and casts bypass the types. Each check throws an
 * `InvalidArgumentError` before anything changes.
 */

export const checkFunction = <T>(argument: string, given: T): T => {
  if (typeof given === 'function') return given;
  throw new InvalidArgumentError(argument, 'a function', given);
};

export const checkOneOf = (argument: string, values: readonly string[], given: unknown): void => {
  if (values.includes(given as string)) return;
  throw new InvalidArgumentError(argument, values.join(' or '), given);
};

/** `functionAdvice` is the advice for a function that was given instead. */
export const checkObservable = <T extends Observable<unknown>>(
  argument: string,
  given: T,
  functionAdvice?: string,
): T => {
  if (isObservable(given)) return given;
  const advice = typeof given === 'function' ? functionAdvice : undefined;
  throw new InvalidArgumentError(argument, 'an Observable', given, { advice });
};

/** Checks that exactly one of two options of a call is given. */
export const checkEither = (call: string, [one, other]: readonly [string, string], a: unknown, b: unknown): void => {
  if ((a === undefined) !== (b === undefined)) return;
  const problem = `${call} needs either ${one} or ${other}. ${a === undefined ? 'Neither was' : 'Both were'} given.`;
  throw new InvalidArgumentError(one, `given, or ${other}`, a, { problem });
};

/** Creates the error for a value that is not a storage. */
export const createStorageArgumentError = (expected: string, given: unknown): InvalidArgumentError =>
  new InvalidArgumentError('storage', expected, given, {
    advice: typeof given === 'function' ? 'Call the function: memoryStorage().' : undefined,
  });

/** Checks that a value has the members of a `Clock`. */
export const checkClock = <T extends object>(given: T): T => {
  const { scheduler, random, now } = Object(given) as {
    scheduler?: { schedule?: unknown };
    random?: unknown;
    now?: unknown;
  };
  if ([scheduler?.schedule, random, now].every((member) => typeof member === 'function')) return given;
  throw new InvalidArgumentError('clock', 'an object with scheduler, random and now', given);
};

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

/** Throws an `InvalidArgumentError` if a function of the app, which must be synchronous, has returned a promise. */
export const checkSynchronous = (call: string, result: unknown): void => {
  if (!isThenable(result)) return;
  // The promise fails at its next use of what the function was given. The error of the call gives the reason.
  result.then(undefined, () => undefined);
  throw new InvalidArgumentError(call, 'a synchronous function', result);
};
