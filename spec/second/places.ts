import { generateKeyBetween, generateNKeysBetween } from 'fractional-indexing';
import type { Place, Shown } from './list.js';
import { isLater, type ElementName } from './stamps.js';

/*
 * docs/PROTOCOL.md, "Choosing places".
 */

export interface NewPlaces {
  readonly run: readonly string[];
  readonly keys: readonly string[];
}

const depthMax = 128;

function isWithin(place: Place | undefined, run: readonly string[]): boolean {
  return place !== undefined && run.every((each, n) => [...place.run, place.key][n] === each);
}

function ownerOf(run: readonly string[]): string {
  return (run.at(-1) ?? '').replace(/\..*$/s, '');
}

/** The greatest whole number of a place key, and the one after it. */
function nextWhole(key: string): string {
  return generateKeyBetween(generateKeyBetween(null, key) < key ? wholeOf(key) : key, null);
}

/** The first letter of a place key says how many digits its whole part has. */
function wholeOf(key: string): string {
  const head = key.charCodeAt(0);
  const digits = head >= 97 ? head - 97 + 2 : 90 - head + 2;
  return key.slice(0, digits);
}

export class PlaceChooser {
  constructor(
    private readonly replica: string,
    /** A text that has not been drawn before. */
    private readonly draw: () => string,
  ) {}

  /** Places for so many elements between two that stand side by side. `left` of this replica's own elements are where they were no more. */
  choose(left: Shown | undefined, right: Shown | undefined, amount: number, gone: readonly ElementName[]): NewPlaces {
    const mayJoin = !left || !gone.some((each) => this.isOwn(each.replica) && isLater(each, left.name));
    if (mayJoin && left && this.isOwn(ownerOf(left.place.run)) && !isWithin(right?.place, left.place.run))
      return { run: left.place.run, keys: generateNKeysBetween(left.place.key, null, amount) };
    if (mayJoin && right && this.isOwn(ownerOf(right.place.run)) && !isWithin(left?.place, right.place.run))
      return { run: right.place.run, keys: generateNKeysBetween(null, right.place.key, amount) };
    const { run, low, high } = this.gap(left?.place, right?.place);
    if (run.length >= depthMax) return { run, keys: generateNKeysBetween(low, high, amount) };
    const key = generateKeyBetween(low, high);
    const name = mayJoin ? this.replica : `${this.replica}.${this.draw()}`;
    return { run: [...run, key, name], keys: generateNKeysBetween(null, null, amount) };
  }

  private isOwn(owner: string): boolean {
    return owner === this.replica;
  }

  /** The innermost run that holds both, and the keys there between which there is room. */
  private gap(
    left: Place | undefined,
    right: Place | undefined,
  ): { readonly run: readonly string[]; readonly low: string | null; readonly high: string | null } {
    const before = left ? [...left.run, left.key] : [];
    const after = right ? [...right.run, right.key] : [];
    let depth = 0;
    while (depth + 1 < before.length && depth + 1 < after.length && isSame(before, after, depth)) depth += 2;
    const low = before[depth] ?? null;
    const high = after[depth] ?? null;
    if (low !== null && high !== null && low >= high) {
      // Both are under one key: behind the left one in its own run, or, when it stands at that key itself, before the right one.
      if (left!.run.length > depth) return { run: left!.run, low: left!.key, high: null };
      return { run: right!.run, low: null, high: right!.key };
    }
    const run = before.length > 0 ? before.slice(0, depth) : after.slice(0, depth);
    if (low !== null && depth > 0) {
      const whole = nextWhole(low);
      if (high === null || whole < high) return { run, low, high: whole };
    }
    return { run, low, high };
  }
}

function isSame(a: readonly string[], b: readonly string[], depth: number): boolean {
  return a[depth] === b[depth] && a[depth + 1] === b[depth + 1];
}
