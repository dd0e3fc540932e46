import { type Figure, figures, taskNames, type TaskName } from '../../bench/peers/figures.js';
import { defaultPeers, type PeerName, peers } from '../../bench/peers/peer.js';
import { isMissed, ratioOf, type TaskRuns, valueOf } from '../../bench/peers/peer-results.js';
import { countTargets, failureLinesOf, formatPeersTable } from '../../bench/peers/peers-table.js';

const runsOf = (task: TaskName, peer: PeerName, ...succeeded: Readonly<Record<string, number>>[]): TaskRuns => ({
  task,
  peer,
  succeeded,
  errors: [],
});

const upload: Figure = {
  task: 'T1',
  key: 'ms',
  label: 'T1 upload, ms',
  combine: 'median',
  targets: { memory: { ratioMax: 1.2 }, disk: { ratioMax: 1.5 } },
};

describe('the figure of a peer', () => {
  it('is the median of its runs', () => {
    const runs = [runsOf('T1', 'yjs', { ms: 9 }, { ms: 1 }, { ms: 3 })];
    expect(valueOf(runs, upload, 'yjs')).toBe(3);
  });

  it('is the worst run where the row says so', () => {
    const runs = [runsOf('T1', 'yjs', { ms: 9 }, { ms: 1 }, { ms: 3 })];
    expect(valueOf(runs, { ...upload, combine: 'max' }, 'yjs')).toBe(9);
  });

  it('is missing when it was not measured, and NaN when half of the runs failed', () => {
    const failed = { ...runsOf('T1', 'yjs', { ms: 9 }), errors: ['The server ended'] };
    expect(valueOf([], upload, 'yjs')).toBeUndefined();
    expect(valueOf([runsOf('T1', 'yjs', { ms: NaN })], upload, 'yjs')).toBeUndefined();
    expect(valueOf([failed], upload, 'yjs')).toBeNaN();
  });

  it('has a ratio to raw of the same run', () => {
    const runs = [runsOf('T1', 'raw', { ms: 40 }), runsOf('T1', 'yjs', { ms: 100 })];
    expect(ratioOf(runs, upload, 'yjs')).toBe(2.5);
    expect(ratioOf(runs, upload, 'raw')).toBeUndefined();
    expect(ratioOf(runs.slice(1), upload, 'yjs')).toBeUndefined();
  });
});

describe('a target', () => {
  const raw = runsOf('T1', 'raw', { ms: 100 });
  const withTarget = (target: Figure['targets']['memory']): Figure => ({ ...upload, targets: { memory: target! } });

  it.each([
    [120, false],
    [121, true],
  ])('of 1.2 times raw is %s : 100, missed: %s', (ms, missed) => {
    expect(isMissed([raw, runsOf('T1', 'tidemark-memory', { ms })], upload, 'tidemark-memory')).toBe(missed);
  });

  it('depends on the storage of the client, and is only for tidemark', () => {
    const peersOfRun = ['tidemark', 'tidemark-memory', 'yjs'] as const;
    const runs = [raw, ...peersOfRun.map((peer) => runsOf('T1', peer, { ms: 140 }))];
    expect(peersOfRun.filter((peer) => isMissed(runs, upload, peer))).toEqual(['tidemark-memory']);
  });

  it.each([
    [49, false],
    [50, true],
  ])('below yjs is missed by %s beside 50: %s', (ms, missed) => {
    const runs = [runsOf('T1', 'yjs', { ms: 50 }), runsOf('T1', 'tidemark-memory', { ms })];
    expect(isMissed(runs, withTarget({ isBelowYjs: true }), 'tidemark-memory')).toBe(missed);
  });

  it('is not missed without the figure that it compares with', () => {
    const runs = [runsOf('T1', 'tidemark-memory', { ms: 1_000 })];
    expect(isMissed(runs, withTarget({ ratioMax: 1, isBelowYjs: true }), 'tidemark-memory')).toBe(false);
  });

  it('may be a value', () => {
    const runs = [runsOf('T1', 'tidemark-memory', { ms: 501 })];
    expect(isMissed(runs, withTarget({ valueMax: 500 }), 'tidemark-memory')).toBe(true);
    expect(isMissed(runs, withTarget({ valueMax: 501 }), 'tidemark-memory')).toBe(false);
  });
});

describe('the table', () => {
  const runs: readonly TaskRuns[] = [
    runsOf('T1', 'raw', { ms: 37.5 }),
    runsOf('T1', 'tidemark', { ms: 75 }),
    { ...runsOf('T1', 'yjs'), errors: ['20 of 100 items arrived'] },
  ];

  it('has figures, ratios to raw, targets, missed targets and failures', () => {
    expect(formatPeersTable(runs, [upload], ['raw', 'tidemark', 'yjs', 'loro']).split('\n')).toEqual([
      '                raw                 tidemark     yjs  loro',
      'T1 upload, ms  37.5  75 = 2× (≤ 1.5×) MISSED  failed     –',
    ]);
  });

  it('has no rows of tasks that were not played', () => {
    expect(formatPeersTable(runs, [{ ...upload, task: 'T2' }], ['raw']).split('\n')).toHaveLength(1);
  });

  it('is followed by failed runs and the number of missed targets', () => {
    expect(failureLinesOf(runs)).toEqual(['T1 with yjs failed: 20 of 100 items arrived']);
    const relaxed: Figure = { ...upload, targets: { disk: { ratioMax: 2 } } };
    expect(countTargets(runs, [upload, relaxed])).toEqual({ missed: 1, total: 2 });
    expect(countTargets(runs.slice(0, 1), [upload])).toEqual({ missed: 0, total: 0 });
  });

  it('has a target for tidemark in memory in every row, and rows for every task', () => {
    expect(figures.filter(({ targets }) => targets.memory === undefined)).toEqual([]);
    expect(taskNames.filter((task) => !figures.some((figure) => figure.task === task))).toEqual([]);
  });

  it('has raw, both forms of tidemark, and three other systems as its columns', () => {
    expect(defaultPeers).toEqual(['raw', 'tidemark', 'tidemark-memory', 'yjs', 'jazz', 'loro']);
    expect(defaultPeers.filter((name) => !peers[name].isInstalled)).toEqual(['raw', 'tidemark', 'tidemark-memory']);
  });
});
