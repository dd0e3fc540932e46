import fc from 'fast-check';
import {
  concatMap,
  delay,
  from,
  interval,
  merge,
  observeOn,
  of,
  Subscription,
  subscribeOn,
  take,
  timer,
  VirtualTimeScheduler,
  type Observable,
  type SchedulerAction,
} from 'rxjs';
import { createWorldTime } from '../../sim/world-time.js';

/** An action, and its effects when it runs for the first time. */
interface Planned {
  readonly delay: number;
  /** Delays after which it schedules itself again when it runs. */
  readonly again: readonly number[];
  readonly others: readonly Planned[];
  /** Numbers of the actions that it cancels, among all actions ever scheduled. */
  readonly cancelled: readonly number[];
  /** Actions that it schedules again from the outside, with their delays. */
  readonly revived: readonly (readonly [number, number])[];
  readonly throws: boolean;
}

const wait = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 4 }) },
  { weight: 2, arbitrary: fc.constantFrom(0.5, 1_000, -1) },
  { weight: 1, arbitrary: fc.constantFrom(Infinity, NaN) },
);

const planned: fc.Memo<Planned> = fc.memo((depth) =>
  fc.record<Planned>({
    delay: wait,
    again: fc.array(wait, { maxLength: 3 }),
    others: depth > 1 ? fc.array(planned(depth - 1), { maxLength: 3 }) : fc.constant([]),
    cancelled: fc.array(fc.nat(50), { maxLength: 2 }),
    revived: fc.array(fc.tuple(fc.nat(50), wait), { maxLength: 2 }),
    throws: fc.nat(60).map((drawn) => drawn === 60),
  }),
);

type Noted = (what: string) => void;

/** Plays a program in the time of a world and in that of RxJS, and compares the records and the remaining actions. */
const isTheSameIn = (program: (scheduler: VirtualTimeScheduler, note: Noted) => void, maxFrames = Infinity): void => {
  const [ours, theirs] = [createWorldTime(), new VirtualTimeScheduler()].map((scheduler) => {
    const noted: string[] = [];
    scheduler.maxFrames = maxFrames;
    program(scheduler, (what) => noted.push(`${scheduler.frame} ${what}`));
    return { noted, left: scheduler.actions.map((action) => action.delay), frame: scheduler.frame };
  });
  expect(ours).toEqual(theirs);
};

const flushed = (scheduler: VirtualTimeScheduler, note: Noted): void => {
  try {
    scheduler.flush();
  } catch (thrown) {
    note(String(thrown));
  }
};

const scheduled = (scheduler: VirtualTimeScheduler, note: Noted): ((all: readonly Planned[]) => void) => {
  const all: Subscription[] = [];
  let runs = 0;
  const add = (plan: Planned): void => {
    const name = all.length;
    const again = [...plan.again];
    let isFirst = true;
    const action = scheduler.schedule(
      function (this: SchedulerAction<unknown>, state: unknown) {
        note(`${name} ${String(state)}`);
        if ((runs += 1) > 500) return;
        if (plan.throws) throw new Error(`${name} throws`);
        const next = again.shift();
        if (next !== undefined) this.schedule(`${name} again`, next);
        if (!isFirst) return;
        isFirst = false;
        plan.others.forEach(add);
        for (const which of plan.cancelled) all[which % all.length]?.unsubscribe();
        for (const [which, ms] of plan.revived)
          (all[which % all.length] as Partial<SchedulerAction<unknown>>).schedule?.('!', ms);
      },
      plan.delay,
      'first',
    );
    all.push(action);
  };
  return (plans) => plans.forEach(add);
};

describe('the time of a world', () => {
  const plans = fc.array(planned(3), { minLength: 1, maxLength: 12 });

  it('runs actions in the order of VirtualTimeScheduler, whatever is scheduled, cancelled and scheduled again', () => {
    fc.assert(
      fc.property(plans, plans, (before, after) =>
        isTheSameIn((scheduler, note) => {
          const add = scheduled(scheduler, note);
          add(before);
          flushed(scheduler, note);
          add(after);
          flushed(scheduler, note);
        }),
      ),
      { numRuns: 300 },
    );
  });

  it('stops at its last frame, and keeps later actions in order', () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 0, max: 6 }), (all, last) =>
        isTheSameIn((scheduler, note) => {
          scheduled(scheduler, note)(all);
          flushed(scheduler, note);
        }, last),
      ),
      { numRuns: 200 },
    );
  });

  it('gives the streams of RxJS their order of virtual time', () => {
    const short = fc.nat(5);
    const stream = fc.tuple(fc.nat(6), short, fc.integer({ min: 1, max: 4 }));
    fc.assert(
      fc.property(fc.array(stream, { minLength: 1, maxLength: 12 }), (all) =>
        isTheSameIn((scheduler, note) => {
          const kinds: readonly ((ms: number, more: number) => Observable<unknown>)[] = [
            (ms, more) => interval(ms, scheduler).pipe(take(more)),
            (ms, more) => timer(ms, more, scheduler).pipe(take(3)),
            (ms, more) => from([1, 2, more]).pipe(observeOn(scheduler, ms)),
            (ms, more) => of(1, more).pipe(delay(ms, scheduler)),
            (ms, more) => of(more).pipe(subscribeOn(scheduler, ms)),
            (ms, more) => of(1, 2, more).pipe(concatMap((value) => of(value).pipe(delay(ms, scheduler)))),
            (ms, more) => timer(ms, scheduler).pipe(concatMap(() => interval(more, scheduler).pipe(take(2)))),
          ];
          const described = all.map(([kind, ms, more], name) =>
            kinds[kind]!(ms, more).pipe(concatMap((value) => of(`${name} ${String(value)}`))),
          );
          merge(...described).subscribe({ next: note, complete: () => note('done') });
          flushed(scheduler, note);
        }),
      ),
      { numRuns: 200 },
    );
  });

  it('runs actions of one time in the order of their scheduling; revived ones in the order of their first scheduling', () => {
    const noted: string[] = [];
    const time = createWorldTime();
    const act = (name: string) => () => void noted.push(name);
    const old = time.schedule(act('old'), 0) as SchedulerAction<unknown>;
    time.flush();
    time.schedule(act('b'), 5);
    time.schedule(act('a'), 4);
    time.schedule(act('c'), 5);
    old.schedule(undefined, 5);
    time.flush();
    expect(noted).toEqual(['old', 'a', 'old', 'b', 'c']);
  });

  it('can end an interval that has fired many thousand times', () => {
    const scheduler = createWorldTime();
    let fired = 0;
    const running = interval(1, scheduler).subscribe(() => (fired += 1));
    scheduler.maxFrames = 30_000;
    scheduler.flush();
    expect(fired).toBe(30_000);
    running.unsubscribe();
    expect(scheduler.actions.filter(({ closed }) => !closed)).toEqual([]);
  });

  it('never sorts waiting actions, which would take longer with each action', () => {
    const scheduler = createWorldTime();
    let sorted = 0;
    scheduler.actions.sort = function () {
      sorted += 1;
      return this;
    };
    interval(10, scheduler).pipe(take(5)).subscribe();
    scheduler.schedule(function (this: SchedulerAction<unknown>) {
      if (scheduler.frame < 50) this.schedule(undefined, 7);
    });
    scheduler.flush();
    expect(scheduler.frame).toBeGreaterThanOrEqual(50);
    expect(sorted).toBe(0);
  });
});
