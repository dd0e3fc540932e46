/** The time of an operation and the replica that wrote it. */
export interface Stamp {
  readonly time: number;
  readonly count: number;
  readonly replica: string;
}

/** The name of a list's element: the stamp of its insert, and its index in the insert. */
export interface ElementName extends Stamp {
  readonly index: number;
}

export const countMax = 2 ** 52;
const operationsMax = 100_000;

export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

export function compareStamps(a: Stamp, b: Stamp): number {
  return a.time - b.time || a.count - b.count || compareTexts(a.replica, b.replica);
}

export function compareElements(a: ElementName, b: ElementName): number {
  return compareStamps(a, b) || a.index - b.index;
}

/** Whether a stamp is later than another one, or there is no other one. */
export function isLater(a: Stamp, b: Stamp | null | undefined): boolean {
  return !b || compareStamps(a, b) > 0;
}

export function latest(a: Stamp | null, b: Stamp | null): Stamp | null {
  if (!a || !b) return a ?? b;
  return compareStamps(a, b) >= 0 ? a : b;
}

export function textOf(stamp: Stamp | ElementName): string {
  const index = 'index' in stamp ? `/${stamp.index}` : '';
  return `${stamp.time}/${stamp.count}/${stamp.replica}${index}`;
}

/**
 * Returns the replica in the stamps of a replica's operations: `<before>~<time>~<rest>` continues the operations that
 * `<before>` wrote up to that time.
 */
export function restampedReplicaOf(replica: string, time: number): string {
  const match = /^(.+)~([0-9a-z]{1,11})~[0-9A-Za-z]+$/.exec(replica);
  if (!match) return replica;
  return time <= parseInt(match[2]!, 36) ? restampedReplicaOf(match[1]!, time) : replica;
}

/** Returns the stamp of operation n of a changeset. */
export function stampOf(
  changeset: { readonly time: number; readonly count: number },
  replica: string,
  n: number,
): Stamp {
  return { time: changeset.time, count: changeset.count + n, replica: restampedReplicaOf(replica, changeset.time) };
}

/**
 * A hybrid logical clock: the device's time, corrected by the server's, and never behind a stamp that it has observed.
 */
export class HybridClock {
  private latestTime = -Infinity;
  private latestCount = 0;
  /** Milliseconds to add to the device's time. */
  correction = 0;

  constructor(private readonly deviceTime: () => number) {}

  now(): number {
    return this.deviceTime() + this.correction;
  }

  get latest(): { readonly time: number; readonly count: number } {
    return { time: this.latestTime, count: this.latestCount };
  }

  observe(time: number, count: number): void {
    if (time < this.latestTime || (time === this.latestTime && count <= this.latestCount)) return;
    this.latestTime = time;
    this.latestCount = count;
  }

  /** Returns the stamp of the next changeset. `observe` must then be called with the stamp of its last operation. */
  next(): { readonly time: number; readonly count: number } {
    const time = this.now();
    if (time > this.latestTime) return { time, count: 0 };
    if (this.latestCount + operationsMax > countMax) return { time: Math.floor(this.latestTime) + 1, count: 0 };
    return { time: this.latestTime, count: this.latestCount + 1 };
  }

  /** Forgets the observed stamps, before changesets are stamped again. */
  restart(): void {
    this.latestTime = -Infinity;
    this.latestCount = 0;
  }
}
