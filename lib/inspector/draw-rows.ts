import { clusterEvents, clusterGap, labelOf, type MarbleCluster } from './marble-clusters.js';
import { createShape } from './parts.js';
import type { SessionRow } from './session-row.js';
import { formatTime, tickStep, ticksBetween } from './time-axis.js';

/** Pixels of a row, and of the axis above the rows. */
export const rowHeight = 32;
export const axisHeight = 22;

/** The part of time that is drawn, which is wider than what is visible. */
export interface DrawnTime {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  /** Pixels per millisecond. */
  readonly scale: number;
}

const radius = 9;
const letterWidth = 6.5;

const drawMarble = (row: SessionRow, rowAt: number, cluster: MarbleCluster, x: number): SVGElement => {
  const { events } = row;
  const { first, last } = cluster;
  const label = labelOf(events, cluster);
  const isEnd = label === '|';
  const width = Math.max(2 * radius, 10 + letterWidth * label.length);
  const shape = isEnd
    ? createShape('rect', { x: -1.5, y: -11, width: 3, height: 22 })
    : createShape('rect', { x: -radius, y: -radius, width, height: 2 * radius, rx: radius });
  return createShape(
    'g',
    {
      class: `marble ${events[last]?.tone}`,
      transform: `translate(${x},${rowAt})`,
      ...{ 'data-row': row.name, 'data-first': first, 'data-last': last },
    },
    shape,
    ...(isEnd ? [] : [createShape('text', { x: width / 2 - radius, y: 3.5 }, label)]),
  );
};

/** Draws a row: the line from its first to its last moment, the bands of a state, and the marbles. */
const drawRow = (row: SessionRow, rowAt: number, { from, to, scale }: DrawnTime): readonly SVGElement[] => {
  const { events, name } = row;
  const [begin] = events;
  const hasBands = name === 'connection' || name === 'sync state';
  const end = events.at(-1)?.label === '|' ? (events.at(-1)?.at ?? to) : to;
  const xOf = (at: number): number => Math.round((at - from) * scale);
  const line = (start: number, stop: number, kind: string): SVGElement =>
    createShape('rect', {
      ...{ class: kind, x: xOf(start), y: rowAt - (kind === 'line' ? 1 : 3), height: kind === 'line' ? 2 : 6 },
      width: Math.max(0, xOf(stop) - xOf(start)),
    });
  const shapes = [line(hasBands && begin ? Math.max(from, begin.at) : from, Math.min(to, end), 'line')];
  const marbles: SVGElement[] = [];
  const clusters = clusterEvents(events, scale);
  clusters.forEach((cluster, index) => {
    const at = events[cluster.first]?.at ?? 0;
    const next = clusters[index + 1];
    const until = (next && events[next.first]?.at) ?? end;
    if (until < from || at > to) return;
    const last = events[cluster.last];
    if (hasBands && last && last.label !== '|')
      shapes.push(line(Math.max(at, from), Math.min(until, to), `band ${last.tone}`));
    if (at >= from - clusterGap / scale) marbles.push(drawMarble(row, rowAt, cluster, xOf(at)));
  });
  return [...shapes, ...marbles];
};

const drawAxis = ({ from, to, scale }: DrawnTime, height: number): readonly SVGElement[] => {
  const step = tickStep(scale);
  return ticksBetween(from, to, step).flatMap((at) => {
    const x = Math.round((at - from) * scale);
    return [
      createShape('line', { class: 'tick', x1: x, x2: x, y1: axisHeight, y2: height }),
      createShape('text', { x, y: 14 }, formatTime(at, step < 1_000)),
    ];
  });
};

/** Draws rows below each other, with a time axis above them. `x = 0` is the beginning of the drawn time. */
export const drawRows = (rows: readonly SessionRow[], time: DrawnTime): readonly SVGElement[] => [
  ...drawAxis(time, axisHeight + rows.length * rowHeight),
  ...rows.flatMap((row, index) => drawRow(row, axisHeight + (index + 0.5) * rowHeight, time)),
];
