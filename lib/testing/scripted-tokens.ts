import { defer, NEVER, type Observable } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import type { AccessToken } from '../client/client-options.js';
import { InvalidArgumentError } from '../model/errors.js';

/**
 * An `accessToken` function with scripted answers.
 *
 * @example
 * ```ts
 * const accessToken: ScriptedTokens = tokens('a', '#', 'b');
 * const client = createSyncClient({ dial, accessToken, clock });
 * ```
 */
export type ScriptedTokens = AccessToken & {
  /** The number of calls so far. */
  readonly callCount: () => number;
};

/**
 * Creates an `accessToken` function for `createSyncClient`. The first call returns the first diagram from that moment
 * on, the second call the second one; the last diagram serves all later calls. A letter is a token, `#` a failed
 * request, `-` alone a request without an answer.
 */
export const createScriptedTokens = (
  { cold }: Pick<RunHelpers, 'cold'>,
  answers: readonly string[],
): ScriptedTokens => {
  if (answers.length === 0) throw new InvalidArgumentError('answers', 'one or more diagrams', answers);
  const streams = answers.map((diagram) => cold(diagram));
  let count = 0;
  const ask = (): Observable<string> => {
    count += 1;
    return streams[Math.min(count, streams.length) - 1] ?? NEVER;
  };
  return Object.assign(() => defer(ask), { callCount: () => count });
};
