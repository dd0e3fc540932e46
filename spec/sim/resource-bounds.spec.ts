import type { DiskCounts } from '../../sim/disk-counts.js';
import { limits } from '../../lib/model/limits.js';
import { serverLimits } from '../../lib/server/server-limits.js';
import { checkResources, checkHistory, checkDisk, type ResourceCounts } from '../../sim/resource-bounds.js';

const bounded = 'resource use is bounded';
const held =
  (more: Partial<ResourceCounts> = {}) =>
  () =>
    checkResources({ devices: 3, tabs: 1, timers: 0, connections: 0, bytesInFlight: 0, ...more });
const kept =
  (more: Partial<DiskCounts>, downloaded = 10) =>
  () =>
    checkDisk(
      'device 2',
      { waiting: 0, objects: 10, rows: 0, replacedRows: 0, rejected: 0, others: 0, ...more },
      downloaded,
    );
const flying = limits.pagesInFlightMax * limits.pageBytesMax;

describe('resources in use', () => {
  it('may be zero, or as many as the bounds allow', () => {
    expect(held()).not.toThrow();
    expect(held({ timers: 75, connections: 3, bytesInFlight: flying })).not.toThrow();
  });

  it.each([
    ['timers', { timers: 76 }, 'timers: 76, at most 75 allowed'],
    ['connections', { connections: 4 }, 'connections: 4, at most 3 allowed'],
    ['bytes', { bytesInFlight: flying + 1 }, `bytes in flight: ${flying + 1}, at most ${flying} allowed`],
  ])('is seen when its %s are one too many', (_, more, finding) => {
    expect(held(more)).toThrow(`${bounded}: ${finding}`);
  });

  it('may grow with the number of devices, except for one connection', () => {
    expect(held({ devices: 4, timers: 76, connections: 4 })).not.toThrow();
    expect(held({ devices: 4, bytesInFlight: flying + 1 })).toThrow(bounded);
  });
});

describe('the disk of a device after everything is uploaded and downloaded', () => {
  it('may hold visible objects, tombstones and records', () => {
    expect(kept({})).not.toThrow();
    expect(kept({ objects: 43, others: 50, rows: 20, replacedRows: 10 })).not.toThrow();
    expect(kept({ rejected: 1_000, others: 50 })).not.toThrow();
  });

  it.each([
    ['a changeset that waits', { waiting: 1 }, 'changesets in the outbox of device 2: 1, at most 0 allowed'],
    ['an object too many that was deleted', { objects: 44 }, 'deleted objects of device 2: 34, at most 33 allowed'],
    [
      'a rejected write too many',
      { rejected: limits.rejectedKeptMax + 1 },
      `rejected writes of device 2: ${limits.rejectedKeptMax + 1}, at most ${limits.rejectedKeptMax} allowed`,
    ],
    [
      'a replaced row too many',
      { rows: 20, replacedRows: 11 },
      'replaced rows in blocks of device 2: 11, at most 10 allowed',
    ],
    ['a record too many', { others: 51 }, 'records of device 2: 51, at most 50 allowed'],
  ])('is seen when it has %s', (_, more, finding) => {
    expect(kept(more)).toThrow(`${bounded}: ${finding}`);
  });
});

describe('a history that all replicas have downloaded', () => {
  it('may hold only the entries that compaction always keeps', () => {
    expect(() => checkHistory(serverLimits.trimEntriesMin)).not.toThrow();
    expect(() => checkHistory(serverLimits.trimEntriesMin + 1)).toThrow(bounded);
  });
});
