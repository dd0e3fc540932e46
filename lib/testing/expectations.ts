import { TestScheduler } from 'rxjs/testing';
import { InvalidArgumentError } from '../model/errors.js';
import {
  MarbleError,
  formatStreamFailure,
  formatSubscriptionFailure,
  type NotedMessage,
  type NotedSubscription,
  type LetterValues,
} from './marble-error.js';
import { createMarbleError, assertOrDraw, type Assert } from './assert-marbles.js';
import { checkValues, normalizeTimes } from './marble-letters.js';

/** An expectation that was begun. `isReady` is set by `toBe` or `toEqual`. */
interface Pending {
  isReady: boolean;
  drawing: (expected: never, actual: never) => string;
  /** The stack of the line in the spec that begins the expectation, then of the one that completes it. */
  line: string;
}

/** The scheduler of one test. */
interface MarbleRun {
  readonly scheduler: TestScheduler;
  /** Throws for the first expectation without `toBe` or `toEqual`: it could not fail. */
  readonly checkComplete: () => void;
}

/** The present stack without the frames of this folder: its first line is in the spec. */
const lineOf = (): string => {
  const calls = (new Error().stack ?? '').split('\n').slice(1);
  return calls
    .slice(calls.findIndex((call) => !/[\\/]testing[\\/](marbles|expectations)\.[jt]s/.test(call)))
    .join('\n');
};

/** The last frame of a diagram of values or of a subscription. */
const endOf = (diagram: string): number => {
  if (/[!^]/.test(diagram)) {
    const { subscribedFrame, unsubscribedFrame } = TestScheduler.parseMarblesAsSubscriptions(diagram, true);
    return Math.max(...[subscribedFrame, unsubscribedFrame].filter(Number.isFinite));
  }
  return TestScheduler.parseMarbles(`${diagram} |`, undefined, undefined, false, true).at(-1)?.frame ?? 0;
};

/**
 * Returns its diagram. Throws a `MarbleError` when the diagram goes beyond the end of virtual time, where nothing is
 * compared.
 */
type CheckTime = (diagram: string) => string;

const createTimeCheck =
  (end: number): CheckTime =>
  (diagram) => {
    const last = endOf(diagram);
    if (last <= end) return diagram;
    const problem = `The diagram ${JSON.stringify(diagram)} goes on to ${last} ms, but virtual time ends at ${end} ms, and nothing is compared after that`;
    throw new MarbleError(`${problem}. Give marbles the option framesMax: ${last} or more.`);
  };

/** Makes a scheduler reject source diagrams with letters that have no value. */
const checkSources = (scheduler: TestScheduler, within: CheckTime): void => {
  const cold = scheduler.createColdObservable.bind(scheduler);
  const hot = scheduler.createHotObservable.bind(scheduler);
  const check = (diagram: string, values: unknown): string => within(checkValues(diagram, values));
  scheduler.createColdObservable = (diagram, values, error) => cold(check(diagram, values), values, error);
  scheduler.createHotObservable = (diagram, values, error) => hot(check(diagram, values), values, error);
};

const checkStream = (stream: unknown): void => {
  if (typeof stream === 'object' && stream !== null && 'subscribe' in stream) return;
  throw new InvalidArgumentError('stream', 'an observable', stream);
};

/** Makes a scheduler record the drawing of each expectation of a stream, for the case that it fails. */
const noteStreams = (
  scheduler: TestScheduler,
  within: CheckTime,
  begin: (pending: Pending['drawing']) => Pending,
): void => {
  const expectObservable = scheduler.expectObservable.bind(scheduler);
  scheduler.expectObservable = (stream, subscription = null) => {
    checkStream(stream);
    const real = expectObservable(
      stream,
      subscription === null ? null : within(normalizeTimes('subscription', subscription)),
    );
    const one = begin(formatStreamFailure);
    return {
      toBe: (diagram, values?: LetterValues, error?: unknown) => {
        real.toBe(within(checkValues(diagram, values)), values, error);
        const draw = (expected: readonly NotedMessage[], actual: readonly NotedMessage[]): string =>
          formatStreamFailure(expected, actual, values);
        Object.assign(one, { isReady: true, line: lineOf(), drawing: draw });
      },
      toEqual: (other) => {
        checkStream(other);
        real.toEqual(other);
        Object.assign(one, { isReady: true, line: lineOf() });
      },
    };
  };
};

/** Makes a scheduler record the drawing of each expectation of subscriptions, for the case that it fails. */
const noteSubscriptions = (
  scheduler: TestScheduler,
  within: CheckTime,
  begin: (pending: Pending['drawing']) => Pending,
): void => {
  const expectSubscriptions = scheduler.expectSubscriptions.bind(scheduler);
  scheduler.expectSubscriptions = (logs) => {
    if (!Array.isArray(logs)) throw new InvalidArgumentError('logs', 'the subscriptions of a cold or hot stream', logs);
    const real = expectSubscriptions(logs);
    const one = begin((expected: readonly NotedSubscription[], actual: readonly NotedSubscription[]) =>
      formatSubscriptionFailure(expected, actual),
    );
    return {
      toBe: (diagrams) => {
        real.toBe([diagrams].flat().map((diagram) => within(normalizeTimes('diagram', diagram))));
        Object.assign(one, { isReady: true, line: lineOf() });
      },
    };
  };
};

/**
 * Creates a `TestScheduler` that draws failures and has an end of time. Expectations are compared in the order in which
 * they were begun.
 */
export const createMarbleRun = (assert: Assert | undefined, end: number): MarbleRun => {
  const begun: Pending[] = [];
  const scheduler = new TestScheduler((actual, expected) => {
    const index = begun.findIndex(({ isReady }) => isReady);
    const [pending] = begun.splice(index, 1);
    assertOrDraw(
      assert,
      [actual, expected],
      () => pending?.drawing(expected as never, actual as never) ?? '',
      pending?.line ?? '',
    );
  });
  const begin = (pending: Pending['drawing']): Pending => {
    const one = { isReady: false, drawing: pending, line: lineOf() };
    begun.push(one);
    return one;
  };
  const within = createTimeCheck(end);
  checkSources(scheduler, within);
  noteStreams(scheduler, within, begin);
  noteSubscriptions(scheduler, within, begin);
  const checkComplete = (): void => {
    const incomplete = begun.find(({ isReady }) => !isReady);
    if (incomplete) throw createMarbleError('An expectation is incomplete. Call its toBe or toEqual.', incomplete.line);
  };
  return { scheduler, checkComplete };
};
