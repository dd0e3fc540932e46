import { VirtualTimeScheduler } from 'rxjs';
import { spreadOverTurns } from '../../lib/transport/event-loop-turns.js';

describe('calls in one event-loop turn', () => {
  const world = () => {
    const scheduler = new VirtualTimeScheduler();
    const made: number[] = [];
    const call = spreadOverTurns((number: number) => void made.push(number), { scheduler });
    return { scheduler, made, call };
  };
  const numbers = (from: number, to: number): readonly number[] =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);

  it('are run sixteen a turn, in their order, the first ones at once', () => {
    const { scheduler, made, call } = world();
    const turns: number[] = [];
    for (const number of numbers(1, 40)) call(number);
    expect(made).toEqual(numbers(1, 16));
    scheduler.schedule(() => turns.push(made.length));
    scheduler.flush();
    expect(made).toEqual(numbers(1, 40));
    expect(turns).toEqual([32]);
  });

  it('are run at once again after a turn without calls', () => {
    const { scheduler, made, call } = world();
    for (const number of numbers(1, 16)) call(number);
    scheduler.flush();
    for (const number of numbers(17, 32)) call(number);
    expect(made).toEqual(numbers(1, 32));
  });

  it('wait behind the calls that wait already', () => {
    const { scheduler, made, call } = world();
    for (const number of numbers(1, 20)) call(number);
    scheduler.schedule(() => call(21));
    scheduler.flush();
    expect(made).toEqual(numbers(1, 21));
  });
});
