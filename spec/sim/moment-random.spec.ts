import fc from 'fast-check';
import { createMomentRandom, mixNumbers } from '../../sim/moment-random.js';

/** Returns the numbers drawn at these times, in order. */
const drawnAt = (seed: number, times: readonly number[]): readonly number[] => {
  let now = 0;
  const chance = createMomentRandom(seed, () => now);
  return times.map((at) => {
    now = at;
    return chance();
  });
};

const times = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 40 }).map((all) => all.sort((a, b) => a - b));

describe('random numbers that depend on the moment', () => {
  it('are the same for the same seed and moments, and lie in [0, 1)', () => {
    fc.assert(
      fc.property(fc.nat(), times, (seed, all) => {
        const drawn = drawnAt(seed, all);
        expect(drawnAt(seed, all)).toEqual(drawn);
        expect(drawn.every((each) => each >= 0 && each < 1)).toBe(true);
      }),
    );
  });

  it('field report H-4: are the same at a moment, whatever was drawn before it', () => {
    fc.assert(
      fc.property(fc.nat(), times, fc.nat(1_000), (seed, all, from) => {
        const late = all.filter((at) => at >= from);
        expect(drawnAt(seed, late)).toEqual(drawnAt(seed, all).slice(all.length - late.length));
      }),
    );
  });

  it('differ for each seed, moment and draw', () => {
    const all = [0, 1, 2, 3].flatMap((seed) =>
      drawnAt(
        seed,
        Array.from({ length: 200 }, (_, at) => Math.floor(at / 5)),
      ),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  it('are spread evenly', () => {
    const counts = Array.from({ length: 10 }, () => 0);
    const all = drawnAt(
      5,
      Array.from({ length: 20_000 }, (_, at) => Math.floor(at / 3)),
    );
    for (const each of all) counts[Math.floor(each * 10)]! += 1;
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(250);
  });
});

describe('mixed numbers', () => {
  it('depend on each of the numbers and on their order', () => {
    const all = [
      mixNumbers(1, 2),
      mixNumbers(2, 1),
      mixNumbers(1, 2, 0),
      mixNumbers(1),
      mixNumbers(1, 3),
      mixNumbers(2, 2),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(all.every((each) => Number.isSafeInteger(each) && each >= 0 && each < 2 ** 32)).toBe(true);
  });
});
