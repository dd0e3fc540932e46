import { readTabsOptions, tabMeasurementNames } from '../../bench/tabs/tabs-options.js';

describe('the options of the benchmark of tabs', () => {
  it('are all measurements with 50 hand-overs of each kind', () => {
    expect(readTabsOptions([])).toEqual({ names: tabMeasurementNames, isQuick: false, rounds: 50 });
  });

  it('have fewer hand-overs in a quick run', () => {
    expect(readTabsOptions(['--quick'])).toEqual({ names: tabMeasurementNames, isQuick: true, rounds: 5 });
  });

  it('name some measurements and the number of hand-overs', () => {
    const options = readTabsOptions(['memory', '--quick', '--rounds', '20', 'hand-over']);
    expect(options).toEqual({ names: ['memory', 'hand-over'], isQuick: true, rounds: 20 });
  });

  it('must be known measurements and a valid number', () => {
    expect(() => readTabsOptions(['memory', 'handover'])).toThrow('received "handover"');
    expect(() => readTabsOptions(['--rounds', '0'])).toThrow('--rounds must be a whole number from 1 to 9999');
    expect(() => readTabsOptions(['--rounds', '1.5'])).toThrow('received "1.5"');
    expect(() => readTabsOptions(['--slow'])).toThrow();
  });
});
