import { inspect } from 'node:util';
import { filter, firstValueFrom, type Observable, tap, throwError, throwIfEmpty, timeout } from 'rxjs';

/**
 * Milliseconds that a spec waits for a condition. A spec's timeout is longer, so that the wait can report what is
 * missing.
 */
const waitMsMax = 25_000;

/** Creates the error with the stack of the caller that waits. */
const createErrorAt = (callSite: Error, text: string): Error => {
  const failure = new Error(text);
  const [, ...frames] = (callSite.stack ?? '').split('\n');
  failure.stack = [`Error: ${text}`, ...frames].join('\n');
  return failure;
};

/**
 * Waits for the first value of a stream, or for the first matching one. When no such value comes in time, or the stream
 * ends before, the error has the text or the condition, and the last value.
 */
export const waitForValue = <T>(
  stream: Observable<T>,
  wanted: string | ((value: T) => boolean),
  ms = waitMsMax,
): Promise<T> => {
  const callSite = new Error();
  let last = 'nothing came';
  const what = String(wanted).replace(/\s+/g, ' ');
  const fails = (how: string) => (): Error => createErrorAt(callSite, `${how} ${what}: ${last}`);
  return firstValueFrom(
    stream.pipe(
      tap((value) => (last = `last came ${inspect(value, { depth: 3, breakLength: Infinity }).slice(0, 400)}`)),
      filter((value) => typeof wanted === 'string' || wanted(value)),
      timeout({ first: ms, with: () => throwError(() => fails(`waited ${ms} ms for`)()) }),
      throwIfEmpty(fails('the stream ended before')),
    ),
  );
};

/**
 * Waits for a condition, which is checked in each event-loop turn. The error has the condition, and the value of
 * `shown`.
 */
export const waitForCondition = async (
  isSo: () => boolean,
  shown: () => unknown = () => 'nothing',
  turnsMax = 10_000,
): Promise<void> => {
  const callSite = new Error();
  for (let turns = 0; turns < turnsMax; turns += 1) {
    if (isSo()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const what = String(isSo).replace(/\s+/g, ' ');
  if (!isSo())
    throw createErrorAt(callSite, `waited ${turnsMax} turns for ${what}: there is ${inspect(shown(), { depth: 3 })}`);
};
