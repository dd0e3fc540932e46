import { handOverOf } from '../../bench/tabs/hand-over-figures.js';

describe('the figures of a hand-over', () => {
  it('are those of the write that took longest, and of the session since then', () => {
    const times = [
      { began: 100, ended: 104 },
      { began: 104, ended: 190 },
      { began: 108, ended: 191 },
      { began: 200, ended: 203 },
    ];
    expect(handOverOf(times, [20, 150, 210])).toEqual({ writeMs: 86, connectedMs: 106 });
  });

  it('have the moment at which the session was connected last, because it may first seem to be', () => {
    expect(handOverOf([{ began: 100, ended: 110 }], [90, 105, 120])).toMatchObject({ connectedMs: 20 });
  });

  it('have the write that was slow after the session was connected, but not as the event', () => {
    const times = [
      { began: 100, ended: 150 },
      { began: 180, ended: 300 },
    ];
    expect(handOverOf(times, [160])).toEqual({ writeMs: 120, connectedMs: 60 });
  });

  it('are not numbers without a write, or when the session was not connected again', () => {
    expect(handOverOf([{ began: 100, ended: 110 }], [])).toEqual({ writeMs: 10, connectedMs: NaN });
    expect(handOverOf([], [90])).toEqual({ writeMs: NaN, connectedMs: NaN });
  });

  it('do not exist when a write never ended', () => {
    const times = [
      { began: 100, ended: 110 },
      { began: 104, ended: null },
    ];
    expect(() => handOverOf(times, [120])).toThrow('A write never ended.');
  });
});
