import fc from 'fast-check';
import { formatList, wrapText } from '../../sim/wrap-lines.js';

describe('lines of a report', () => {
  const words = fc.array(fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme-ascii' }), { maxLength: 60 });

  it('wrap a text without losing any of it', () => {
    fc.assert(
      fc.property(words, (all) => {
        const text = all.join(' ');
        const lines = wrapText(text, '');
        expect(lines.every(({ length }) => length <= 120)).toBe(true);
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      }),
    );
  });

  it('wrap between words, and in the middle of a word that is longer than a line', () => {
    expect(wrapText(`${'a'.repeat(100)} ${'b'.repeat(30)}`)).toEqual(['a'.repeat(100), `    ${'b'.repeat(30)}`]);
    expect(wrapText('a'.repeat(130))).toEqual(['a'.repeat(120), `    ${'a'.repeat(10)}`]);
  });

  it('list items with commas between them, aligned, and never split an item', () => {
    expect(formatList('some: ', [])).toEqual(['some: ']);
    expect(formatList('some: ', ['a'], ' later')).toEqual(['some: a']);
    expect(formatList('some: ', ['a', 'b'], ' later')).toEqual(['some: a, b later']);
    const [x, y] = ['x'.repeat(70), 'y'.repeat(70)];
    expect(formatList('some: ', [x, y])).toEqual([`some: ${x},`, `      ${y}`]);
  });
});
