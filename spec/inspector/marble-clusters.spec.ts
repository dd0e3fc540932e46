import fc from 'fast-check';
import { clusterEvents, clusterGap, labelOf, nearestEvent } from '../../lib/inspector/marble-clusters.js';
import { type RowEvent, SessionRow } from '../../lib/inspector/session-row.js';
import { formatTime, tickStep, ticksBetween } from '../../lib/inspector/time-axis.js';

const eventAt = (at: number, label = 'a'): RowEvent => ({ at, label, tone: 'plain', text: '' });
const times = fc.array(fc.nat(5_000), { maxLength: 60 }).map((all) => [...all].sort((a, b) => a - b));
const scales = fc.double({ min: 0.001, max: 20, noNaN: true });

describe('clusterEvents', () => {
  it('has each event once, in order, and begins a cluster exactly where the last one is far enough away', () => {
    fc.assert(
      fc.property(times, scales, (all, scale) => {
        const clusters = clusterEvents(
          all.map((at) => eventAt(at)),
          scale,
        );
        const indexes = clusters.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, by) => first + by),
        );
        expect(indexes).toEqual(all.map((_, index) => index));
        clusters.forEach(({ first, last }, index) => {
          const begin = all[first]!;
          expect((all[last]! - begin) * scale).toBeLessThan(clusterGap);
          const next = clusters[index + 1];
          if (next) expect((all[next.first]! - begin) * scale).toBeGreaterThanOrEqual(clusterGap);
        });
      }),
    );
  });

  it('keeps the clusters before a new event', () => {
    fc.assert(
      fc.property(times, scales, (all, scale) => {
        const events = all.map((at) => eventAt(at));
        const before = clusterEvents(events.slice(0, -1), scale);
        expect(clusterEvents(events, scale).slice(0, before.length - 1)).toEqual(before.slice(0, -1));
      }),
    );
  });
});

describe('labelOf', () => {
  it.each([
    [['d'], 'd'],
    [['d', 'C'], '(dC)'],
    [['d', 'c', 'C'], '×3'],
    [['1', '2'], '…2'],
    [['+1', '+2', '+12'], '…+12'],
    [Array.from({ length: 2_400 }, () => 'a'), '×2k'],
  ])('writes %j', (labels, expected) => {
    const events = labels.map((label) => eventAt(0, label));
    expect(labelOf(events, { first: 0, last: labels.length - 1 })).toBe(expected);
  });
});

describe('nearestEvent', () => {
  it('is as near as any other event', () => {
    fc.assert(
      fc.property(times, fc.nat(5_000), (all, at) => {
        const index = nearestEvent(
          all.map((time) => eventAt(time)),
          at,
        );
        if (all.length === 0) expect(index).toBe(-1);
        else expect(Math.abs(all[index]! - at)).toBe(Math.min(...all.map((time) => Math.abs(time - at))));
      }),
    );
  });
});

describe('the time axis', () => {
  it('has ticks at whole steps, in the range, and none of them closer than its label is wide', () => {
    const begin = 1_700_000_000_000;
    fc.assert(
      fc.property(fc.double({ min: 500 / 86_400_000, max: 20, noNaN: true }), fc.nat(100_000), (scale, shift) => {
        const step = tickStep(scale);
        const [from, to] = [begin + shift, begin + shift + 1_200 / scale];
        const ticks = ticksBetween(from, to, step);
        expect(ticks.length).toBeGreaterThan(0);
        expect(step * scale).toBeGreaterThanOrEqual(84);
        for (const tick of ticks) {
          expect(tick % step).toBe(0);
          expect(tick >= from && tick <= to).toBe(true);
        }
        expect(ticks.slice(1).map((tick, index) => tick - ticks[index]!)).toEqual(ticks.slice(1).map(() => step));
      }),
    );
  });

  it('writes times of the reader’s zone, with milliseconds where ticks need them', () => {
    const at = new Date(2026, 10, 30, 4, 5, 6, 78).getTime();
    expect([formatTime(at, false), formatTime(at, true), formatTime(at + 0.5, true)]).toEqual([
      '04:05:06',
      '04:05:06.078',
      '04:05:06.078',
    ]);
  });
});

describe('SessionRow', () => {
  it('keeps the latest events, at least its number and at most 500 more', () => {
    const row = new SessionRow('uploads', 1_000);
    for (let at = 0; at < 10_000; at += 1) {
      row.add(eventAt(at));
      expect(row.events.at(-1)?.at).toBe(at);
      expect(row.events.length).toBeGreaterThanOrEqual(Math.min(at + 1, 1_000));
      expect(row.events.length).toBeLessThan(1_500);
    }
    expect(row.events.map(({ at }) => at)).toEqual(row.events.map((_, index) => 10_000 - row.events.length + index));
    expect(row.changes).toBe(10_000);
  });
});
