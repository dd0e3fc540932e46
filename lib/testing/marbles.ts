import type { Observable, Subscription } from 'rxjs';
import type { RunHelpers, TestScheduler } from 'rxjs/testing';
import type { Clock } from '../clock.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkNumber, checkOptions } from '../model/limits.js';
import { MarbleError } from './marble-error.js';
import { createSeededRandom } from '../model/seeded-random.js';
import { createMarbleRun } from './expectations.js';
import type { Assert } from './assert-marbles.js';
import { checkStates, stateLetters, type StateName } from './marble-letters.js';
import { createNetwork, type Network, type NetworkOptions } from './network.js';
import { createScriptedTokens, type ScriptedTokens } from './scripted-tokens.js';

export interface MarbleHelpers extends RunHelpers {
  readonly scheduler: TestScheduler;
  /** Virtual time, and chance that always draws 0 (so that nothing is shortened at random) unless a seed was given. */
  readonly clock: Clock;
  /**
   * `expectObservable` for streams of states: `d` disconnected, `c` connecting, `C` connected, and the others of
   * `stateLetters`.
   */
  readonly expectStates: (
    state$: Observable<StateName>,
    subscription?: string,
  ) => { readonly toBe: (diagram: string, error?: unknown) => void };
  /** A network that comes and goes as a diagram says. */
  readonly network: (diagram: string, options?: NetworkOptions) => Network;
  /** An `accessToken` whose answers are diagrams, one for each time that it is asked. */
  readonly tokens: (...answers: readonly string[]) => ScriptedTokens;
}

export interface MarbleOptions {
  /** Has chance drawn from this seed, the same on every machine. Without one it always draws 0. */
  readonly seed?: number;
  /**
   * How far virtual time goes, in milliseconds; what is due later does not happen. `TestScheduler.run` knows no end,
   * and a heartbeat that nobody stops would go on until the memory is full. Eight hours unless given. A test with a
   * diagram that goes further fails, and so does one in which something that was planned three hours to a week ahead is
   * left, unless this is given: what it would have compared then could not fail.
   */
  readonly framesMax?: number;
  /**
   * Compares instead of the global `expect(actual).toEqual(expected)`, and throws. Without either, an equality of our
   * own does.
   */
  readonly assert?: Assert;
}

const framesMaxDefault = 8 * 60 * 60 * 1000;
const yearMs = 365 * 24 * 60 * 60 * 1000;

const isPromiseLike = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/**
 * The test that runs: RxJS has one virtual time for all of a process, and the end of an inner test would be its end for
 * the outer one.
 */
const runningTests = new Set<TestScheduler>();

const runExclusively = (scheduler: TestScheduler, test: () => void): void => {
  if (runningTests.size > 0)
    throw new InvalidArgumentError('marbles', 'to run by itself: virtual time is that of one test', 'a test in a test');
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
 * Has a scheduler note what is planned for a moment after the last one, three hours to a week ahead: a heartbeat that
 * goes on for ever is no plan, nor is a time-out that means never. The result fails when such a plan is left: it did
 * not happen, and what is compared in it could not fail.
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
      `The test plans something for ${left.at} ms, but virtual time ended at ${framesMaxDefault} ms (8 hours), so that it did not happen. Give marbles the option framesMax: ${left.at} or more to have it happen, or less to say that it does not matter.`,
    );
  };
};

const checkFunction = (argument: string, value: unknown): void => {
  if (typeof value !== 'function') throw new InvalidArgumentError(argument, 'a function', value);
};

/**
 * A marble test, for Jest, Vitest, Jasmine and every runner: `it('…', marbles(({ cold, expectObservable }) => …))`. One
 * frame is one virtual millisecond, and virtual time is bounded. A test that fails throws a `MarbleError` with both
 * diagrams under each other, in the syntax of marbles; so does one that begins an expectation and does not say what it
 * expects. Throws an `InvalidArgumentError` for options that make no sense, for diagrams with letters that have no
 * value, for a test in a test, and for one that gives a promise: nothing would wait for it.
 */
export const marbles = (test: (helpers: MarbleHelpers) => void, options: MarbleOptions = {}): (() => void) => {
  const { seed, framesMax, assert } = checkOptions('options', options, ['seed', 'framesMax', 'assert']);
  if (framesMax !== undefined) checkNumber('options.framesMax', framesMax, 1, yearMs);
  if (seed !== undefined) checkNumber('options.seed', seed, 0, 2 ** 32 - 1);
  if (assert !== undefined) checkFunction('options.assert', assert);
  checkFunction('test', test);
  const tested: (helpers: MarbleHelpers) => unknown = test;
  const ran =
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
      const done = tested({ ...helpers, scheduler, clock, expectStates, network, tokens });
      if (!isPromiseLike(done)) return;
      done.then(undefined, () => undefined); // What becomes of it is nobody's any more.
      throw new InvalidArgumentError('test', 'a function without promises: virtual time does not wait', done);
    };
  return () => {
    const { scheduler, checkComplete } = createMarbleRun(assert, framesMax ?? framesMaxDefault);
    const checkPlans = framesMax === undefined ? watchPlans(scheduler) : () => undefined;
    runExclusively(scheduler, () => scheduler.run(ran(scheduler)));
    checkComplete();
    checkPlans();
  };
};
