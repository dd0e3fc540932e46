import type { Observable, Subscription } from 'rxjs';
import type { RunHelpers, TestScheduler } from 'rxjs/testing';
import type { Clock } from '../clock.js';
import { checkFunction } from '../model/check-arguments.js';
import { InvalidArgumentError, InvalidStateError } from '../model/errors.js';
import { checkNumber, checkOptions } from '../model/limits.js';
import { MarbleError } from './marble-error.js';
import { createSeededRandom } from '../model/seeded-random.js';
import { createMarbleRun } from './expectations.js';
import type { Assert } from './assert-marbles.js';
import { checkStates, stateLetters, type StateName } from './marble-letters.js';
import { createNetwork, type Network, type NetworkOptions } from './network.js';
import { createScriptedTokens, type ScriptedTokens } from './scripted-tokens.js';

/**
 * The helpers of a marble test: those of `TestScheduler.run` and those of this library.
 *
 * @example
 * ```ts
 * marbles(({ clock, network, expectStates }) => {
 *   const { dial } = network('o 1s x');
 *   const client = createSyncClient({ dial, clock });
 * });
 * ```
 */
export interface MarbleHelpers extends RunHelpers {
  /** The scheduler of virtual time. */
  readonly scheduler: TestScheduler;
  /** Virtual time, and chance: always 0, so that no wait is shortened at random, unless the option `seed` is given. */
  readonly clock: Clock;
  /**
   * Expects a stream of states, as `expectObservable` does for other streams. The letters are those of `stateLetters`:
   * `d` disconnected, `c` connecting, `C` connected and so on.
   *
   * @param state$ - A stream such as `session.connectionState$` or `session.syncState$`.
   * @param subscription - The diagram of the subscription: from the beginning to the end of the test by default.
   * @returns `toBe`, which takes the expected diagram. It throws an `InvalidArgumentError` for other letters.
   *
   * @example
   * ```ts
   * expectStates(session.connectionState$).toBe('(dc) C 999ms d');
   * ```
   */
  readonly expectStates: (
    state$: Observable<StateName>,
    subscription?: string,
  ) => { readonly toBe: (diagram: string, error?: unknown) => void };
  /**
   * Creates a network that changes as a diagram says. Before its first letter it is down.
   *
   * - `o`: open. Connection attempts succeed.
   * - `x`: down. Connections end with close code 1006, and connection attempts fail immediately.
   * - `h`: half-open. Messages are lost in both directions, connections stay silent, and connection attempts wait for
   *   the next letter.
   * - `r`: connection attempts are rejected; connections stay.
   * - `t`: the server ends all connections with `token-expired`.
   * - The letters of the option `codes`: the server closes all connections with that code.
   *
   * @param diagram - The letters and their times.
   * @param options - Server, latency and letters for close codes.
   * @returns The transport and the reconnect trigger of this network.
   * @throws InvalidArgumentError for other letters and invalid options.
   *
   * @example
   * ```ts
   * const { dial, online$ } = network('o 2s x 3s o', { latencyMs: 20 });
   * ```
   */
  readonly network: (diagram: string, options?: NetworkOptions) => Network;
  /**
   * Creates an `accessToken` function that returns one diagram per call. The last diagram also serves all later calls.
   * A letter is a token, `#` a failed request, `-` a request without an answer.
   *
   * @param answers - The diagrams, at least one.
   * @returns The function, and the number of its calls: `asked()`.
   * @throws InvalidArgumentError without a diagram.
   *
   * @example
   * ```ts
   * const client = createSyncClient({ dial, accessToken: tokens('10ms a', '#', 'b') });
   * ```
   */
  readonly tokens: (...answers: readonly string[]) => ScriptedTokens;
}

/**
 * Options of `marbles`.
 *
 * @example
 * ```ts
 * marbles(test, { seed: 7, framesMax: 24 * 60 * 60 * 1000 });
 * ```
 */
export interface MarbleOptions {
  /**
   * The seed of random numbers, which are the same on every machine.
   *
   * @defaultValue none: every random number is 0
   */
  readonly seed?: number;
  /**
   * The end of virtual time in milliseconds. Later events do not happen. `TestScheduler.run` itself has no end, so that
   * a heartbeat that is never stopped would run until the memory is full.
   *
   * Without this option, a test fails if one of its diagrams goes beyond the end, or if an event remains that was
   * scheduled three hours to a week ahead, because such an expectation could not fail.
   *
   * @defaultValue eight hours
   */
  readonly framesMax?: number;
  /**
   * Compares two values and throws when they differ.
   *
   * @defaultValue the global `expect(actual).toEqual(expected)`; without one, the equality of this library
   */
  readonly assert?: Assert;
}

const framesMaxDefault = 8 * 60 * 60 * 1000;
const yearMs = 365 * 24 * 60 * 60 * 1000;

const isPromiseLike = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/**
 * The running test. RxJS has one virtual time per process: the end of an inner test would also end that of the outer
 * one.
 */
const runningTests = new Set<TestScheduler>();

const runExclusively = (scheduler: TestScheduler, test: () => void): void => {
  if (runningTests.size > 0)
    throw new InvalidStateError(
      'A marble test was run inside another one. Virtual time belongs to one test at a time.',
    );
  runningTests.add(scheduler);
  try {
    test();
  } finally {
    runningTests.delete(scheduler);
  }
};

const hourMs = 60 * 60 * 1000;
const weekMs = 7 * 24 * hourMs;

/**
 * Records each event that is scheduled three hours to a week ahead and after the end of virtual time. A heartbeat that
 * repeats for ever and a timeout that means "never" do not count. The result throws when such an event remains: an
 * expectation about it could not fail.
 */
const watchPlans = (scheduler: TestScheduler): (() => void) => {
  const schedule = scheduler.schedule.bind(scheduler);
  const plans: { readonly at: number; readonly planned: Subscription }[] = [];
  scheduler.schedule = (work, delay = 0, state) => {
    const [at, planned] = [scheduler.now() + delay, schedule(work, delay, state)];
    if (delay >= 3 * hourMs && delay <= weekMs && at > framesMaxDefault) plans.push({ at, planned });
    return planned;
  };
  return () => {
    const left = plans.find(({ planned }) => !planned.closed);
    if (!left) return;
    throw new MarbleError(
      `The test scheduled an event at ${left.at} ms, which did not happen, because virtual time ended at ${framesMaxDefault} ms (8 hours). Give marbles the option framesMax: ${left.at} or more to have it happen, or less to ignore it.`,
    );
  };
};

/**
 * Makes a marble test for Jest, Vitest, Jasmine and every other runner. One frame is one virtual millisecond, and
 * virtual time is bounded.
 *
 * The test throws a `MarbleError` when it fails. Its message shows the expected and the actual diagram in marble
 * syntax. A test also fails when an expectation has neither `toBe` nor `toEqual`.
 *
 * @param test - The test. It must not be asynchronous, because virtual time does not wait for promises.
 * @param options - Seed, end of virtual time, and equality.
 * @returns A function for `it`. It throws an `InvalidArgumentError` for a diagram with letters that have no value and
 * for a test that returns a promise, and an `InvalidStateError` inside another marble test.
 * @throws InvalidArgumentError for invalid options.
 *
 * @example
 * ```ts
 * it('doubles', marbles(({ cold, expectObservable }) => {
 *   const doubled$ = cold('a-b|', { a: 1, b: 2 }).pipe(map((n) => 2 * n));
 *   expectObservable(doubled$).toBe('a-b|', { a: 2, b: 4 });
 * }));
 * ```
 */
export const marbles = (test: (helpers: MarbleHelpers) => void, options: MarbleOptions = {}): (() => void) => {
  const { seed, framesMax, assert } = checkOptions('options of marbles', options, ['seed', 'framesMax', 'assert']);
  if (framesMax !== undefined) checkNumber('options.framesMax', framesMax, 1, yearMs);
  if (seed !== undefined) checkNumber('options.seed', seed, 0, 2 ** 32 - 1);
  if (assert !== undefined) checkFunction('options.assert', assert);
  checkFunction('test', test);
  const runBody: (helpers: MarbleHelpers) => unknown = test;
  const runTest =
    (scheduler: TestScheduler) =>
    (helpers: RunHelpers): void => {
      scheduler.maxFrames = framesMax ?? framesMaxDefault;
      const random = seed === undefined ? () => 0 : createSeededRandom(seed);
      const clock: Clock = { scheduler, random, now: () => scheduler.now() };
      const expectStates: MarbleHelpers['expectStates'] = (state$, subscription) => {
        const expectation = helpers.expectObservable(state$, subscription);
        return { toBe: (diagram, error) => expectation.toBe(checkStates(diagram), stateLetters, error) };
      };
      const network: MarbleHelpers['network'] = (diagram, given) => createNetwork(scheduler, diagram, given);
      const tokens: MarbleHelpers['tokens'] = (...answers) => createScriptedTokens(helpers, answers);
      const done = runBody({ ...helpers, scheduler, clock, expectStates, network, tokens });
      if (!isPromiseLike(done)) return;
      done.then(undefined, () => undefined); // The test has failed already; its promise may reject later.
      throw new InvalidArgumentError('test', 'a function that returns no promise (virtual time does not wait)', done);
    };
  return () => {
    const { scheduler, checkComplete } = createMarbleRun(assert, framesMax ?? framesMaxDefault);
    const checkPlans = framesMax === undefined ? watchPlans(scheduler) : () => undefined;
    runExclusively(scheduler, () => scheduler.run(runTest(scheduler)));
    checkComplete();
    checkPlans();
  };
};
