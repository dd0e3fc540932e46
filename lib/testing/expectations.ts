import { TestScheduler } from 'rxjs/testing';
import { InvalidArgumentError } from '../model/errors.js';
import {
  MarbleError,
  streamFailure,
  subscriptionFailure,
  type Noted,
  type Subscribed,
  type Values,
} from './failure.js';
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

/** The last moment of a diagram, or of one of a subscription. */
const endOf = (diagram: string): number => {
  if (/[!^]/.test(diagram)) {
    const { subscribedFrame, unsubscribedFrame } = TestScheduler.parseMarblesAsSubscriptions(diagram, true);
    return Math.max(...[subscribedFrame, unsubscribedFrame].filter(Number.isFinite));
  }
  return TestScheduler.parseMarbles(`${diagram} |`, undefined, undefined, false, true).at(-1)?.frame ?? 0;
};

/** Gives a diagram back. Throws a `MarbleError` when it goes on after virtual time has ended: nothing of that would be compared. */
type Within = (diagram: string) => string;

const withinTime =
  (end: number): Within =>
  (diagram) => {
    const last = endOf(diagram);
    if (last <= end) return diagram;
    const told = `The diagram ${JSON.stringify(diagram)} goes on to ${last} ms, but virtual time ends at ${end} ms, and nothing is compared after that`;
    throw new MarbleError(`${told}. Give marbles the option framesMax: ${last} or more.`);
  };

/** Has a scheduler make sources of diagrams only whose letters all have a value. */
const checkSources = (scheduler: TestScheduler, within: Within): void => {
  const cold = scheduler.createColdObservable.bind(scheduler);
  const hot = scheduler.createHotObservable.bind(scheduler);
  const checked = (diagram: string, values: unknown): string => within(checkedValues(diagram, values));
  scheduler.createColdObservable = (diagram, values, error) => cold(checked(diagram, values), values, error);
  scheduler.createHotObservable = (diagram, values, error) => hot(checked(diagram, values), values, error);
};

const checkedStream = (stream: unknown): void => {
  if (typeof stream === 'object' && stream !== null && 'subscribe' in stream) return;
  throw new InvalidArgumentError('stream', 'an observable', stream);
};

/** Has a scheduler note what draws each expectation of streams, should it fail. */
const noteStreams = (
  scheduler: TestScheduler,
  within: Within,
  begin: (pending: Pending['drawing']) => Pending,
): void => {
  const expectObservable = scheduler.expectObservable.bind(scheduler);
  scheduler.expectObservable = (stream, subscription = null) => {
    checkedStream(stream);
    const real = expectObservable(stream, subscription === null ? null : within(exact('subscription', subscription)));
    const one = begin(streamFailure);
    return {
      toBe: (diagram, values?: Values, error?: unknown) => {
        real.toBe(within(checkedValues(diagram, values)), values, error);
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
const noteSubscriptions = (
  scheduler: TestScheduler,
  within: Within,
  begin: (pending: Pending['drawing']) => Pending,
): void => {
  const expectSubscriptions = scheduler.expectSubscriptions.bind(scheduler);
  scheduler.expectSubscriptions = (logs) => {
    if (!Array.isArray(logs)) throw new InvalidArgumentError('logs', 'the subscriptions of a cold or hot stream', logs);
    const real = expectSubscriptions(logs);
    const one = begin((expected: readonly Subscribed[], actual: readonly Subscribed[]) =>
      subscriptionFailure(expected, actual),
    );
    return {
      toBe: (diagrams) => {
        real.toBe([diagrams].flat().map((diagram) => within(exact('diagram', diagram))));
        Object.assign(one, { isReady: true, line: lineOf() });
      },
    };
  };
};

/** A `TestScheduler` whose failures are drawn, and whose time ends. It compares in the order in which expectations were begun. */
export const drawing = (assert: Assert | undefined, end: number): Drawing => {
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
  const within = withinTime(end);
  checkSources(scheduler, within);
  noteStreams(scheduler, within, begin);
  noteSubscriptions(scheduler, within, begin);
  const checkSaid = (): void => {
    const silent = begun.find(({ isReady }) => !isReady);
    if (silent)
      throw failing('an expectation says nothing of what it expects: neither toBe nor toEqual was called', silent.line);
  };
  return { scheduler, checkSaid };
};
