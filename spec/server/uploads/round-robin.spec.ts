import { VirtualTimeScheduler } from 'rxjs';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { createRoundRobin } from '../../../lib/server/uploads/round-robin.js';

const { turnMsMax } = serverLimits;

/** Creates a round robin with a clock that advances when work is done. */
const tried = () => {
  let worked = 0;
  const scheduler = new VirtualTimeScheduler();
  const turns = createRoundRobin({ scheduler, now: () => scheduler.now() + worked });
  const done: string[] = [];
  const run = (key: object, name: string, ms: number): void =>
    turns.run(key, () => {
      worked += ms;
      done.push(name);
    });
  /** Returns the work of the next event-loop turn. */
  const turn = (): string[] => {
    done.length = 0;
    const [first] = scheduler.actions.splice(0, 1);
    if (first) first.execute(first.state, 0);
    return [...done];
  };
  const rest = (ms: number): void => void (worked += ms);
  return { run, turn, done, rest };
};

describe('work of many', () => {
  const [mallory, ann] = [{ name: 'mallory' }, { name: 'ann' }];

  it('field report E-6: is done at once while there is little of it', () => {
    const { run, done } = tried();
    for (const name of ['a', 'b', 'c']) run(mallory, name, 1);
    expect(done).toEqual(['a', 'b', 'c']);
  });

  it('field report E-1: waits for another turn when there is much, a piece of each in turns and of each in its order', () => {
    const { run, turn, done } = tried();
    run(mallory, 'm1', turnMsMax);
    for (const name of ['m2', 'm3', 'm4', 'm5']) run(mallory, name, turnMsMax / 2);
    run(ann, 'a1', 1);
    run(ann, 'a2', 1);
    expect(done).toEqual(['m1']);
    expect(turn()).toEqual(['m2', 'a1', 'm3']);
    run(mallory, 'm6', turnMsMax);
    expect(turn()).toEqual(['a2', 'm4', 'm5']);
    expect(turn()).toEqual(['m6']);
    expect(turn()).toEqual([]);
  });

  it('field report E-1: is done at once again when there was little for a while', () => {
    const { run, turn, done, rest } = tried();
    run(mallory, 'm1', 2 * turnMsMax);
    run(mallory, 'm2', 1);
    expect(done).toEqual(['m1']);
    expect(turn()).toEqual(['m2']);
    rest(turnMsMax);
    run(ann, 'a1', turnMsMax - 1);
    run(ann, 'a2', 1);
    expect(done).toEqual(['m2', 'a1', 'a2']);
    run(ann, 'a3', 0);
    rest(1);
    run(ann, 'a4', 0);
    expect(done).toEqual(['m2', 'a1', 'a2']);
    expect(turn()).toEqual(['a3', 'a4']);
  });
});
