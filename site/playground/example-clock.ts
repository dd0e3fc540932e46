/*
 * The time of the examples. The build replaces `Date`, `performance.now` and the timers of everything that runs in the
 * playground (the examples, the library, RxJS and the inspector) with the functions of this file: an example can let an
 * hour pass in two seconds, and its output is the same in every run. The time of the page itself stays untouched.
 */

interface Timer {
  readonly id: number;
  readonly dueAt: number;
  readonly run: () => void;
}

/** Milliseconds after which time flows again, if the code of an example waits. */
const holdMsMax = 1_000;

const real = {
  Date: globalThis.Date,
  now: () => globalThis.performance.now(),
  setTimeout: globalThis.setTimeout.bind(globalThis),
};

let nowMs = real.Date.now();
let originMs = nowMs;
let nextId = 1;
let timers: readonly Timer[] = [];
/** The number of the driver that is running; each start and each end makes a new one. */
let driver = 0;
let heldUntil = 0;
let passing: { readonly until: number; readonly speed: number; readonly resolve: () => void } | null = null;

const addTimer = (run: () => void, ms = 0): number => {
  const timer = { id: nextId, dueAt: nowMs + Math.max(0, Math.ceil(ms)), run };
  nextId += 1;
  timers = [...timers, timer].sort((a, b) => a.dueAt - b.dueAt || a.id - b.id);
  return timer.id;
};

const removeTimer = (id: unknown): void => {
  timers = timers.filter((timer) => timer.id !== id);
};

const channel = new MessageChannel();
const turns: (() => void)[] = [];
channel.port1.onmessage = () => turns.shift()?.();
const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    turns.push(resolve);
    channel.port2.postMessage(null);
  });

const isRunning = (id: number): boolean => id === driver;

const advanceTo = async (target: number, id: number): Promise<void> => {
  for (;;) {
    const [first] = timers;
    if (!isRunning(id) || !first || first.dueAt > target) break;
    timers = timers.slice(1);
    nowMs = Math.max(nowMs, first.dueAt);
    try {
      first.run();
    } catch (error) {
      console.error(error); // As in a browser: the error ends neither time nor the other timers.
    }
    await nextTurn();
  }
  if (isRunning(id)) nowMs = Math.max(nowMs, target);
};

const holdTime = (): void => {
  heldUntil = real.now() + holdMsMax;
};

/** Lets time flow, at the speed of real time or faster, until it is ended. */
const drive = async (id: number): Promise<void> => {
  let last = real.now();
  while (isRunning(id)) {
    await new Promise((resolve) => real.setTimeout(resolve, 10));
    const realMs = real.now();
    const elapsed = realMs - last;
    last = realMs;
    if (passing) {
      const { until, speed, resolve } = passing;
      await advanceTo(Math.min(until, nowMs + Math.ceil(elapsed * speed)), id);
      if (nowMs < until) continue;
      passing = null;
      holdTime();
      resolve();
    } else if (realMs >= heldUntil) await advanceTo(nowMs + Math.round(elapsed), id);
  }
};

/** The time of one example. Its functions do nothing as soon as the time of another example has begun. */
export interface ExampleTimeline {
  /** Stops time while the code of an example runs, so that it takes no time. */
  readonly hold: () => void;
  /** Lets time flow like that of this machine. */
  readonly release: () => void;
  /** Lets milliseconds pass in at most `realMsMax` real ones. Never resolves when the time ends first. */
  readonly pass: (ms: number, realMsMax: number) => Promise<void>;
  /** Ends the time: no timer runs any more. */
  readonly end: () => void;
}

/** Starts the time of a new example, at the time of this machine. Ends the time of an earlier one. */
export const startTime = (): ExampleTimeline => {
  driver += 1;
  const id = driver;
  timers = [];
  passing = null;
  nowMs = originMs = real.Date.now();
  holdTime();
  void drive(id);
  const whileRunning = (act: () => void) => (): void => {
    if (isRunning(id)) act();
  };
  return {
    hold: whileRunning(holdTime),
    release: whileRunning(() => (heldUntil = 0)),
    pass: (ms, realMsMax) =>
      new Promise((resolve) => {
        if (isRunning(id)) passing = { until: nowMs + ms, speed: Math.max(1, ms / realMsMax), resolve };
      }),
    end: whileRunning(() => {
      driver += 1;
      timers = [];
    }),
  };
};

/** Waits until the work that is ready has run. No time passes. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
};

type Callback = (...values: readonly unknown[]) => void;

export const exampleSetTimeout = (run: Callback, ms?: number, ...values: readonly unknown[]): number =>
  addTimer(() => run(...values), ms);

export const exampleSetInterval = (run: Callback, ms?: number, ...values: readonly unknown[]): number => {
  const id = nextId;
  const repeat = (): void => {
    // The timer keeps its id, by which it is cleared.
    timers = [...timers, { id, dueAt: nowMs + Math.max(1, ms ?? 0), run: repeat }].sort((a, b) => a.dueAt - b.dueAt);
    run(...values);
  };
  return addTimer(repeat, Math.max(1, ms ?? 0));
};

export const exampleClearTimeout = removeTimer;
export const exampleElapsed = (): number => nowMs - originMs;
export const exampleRequestFrame = (run: (elapsed: number) => void): number =>
  globalThis.requestAnimationFrame(() => run(exampleElapsed()));

const construct = (...values: readonly unknown[]): Date =>
  Reflect.construct(real.Date, values.length === 0 ? [nowMs] : values) as Date;

/** `Date` with the time of the examples. Dates are those of the page. */
export const ExampleDate = new Proxy(real.Date, {
  get: (target, name): unknown => (name === 'now' ? () => nowMs : Reflect.get(target, name)),
  construct: (_target, values: readonly unknown[]) => construct(...values),
});
