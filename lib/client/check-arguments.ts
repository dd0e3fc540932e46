import { isObservable, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import { InvalidArgumentError } from '../model/errors.js';

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

export const checkClock = (given: Clock): Clock => {
  const { scheduler, random, now } = Object(given) as Partial<Clock>;
  const schedules = typeof (scheduler as { schedule?: unknown } | undefined)?.schedule === 'function';
  if (schedules && typeof random === 'function' && typeof now === 'function') return given;
  throw new InvalidArgumentError('clock', 'a Clock: { scheduler, random, now }', given);
};
