import { formatLimitsTable, isLimitMissed, type LimitRow } from '../../bench/limits/limits-table.js';

const row: LimitRow = { label: 'opening, ms', value: 15, beside: 10, target: { ratioMax: 1.5 } };

describe('a row of the limits', () => {
  it('reaches its target at the bound', () => {
    expect(isLimitMissed(row)).toBe(false);
    expect(isLimitMissed({ ...row, beside: null, target: { valueMax: 15 } })).toBe(false);
  });

  it('misses its target above the bound', () => {
    expect(isLimitMissed({ ...row, value: 15.1 })).toBe(true);
    expect(isLimitMissed({ ...row, target: { valueMax: 14.9 } })).toBe(true);
  });

  it('misses its target when a figure is not a number', () => {
    expect(isLimitMissed({ ...row, value: NaN })).toBe(true);
    expect(isLimitMissed({ ...row, beside: NaN })).toBe(true);
    expect(isLimitMissed({ ...row, beside: null })).toBe(true);
  });

  it('without a target misses nothing', () => {
    expect(isLimitMissed({ ...row, value: 1_000, target: null })).toBe(false);
  });
});

describe('the table of the limits', () => {
  it('has the figures, the ratio and the target of each row', () => {
    const rows: LimitRow[] = [
      row,
      { label: 'idle session, KiB', value: 115.2, beside: null, target: { valueMax: 16 } },
      { label: 'disk, KiB', value: 1_983, beside: 184, target: null },
    ];
    expect(formatLimitsTable(rows).split('\n')).toEqual([
      '                   tidemark  beside  ratio  target',
      'opening, ms            15.0    10.0  1.50×  ≤ 1.5×',
      'idle session, KiB       115       –      –  ≤ 16 MISSED',
      'disk, KiB              1983     184  10.8×  information',
    ]);
  });
});
