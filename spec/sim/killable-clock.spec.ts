import { interval, merge, of, delay, timer, type SchedulerAction } from 'rxjs';
import { createKillableClock, type KillableClockOptions } from '../../sim/killable-clock.js';
import { createWorldTime } from '../../sim/world-time.js';

const epoch = Date.UTC(2026, 0, 1);

const processOf = (options: Partial<KillableClockOptions> = {}) => {
  const time = createWorldTime();
  const mortal = createKillableClock({ scheduler: time, random: () => 0.5, epoch, drift: 0, ...options });
  return { time, mortal, ...mortal.clock };
};

describe('a process that can be killed', () => {
  it('runs no waiting, repeated or new work after it was killed', () => {
    const { time, mortal, scheduler } = processOf();
    const ran: string[] = [];
    const streams = merge(interval(10, scheduler), timer(35, scheduler), of(1).pipe(delay(36, scheduler)));
    streams.subscribe(() => ran.push(`stream at ${time.frame}`));
    scheduler.schedule(function (this: SchedulerAction<unknown>) {
      ran.push(`again at ${time.frame}`);
      this.schedule(undefined, 10);
    }, 5);
    time.schedule(() => {
      mortal.kill();
      scheduler.schedule(() => ran.push('born dead'), 1);
      scheduler.schedule(() => ran.push('born dead'));
    }, 27);
    time.maxFrames = 200;
    time.flush();
    expect(ran).toEqual(['again at 5', 'stream at 10', 'again at 15', 'stream at 20', 'again at 25']);
  });

  it('is killed before later work of the same moment', () => {
    const { time, mortal, scheduler } = processOf();
    const ran: string[] = [];
    scheduler.schedule(() => ran.push('before'), 10);
    time.schedule(mortal.kill, 10);
    scheduler.schedule(() => ran.push('after'), 10);
    time.flush();
    expect(ran).toEqual(['before']);
  });

  it('reports whether it is killed', () => {
    const { mortal } = processOf();
    expect(mortal.isDead()).toBe(false);
    mortal.kill();
    expect(mortal.isDead()).toBe(true);
  });

  it('does not affect other processes', () => {
    const time = createWorldTime();
    const [first, second] = [1, 2].map(() =>
      createKillableClock({ scheduler: time, random: () => 0.5, epoch, drift: 0 }),
    );
    const ran: number[] = [];
    first!.clock.scheduler.schedule(() => ran.push(1), 1);
    second!.clock.scheduler.schedule(() => ran.push(2), 1);
    first!.kill();
    time.flush();
    expect(ran).toEqual([2]);
  });

  it('runs work in virtual time with its arguments, until the work is cancelled', () => {
    const { time, scheduler, random } = processOf();
    const ran: unknown[] = [];
    scheduler.schedule((state) => ran.push([state, time.frame, scheduler.now()]), 7, 'given');
    scheduler.schedule(() => ran.push('cancelled'), 8).unsubscribe();
    time.flush();
    expect(ran).toEqual([['given', 7, 7]]);
    expect(random()).toBe(0.5);
  });
});

describe('the clock of a process', () => {
  /** Returns the clock's milliseconds since the epoch after some virtual milliseconds. */
  const timeAt = (
    ms: number,
    drift: number,
    act: (mortal: ReturnType<typeof createKillableClock>) => void = () => undefined,
  ) => {
    const { time, mortal, now } = processOf({ drift });
    time.schedule(() => act(mortal), ms);
    time.flush();
    return now() - epoch;
  };

  it('begins at its epoch and follows virtual time', () => {
    expect(timeAt(0, 0)).toBe(0);
    expect(timeAt(12_345, 0)).toBe(12_345);
  });

  it('gains or loses milliseconds by its drift, and returns whole ones', () => {
    expect(timeAt(60_000, 0.1)).toBe(60_006);
    expect(timeAt(60_000, -0.1)).toBe(59_994);
    expect(timeAt(1_234, 0.1)).toBe(1_234);
    expect(timeAt(6_000, 0.1)).toBe(6_001);
  });

  it('jumps any number of times, and continues from there', () => {
    const jumping = (mortal: ReturnType<typeof createKillableClock>): void => {
      mortal.jump(3_600_000);
      mortal.jump(-600_000);
    };
    expect(timeAt(1_000, 0, jumping)).toBe(3_001_000);
    expect(timeAt(10_000, 0.1, jumping)).toBe(3_010_001);
  });

  it('does not move timers by drifting and jumping', () => {
    const { time, mortal, scheduler } = processOf({ drift: 0.1 });
    const ran: number[] = [];
    scheduler.schedule(() => ran.push(time.frame), 60_000);
    mortal.jump(-7_200_000);
    time.flush();
    expect(ran).toEqual([60_000]);
  });
});
