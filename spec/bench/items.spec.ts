import { createItem, indexOfItem, isSameItem, itemIdOf, prefixOfItem } from '../../bench/peers/items.js';
import { medianOf, percentileOf } from '../../bench/peers/statistics.js';

describe('the items of the comparison with peers', () => {
  const items = Array.from({ length: 1_000 }, (_, index) => createItem('me', index));

  it('have ids of 20 and titles of 40 characters, and differ', () => {
    expect(items.filter(({ id, title }) => id.length !== 20 || title.length !== 40)).toEqual([]);
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
  });

  it('have ids that contain prefix and index, and do not sort by index', () => {
    expect(items.map(({ id }) => indexOfItem(id))).toEqual(items.map(({ n }) => n));
    expect(prefixOfItem(itemIdOf('wu', 123_456))).toBe('wu');
    const sorted = items.map(({ id }) => id).sort();
    expect(sorted.map(indexOfItem)).not.toEqual(items.map(({ n }) => n));
  });

  it('are the same in every process, and are compared by their properties', () => {
    expect(isSameItem({ ...createItem('me', 7) }, createItem('me', 7))).toBe(true);
    expect(isSameItem({ ...createItem('me', 7), title: '' }, createItem('me', 7))).toBe(false);
    expect(isSameItem({}, createItem('me', 7))).toBe(false);
  });
});

describe('medians and percentiles', () => {
  it.each([
    [[], NaN],
    [[3], 3],
    [[4, 1], 2.5],
    [[9, 1, 3], 3],
  ])('of %j is the median %s', (values, median) => {
    expect(medianOf(values)).toBe(median);
  });

  it('are values by the nearest rank', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect([0, 0.5, 0.99, 1].map((part) => percentileOf(values, part))).toEqual([1, 100, 198, 200]);
    expect(percentileOf([], 0.5)).toBeNaN();
    expect(percentileOf([5], 0.99)).toBe(5);
  });
});
