import type { Observable } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import type { Clock } from '../clock.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkedNumber, checkedOptions } from '../model/limits.js';
import { seeded } from '../model/chance.js';
import { streamFailure, subscriptionFailure, type Noted, type Subscribed, type Values } from './failure.js';
import { judged, type Assert } from './judge.js';
import { checkedStates, checkedValues, stateLetters, type StateName } from './letters.js';
import { createNetwork, type Network, type NetworkOptions } from './network.js';
import { createTokens, type ScriptedTokens } from './tokens.js';

export interface MarbleHelpers extends RunHelpers {
  readonly scheduler: TestScheduler;
  /** Virtual time, and chance that always draws 0 (so that nothing is shortened at random) unless a seed was given. */
  readonly clock: Clock;
  /** `expectObservable` for streams of states: `d` disconnected, `c` connecting, `C` connected, and the others of `stateLetters`. */
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
   * How far virtual time goes, in milliseconds; what is due later does not happen. Eight hours unless given: `TestScheduler.run` knows no
   * end, and a heartbeat that nobody stops would go on until the memory is full.
   */
  readonly framesMax?: number;
  /** Compares instead of the global `expect(actual).toEqual(expected)`, and throws. Without either, an equality of our own does. */
  readonly assert?: Assert;
}

const framesMost = 8 * 60 * 60 * 1000;
const yearMs = 365 * 24 * 60 * 60 * 1000;

/** An expectation that was begun. `isReady` once it has been said what is expected. */
interface Pending {
  isReady: boolean;
  drawing: (expected: never, actual: never) => string;
  line: string;
}

/** Where the spec says what it expects: the stack without this file. */
const lineOf = (): string => {
  const calls = (new Error().stack ?? '').split('\n').slice(1);
  return calls.slice(calls.findIndex((call) => !/[\\/]testing[\\/]marbles\.[jt]s/.test(call))).join('\n');
};

/** A `TestScheduler` whose failures are drawn. It compares in the order in which expectations were begun, leaving out those not ready. */
const drawing = (assert: Assert | undefined): TestScheduler => {
  const begun: Pending[] = [];
  const scheduler = new TestScheduler((actual, expected) => {
    const index = begun.findIndex(({ isReady }) => isReady);
    const [pending] = begun.splice(index, 1);
    judged(
      assert,
      [actual, expected],
      () => pending?.drawing(expected as never, actual as never) ?? '',
      pending?.line ?? '',
    );
  });
  const expectObservable = scheduler.expectObservable.bind(scheduler);
  const expectSubscriptions = scheduler.expectSubscriptions.bind(scheduler);
  const begin = (pending: Pending['drawing']): Pending => {
    const one = { isReady: false, drawing: pending, line: '' };
    begun.push(one);
    return one;
  };
  scheduler.expectObservable = (stream, subscription = null) => {
    const real = expectObservable(stream, subscription);
    const one = begin(streamFailure);
    return {
      toBe: (diagram, values?: Values, error?: unknown) => {
        checkedValues(diagram, values);
        real.toBe(diagram, values, error);
        const draw = (expected: readonly Noted[], actual: readonly Noted[]): string =>
          streamFailure(expected, actual, values);
        Object.assign(one, { isReady: true, line: lineOf(), drawing: draw });
      },
      toEqual: (other) => {
        real.toEqual(other);
        Object.assign(one, { isReady: true, line: lineOf() });
      },
    };
  };
  scheduler.expectSubscriptions = (logs) => {
    const real = expectSubscriptions(logs);
    const one = begin((expected: readonly Subscribed[], actual: readonly Subscribed[]) =>
      subscriptionFailure(expected, actual),
    );
    return {
      toBe: (diagrams) => {
        real.toBe(diagrams);
        Object.assign(one, { isReady: true, line: lineOf() });
      },
    };
  };
  return scheduler;
};

const isLater = (value: unknown): boolean => typeof value === 'object' && value !== null && 'then' in value;

/**
 * A marble test, for Jest, Vitest, Jasmine and every runner: `it('…', marbles(({ cold, expectObservable }) => …))`. One frame is one virtual
 * millisecond, and virtual time is bounded. A test that fails throws a `MarbleError` with both diagrams under each other, in the syntax
 * of marbles. Throws an `InvalidArgumentError` for options that make no sense, and for a test that gives a promise: nothing would wait for it.
 */
export const marbles = (test: (helpers: MarbleHelpers) => void, options: MarbleOptions = {}): (() => void) => {
  const { seed, framesMax = framesMost, assert } = checkedOptions('options', options, ['seed', 'framesMax', 'assert']);
  checkedNumber('options.framesMax', framesMax, 1, yearMs);
  if (seed !== undefined) checkedNumber('options.seed', seed, 0, 2 ** 32 - 1);
  const tested: (helpers: MarbleHelpers) => unknown = test;
  return () => {
    const scheduler = drawing(assert);
    const random = seed === undefined ? () => 0 : seeded(seed);
    const clock: Clock = { scheduler, random, now: () => scheduler.now() };
    scheduler.run((helpers) => {
      scheduler.maxFrames = framesMax;
      const expectStates: MarbleHelpers['expectStates'] = (state$, subscription) => {
        const expectation = helpers.expectObservable(state$, subscription);
        return { toBe: (diagram, error) => expectation.toBe(checkedStates(diagram), stateLetters, error) };
      };
      const network: MarbleHelpers['network'] = (diagram, given) => createNetwork(scheduler, diagram, given);
      const tokens: MarbleHelpers['tokens'] = (...answers) => createTokens(helpers, answers);
      const done = tested({
        ...helpers,
        scheduler,
        clock,
        expectStates,
        network,
        tokens,
      });
      if (isLater(done))
        throw new InvalidArgumentError('test', 'a function without promises: virtual time does not wait', done);
    });
  };
};
