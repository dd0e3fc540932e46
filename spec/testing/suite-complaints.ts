import { catchError, firstValueFrom, from, map, of, timeout } from 'rxjs';
import type { SuiteRunner } from '../../lib/testing/index.js';

/** A suite of adapters, told for whom it runs. */
export type Suite = (runner: SuiteRunner) => void;

/** What is said of a test that comes to no end. */
export const hangsText = 'hangs';

const testsOf = (suite: Suite) => {
  const tests = new Map<string, () => Promise<void>>();
  const undo: (() => void)[] = [];
  suite({
    describe: (_, body) => body(),
    it: (title, test) => tests.set(title, test),
    afterEach: (each) => undo.push(each),
  });
  return { tests, undo };
};

export const titlesOf = (suite: Suite): readonly string[] => [...testsOf(suite).tests.keys()];

const messageOf = (thrown: unknown): string => {
  if (thrown instanceof Error && thrown.message !== '') return thrown.message;
  throw new Error('a test failed without a word', { cause: thrown });
};

/**
 * What one test of a suite complains of, or `null` when it is green; `hangs` when it has not ended within so many
 * milliseconds.
 */
export const failureTextOf = async (suite: Suite, title: string, msMax = 10_000): Promise<string | null> => {
  const { tests, undo } = testsOf(suite);
  const test = tests.get(title);
  if (!test) throw new Error(`no test "${title}" in the suite`);
  const complaint$ = from(test()).pipe(
    map(() => null),
    catchError((thrown: unknown) => of(messageOf(thrown))),
    timeout({ each: msMax, with: () => of(hangsText) }),
  );
  return firstValueFrom(complaint$).finally(() => undo.forEach((each) => each()));
};

/** All that a suite complains of, by title. */
export const failureTextsOf = async (suite: Suite): Promise<Readonly<Record<string, string>>> => {
  const found: Record<string, string> = {};
  for (const title of titlesOf(suite)) {
    const complaint = await failureTextOf(suite, title);
    if (complaint !== null) found[title] = complaint;
  }
  return found;
};
