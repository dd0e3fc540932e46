import type { Value } from './msgpack.js';
import {
  readArray,
  readInstant,
  readStamp,
  writeInstant,
  writeStamp,
  type Instant,
  type Operation,
} from './operations.js';
import { compareStamps, compareTexts, isLater, textOf, type Stamp } from './timestamps.js';

/** The increments of one replica after one instant and up to another. */
interface Chain {
  readonly replica: string;
  after: Instant | null;
  upTo: Instant;
  sum: number;
}

export function compareInstants(a: Instant | null, b: Instant | null): number {
  if (!a || !b) return Number(a !== null) - Number(b !== null);
  return a.time - b.time || a.count - b.count;
}

export class CounterPart {
  private readonly groups = new Map<string, { readonly born: Stamp; chains: Chain[] }>();

  isEmpty(): boolean {
    return this.groups.size === 0;
  }

  forgetUpTo(floor: Stamp): void {
    for (const [name, { born }] of this.groups) if (!isLater(born, floor)) this.groups.delete(name);
  }

  sum(): number {
    let sum = 0;
    for (const { chains } of this.groups.values()) for (const chain of chains) sum += chain.sum;
    return sum;
  }

  /** Returns the instant of a replica's last increment under a create. */
  lastOf(replica: string, born: Stamp): Instant | null {
    let last: Instant | null = null;
    for (const chain of this.groups.get(textOf(born))?.chains ?? [])
      if (chain.replica === replica && compareInstants(chain.upTo, last) > 0) last = chain.upTo;
    return last;
  }

  stamps(): readonly Stamp[] {
    return [...this.groups.values()].flatMap(({ chains }) => chains.map(({ replica, upTo }) => ({ ...upTo, replica })));
  }

  add({ born, after, by }: Extract<Operation, { readonly does: 'add' }>, stamp: Stamp): void {
    const at: Instant = { time: stamp.time, count: stamp.count };
    if (!isLater(stamp, born) || compareInstants(after, at) >= 0) return;
    const group = this.group(born);
    for (const chain of group.chains)
      if (
        chain.replica === stamp.replica &&
        compareInstants(chain.after, at) < 0 &&
        compareInstants(at, chain.upTo) <= 0
      )
        return; // The increment is in the sum already.
    group.chains.push({ replica: stamp.replica, after, upTo: at, sum: by });
    this.join(group);
  }

  write(): Value {
    if (this.isEmpty()) return null;
    const groups = [...this.groups.values()].sort((a, b) => compareStamps(a.born, b.born));
    return groups.map(({ born, chains }) => [
      writeStamp(born),
      chains.map(({ replica, after, upTo, sum }) => [replica, after && writeInstant(after), writeInstant(upTo), sum]),
    ]);
  }

  static read(raw: Value | undefined): CounterPart {
    const counter = new CounterPart();
    for (const each of raw === null ? [] : readArray(raw)) {
      const [born, chains] = readArray(each);
      const group = counter.group(readStamp(born));
      for (const chain of readArray(chains)) {
        const [replica, after, upTo, sum] = readArray(chain);
        group.chains.push({
          replica: replica as string,
          after: after === null ? null : readInstant(after),
          upTo: readInstant(upTo),
          sum: sum as number,
        });
      }
    }
    return counter;
  }

  private group(born: Stamp): { readonly born: Stamp; chains: Chain[] } {
    const group = this.groups.get(textOf(born)) ?? { born, chains: [] };
    this.groups.set(textOf(born), group);
    return group;
  }

  /** Joins two chains when one begins where the other ends. */
  private join(group: { chains: Chain[] }): void {
    group.chains.sort((a, b) => compareTexts(a.replica, b.replica) || compareInstants(a.upTo, b.upTo));
    const joined: Chain[] = [];
    for (const chain of group.chains) {
      const before = joined.at(-1);
      if (before?.replica === chain.replica && chain.after && compareInstants(before.upTo, chain.after) === 0) {
        before.upTo = chain.upTo;
        before.sum += chain.sum;
      } else joined.push(chain);
    }
    group.chains = joined;
  }
}
