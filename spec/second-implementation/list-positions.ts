import { generateKeyBetween, generateNKeysBetween } from 'fractional-indexing';
import type { ListPosition, VisibleElement } from './list.js';
import { isLater, type ElementName } from './timestamps.js';

/*
 * Implements docs/PROTOCOL.md, "Choosing positions".
 */

export interface NewPositions {
  readonly run: readonly string[];
  readonly keys: readonly string[];
}

const depthMax = 128;

function isWithin(listPosition: ListPosition | undefined, run: readonly string[]): boolean {
  return listPosition !== undefined && run.every((each, n) => [...listPosition.run, listPosition.key][n] === each);
}

function ownerOf(run: readonly string[]): string {
  return (run.at(-1) ?? '').replace(/\..*$/s, '');
}

/** Returns the next whole number after that of a position key. */
function nextWhole(key: string): string {
  return generateKeyBetween(generateKeyBetween(null, key) < key ? wholeOf(key) : key, null);
}

/** Returns the whole part of a position key. Its first letter encodes the number of its digits. */
function wholeOf(key: string): string {
  const head = key.charCodeAt(0);
  const digits = head >= 97 ? head - 97 + 2 : 90 - head + 2;
  return key.slice(0, digits);
}

export class PositionChooser {
  constructor(
    private readonly replica: string,
    /** Returns a random text that has not been drawn before. */
    private readonly draw: () => string,
  ) {}

  /**
   * Chooses positions for `amount` elements between two neighbours. `gone` names elements that were removed or moved.
   */
  choose(
    left: VisibleElement | undefined,
    right: VisibleElement | undefined,
    amount: number,
    removed: readonly ElementName[],
  ): NewPositions {
    const mayJoin = !left || !removed.some((each) => this.isOwn(each.replica) && isLater(each, left.name));
    if (mayJoin && left && this.isOwn(ownerOf(left.position.run)) && !isWithin(right?.position, left.position.run))
      return { run: left.position.run, keys: generateNKeysBetween(left.position.key, null, amount) };
    if (mayJoin && right && this.isOwn(ownerOf(right.position.run)) && !isWithin(left?.position, right.position.run))
      return { run: right.position.run, keys: generateNKeysBetween(null, right.position.key, amount) };
    const { run, low, high } = this.gap(left?.position, right?.position);
    if (run.length >= depthMax) return { run, keys: generateNKeysBetween(low, high, amount) };
    const key = generateKeyBetween(low, high);
    const name = mayJoin ? this.replica : `${this.replica}.${this.draw()}`;
    return { run: [...run, key, name], keys: generateNKeysBetween(null, null, amount) };
  }

  private isOwn(owner: string): boolean {
    return owner === this.replica;
  }

  /** Returns the innermost run that contains both, and the keys in it that enclose a free range. */
  private gap(
    left: ListPosition | undefined,
    right: ListPosition | undefined,
  ): { readonly run: readonly string[]; readonly low: string | null; readonly high: string | null } {
    const before = left ? [...left.run, left.key] : [];
    const after = right ? [...right.run, right.key] : [];
    let depth = 0;
    while (depth + 1 < before.length && depth + 1 < after.length && isSame(before, after, depth)) depth += 2;
    const low = before[depth] ?? null;
    const high = after[depth] ?? null;
    if (low !== null && high !== null && low >= high) {
      // Both are under one key: the new elements go behind the left one in its run. If the left one is at that key
      // itself, they go before the right one.
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
