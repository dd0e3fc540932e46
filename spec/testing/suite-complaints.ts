import { catchError, firstValueFrom, from, map, of, timeout } from 'rxjs';
import type { SuiteRunner } from '../../lib/testing/index.js';

/** A suite for adapters, which registers its tests with a runner. */
export type Suite = (runner: SuiteRunner) => void;

/** The failure text of a test that does not end. */
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
 * Runs one test of a suite. Returns the text of its failure, or `null` when it passes; `hangs` when it has not ended
 * within `msMax`.
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

/** Runs all tests of a suite. Returns the texts of the failures, by title. */
export const failureTextsOf = async (suite: Suite): Promise<Readonly<Record<string, string>>> => {
  const found: Record<string, string> = {};
  for (const title of titlesOf(suite)) {
    const complaint = await failureTextOf(suite, title);
    if (complaint !== null) found[title] = complaint;
  }
  return found;
};
