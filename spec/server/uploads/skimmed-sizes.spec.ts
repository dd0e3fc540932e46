import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { limits } from '../../../lib/model/limits.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { incomingOf } from '../../../lib/server/uploads/incoming-changeset.js';
import { createObjectSizes } from '../../../lib/server/uploads/object-sizes.js';

const update = (key: number, bytes = 10): Operation => ({
  ...{ kind: 'update', type: 'Note', key },
  values: { text: 'x'.repeat(bytes) },
});
const half = serverLimits.largeObjectBytes / 2;

const createSizes = (large: readonly string[] = [], more: { readonly objectBytesMax?: number } = {}) => {
  const projection = { isLarge: (text: string) => large.includes(text), hasLarge: large.length > 0 };
  const sizes = createObjectSizes({ projection, limits: { ...limits, ...more } });
  /** Whether a changeset of these operations may make an object too large, when it is skimmed or decoded. */
  const check = (isSkimmed: boolean, ...operations: readonly Operation[]): boolean => {
    const incoming = incomingOf(
      { version: 1, time: 1, count: 0, body: encodeOperations(operations) },
      limits,
      !isSkimmed,
    );
    expect(incoming.skimmed === undefined).toBe(!isSkimmed);
    return sizes.mayExceed(incoming);
  };
  return { sizes, check };
};

describe.each([
  ['skimmed', true],
  ['decoded', false],
])('the size of an object, when changesets are %s,', (_, isSkimmed) => {
  it('is checked when more than 1 MiB was written to the object, in whatever changesets', () => {
    const { check } = createSizes();
    expect(check(isSkimmed, update(1, half - 1_000))).toBe(false);
    expect(check(isSkimmed, update(2, half - 1_000), update(3))).toBe(false);
    expect(check(isSkimmed, update(1, half + 1_000))).toBe(true);
    expect(check(isSkimmed, update(3, half + 1_000))).toBe(true); // The whole changeset may have been written to object 3.
    expect(check(isSkimmed, update(4), update(2, half + 1_000))).toBe(true);
    expect(check(isSkimmed, update(5, half + 1_000))).toBe(false);
    expect(check(!isSkimmed, update(5, half + 1_000))).toBe(true); // Both count together.
  });

  it('is checked for each operation, which needs bytes besides its content', () => {
    const { check } = createSizes();
    expect(check(isSkimmed, ...Array.from({ length: 12_000 }, () => update(1, 0)))).toBe(true);
    expect(check(isSkimmed, ...Array.from({ length: 6_000 }, () => update(1, 0)))).toBe(false);
  });

  it('is checked when the size is known, until it is forgotten', () => {
    const { sizes, check } = createSizes();
    sizes.note('Note/n1', { elements: 3, bytes: 4 });
    expect([check(isSkimmed, update(1)), check(isSkimmed, update(2), update(1)), check(isSkimmed, update(3))]).toEqual([
      ...[true, true, false],
    ]);
    sizes.clear();
    expect(check(isSkimmed, update(1))).toBe(false);
  });

  it('is checked when the stored object is large, when elements are added, and when the limit is low', () => {
    const { check } = createSizes(['Note/n1']);
    expect([check(isSkimmed, update(1)), check(isSkimmed, update(2))]).toEqual([true, false]);
    const entries: Operation = { kind: 'put', type: 'Note', key: 5, property: 'labels', entries: [['k', 1]] };
    expect(createSizes().check(isSkimmed, entries)).toBe(true);
    expect(createSizes([], { objectBytesMax: half }).check(isSkimmed, update(1))).toBe(true);
  });
});
