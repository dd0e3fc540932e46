import { TestScheduler } from 'rxjs/testing';
import { InvalidArgumentError } from '../model/errors.js';
import { streamFailure, subscriptionFailure, type Noted, type Subscribed, type Values } from './failure.js';
import { failing, judged, type Assert } from './judge.js';
import { checkedValues, exact } from './letters.js';

/** An expectation that was begun. `isReady` once it has been said what is expected. */
interface Pending {
  isReady: boolean;
  drawing: (expected: never, actual: never) => string;
  /** Where the spec begins it, then where it says what it expects. */
  line: string;
}

/** A scheduler for one test. */
interface Drawing {
  readonly scheduler: TestScheduler;
  /** Throws for the first expectation that was begun and says nothing: it would pass whatever happens. */
  readonly checkSaid: () => void;
}

/** Where in the spec we are: the stack without these files. */
const lineOf = (): string => {
  const calls = (new Error().stack ?? '').split('\n').slice(1);
  return calls
    .slice(calls.findIndex((call) => !/[\\/]testing[\\/](marbles|expectations)\.[jt]s/.test(call)))
    .join('\n');
};

/** Has a scheduler make sources of diagrams only whose letters all have a value. */
const checkSources = (scheduler: TestScheduler): void => {
  const cold = scheduler.createColdObservable.bind(scheduler);
  const hot = scheduler.createHotObservable.bind(scheduler);
  scheduler.createColdObservable = (diagram, values, error) => cold(checkedValues(diagram, values), values, error);
  scheduler.createHotObservable = (diagram, values, error) => hot(checkedValues(diagram, values), values, error);
};

const checkedStream = (stream: unknown): void => {
  if (typeof stream === 'object' && stream !== null && 'subscribe' in stream) return;
  throw new InvalidArgumentError('stream', 'an observable', stream);
};

/** Has a scheduler note what draws each expectation of streams, should it fail. */
const noteStreams = (scheduler: TestScheduler, begin: (pending: Pending['drawing']) => Pending): void => {
  const expectObservable = scheduler.expectObservable.bind(scheduler);
  scheduler.expectObservable = (stream, subscription = null) => {
    checkedStream(stream);
    const real = expectObservable(stream, subscription === null ? null : exact('subscription', subscription));
    const one = begin(streamFailure);
    return {
      toBe: (diagram, values?: Values, error?: unknown) => {
        real.toBe(checkedValues(diagram, values), values, error);
        const draw = (expected: readonly Noted[], actual: readonly Noted[]): string =>
          streamFailure(expected, actual, values);
        Object.assign(one, { isReady: true, line: lineOf(), drawing: draw });
      },
      toEqual: (other) => {
        checkedStream(other);
        real.toEqual(other);
        Object.assign(one, { isReady: true, line: lineOf() });
      },
    };
  };
};

/** The same for expectations of subscriptions. */
const noteSubscriptions = (scheduler: TestScheduler, begin: (pending: Pending['drawing']) => Pending): void => {
  const expectSubscriptions = scheduler.expectSubscriptions.bind(scheduler);
  scheduler.expectSubscriptions = (logs) => {
    if (!Array.isArray(logs)) throw new InvalidArgumentError('logs', 'the subscriptions of a cold or hot stream', logs);
    const real = expectSubscriptions(logs);
    const one = begin((expected: readonly Subscribed[], actual: readonly Subscribed[]) =>
      subscriptionFailure(expected, actual),
    );
    return {
      toBe: (diagrams) => {
        real.toBe([diagrams].flat().map((diagram) => exact('diagram', diagram)));
        Object.assign(one, { isReady: true, line: lineOf() });
      },
    };
  };
};

/** A `TestScheduler` whose failures are drawn. It compares in the order in which expectations were begun. */
export const drawing = (assert: Assert | undefined): Drawing => {
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
  const begin = (pending: Pending['drawing']): Pending => {
    const one = { isReady: false, drawing: pending, line: lineOf() };
    begun.push(one);
    return one;
  };
  checkSources(scheduler);
  noteStreams(scheduler, begin);
  noteSubscriptions(scheduler, begin);
  const checkSaid = (): void => {
    const silent = begun.find(({ isReady }) => !isReady);
    if (silent)
      throw failing('an expectation says nothing of what it expects: neither toBe nor toEqual was called', silent.line);
  };
  return { scheduler, checkSaid };
};
