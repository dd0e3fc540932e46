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

export const checkObservable = <T extends Observable<unknown>>(argument: string, given: T): T => {
  if (isObservable(given)) return given;
  throw new InvalidArgumentError(argument, 'an Observable', given);
};

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
