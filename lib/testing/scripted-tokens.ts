import { defer, NEVER, type Observable } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import type { AccessToken } from '../client/client-options.js';
import { InvalidArgumentError } from '../model/errors.js';

/** An `accessToken` whose answers are scripted. */
export type ScriptedTokens = AccessToken & {
  /** How often it was asked so far. */
  readonly asked: () => number;
};

/**
 * An `accessToken` for `createSyncClient`: the first time it is asked it answers as the first diagram says, from that
 * moment on, then as the second; the last one answers from then on. A letter is a token, `#` a question that fails, `-`
 * for ever an app that never answers.
 */
export const createScriptedTokens = (
  { cold }: Pick<RunHelpers, 'cold'>,
  answers: readonly string[],
): ScriptedTokens => {
  if (answers.length === 0) throw new InvalidArgumentError('answers', 'at least one diagram', 'none');
  const streams = answers.map((diagram) => cold(diagram));
  let count = 0;
  const ask = (): Observable<string> => {
    count += 1;
    return streams[Math.min(count, streams.length) - 1] ?? NEVER;
  };
  return Object.assign(() => defer(ask), { asked: () => count });
};
