import { lastValueFrom, toArray, type Observable } from 'rxjs';

/** What a suite needs of a runner: Jest, Vitest, Mocha, `node:test` with globals. */
export interface Runner {
  readonly describe: (title: string, suite: () => void) => void;
  readonly it: (title: string, test: () => Promise<void>) => void;
}

export const runner = (): Runner => globalThis as object as Runner;

/** Fails a test unless two values are the same as JSON. */
export const same = (what: string, actual: unknown, expected: unknown): void => {
  const [came, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (came !== wanted) throw new Error(`${what}: expected ${wanted}, got ${came}`);
};

/** All that a stream emits until it completes. */
export const allOf = <A>(stream: Observable<A>): Promise<A[]> => lastValueFrom(stream.pipe(toArray()));

/** The error of a stream, or of a description of one that throws; fails a test for a stream that has none. */
export const errorOf = async (what: string, described: () => Observable<unknown>): Promise<unknown> => {
  try {
    await allOf(described());
  } catch (thrown) {
    return thrown;
  }
  throw new Error(`${what}: expected an error, got none`);
};
