import { limitNames, readLimitsOptions } from '../../bench/limits/limits-options.js';

describe('the options of the limits', () => {
  it('are all measurements with full counts', () => {
    expect(readLimitsOptions([])).toEqual({ names: limitNames, isQuick: false, updates: 1_000_000, queue: 100_000 });
  });

  it('have smaller counts in a quick run', () => {
    expect(readLimitsOptions(['--quick'])).toMatchObject({ isQuick: true, updates: 100_000, queue: 10_000 });
  });

  it('name some measurements and counts', () => {
    const options = readLimitsOptions(['disk', '--quick', '--updates', '20000', 'queue', '--queue', '3000']);
    expect(options).toEqual({ names: ['disk', 'queue'], isQuick: true, updates: 20_000, queue: 3_000 });
  });

  it('must be known measurements and valid counts', () => {
    expect(() => readLimitsOptions(['disc'])).toThrow('received "disc"');
    expect(() => readLimitsOptions(['--updates', '10'])).toThrow('--updates must be a whole number from 1000');
    expect(() => readLimitsOptions(['--slow'])).toThrow();
  });
});
