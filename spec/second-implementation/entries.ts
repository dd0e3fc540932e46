import type { Value } from './msgpack.js';
import { readArray, readStamp, writeStamp } from './operations.js';
import { compareStamps, isLater, type Stamp } from './timestamps.js';
import { compareValues } from './canonical-values.js';

/** The latest write of an entry of a set or a dictionary: its value, or `undefined` after a drop. */
interface Entry {
  readonly value: Value | undefined;
  readonly stamp: Stamp;
}

export class EntriesPart {
  private readonly entries = new Map<string, Entry>();

  isEmpty(): boolean {
    return this.entries.size === 0;
  }

  forgetUpTo(floor: Stamp): void {
    for (const [name, { stamp }] of this.entries) if (!isLater(stamp, floor)) this.entries.delete(name);
  }

  shown(): readonly (readonly [string, Value])[] {
    const shown: [string, Value][] = [];
    for (const [name, { value }] of this.entries) if (value !== undefined) shown.push([name, value]);
    return shown;
  }

  stamps(): readonly Stamp[] {
    return [...this.entries.values()].map(({ stamp }) => stamp);
  }

  /** Puts a value, or drops the entry when the value is `undefined`. */
  set(name: string, value: Value | undefined, stamp: Stamp): void {
    const known = this.entries.get(name);
    const order = known ? compareStamps(stamp, known.stamp) || compareFates(value, known.value) : 1;
    if (order > 0) this.entries.set(name, { value, stamp });
  }

  write(): Value {
    if (this.isEmpty()) return null;
    return [...this.entries].map(([name, { value, stamp }]) =>
      value === undefined ? [name, writeStamp(stamp)] : [name, value, writeStamp(stamp)],
    );
  }

  static read(raw: Value | undefined): EntriesPart {
    const part = new EntriesPart();
    for (const each of raw === null ? [] : readArray(raw)) {
      const [name, ...rest] = readArray(each);
      part.entries.set(name as string, {
        value: rest.length === 1 ? undefined : rest[0],
        stamp: readStamp(rest.at(-1)),
      });
    }
    return part;
  }
}

/** Compares two writes with one stamp: a drop counts more than any value. */
function compareFates(a: Value | undefined, b: Value | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return compareValues(a, b);
}
