import type { ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { encodeState } from '../../merge/state-codec.js';
import { limits as defaults } from '../../model/limits.js';
import type { WriteLimits } from '../../model/changeset.js';
import type { IncomingChangeset } from './incoming-changeset.js';
import { objectTextOf } from '../history/object-keys.js';
import type { Projection } from '../history/projection.js';

/** How large an object is at most: its longest collection, and its state. */
export interface ObjectSize {
  readonly elements: number;
  readonly bytes: number;
}

/** Watches that no object of a realm becomes larger than clients may make it, also by what two of them write. */
export interface ObjectSizes {
  /** Whether a changeset might make an object too large: the others need not be looked at. */
  readonly mayExceed: (incoming: IncomingChangeset) => boolean;
  /** What a changeset may add to each object that it touches, of those that it might make too large. */
  readonly growthsOf: (incoming: IncomingChangeset) => ReadonlyMap<string, ObjectSize>;
  readonly isKnown: (text: string) => boolean;
  /** An object is this now. */
  readonly note: (text: string, size: ObjectSize) => void;
  /** Whether an object of a known size stays within the limits, whatever it is that is added. */
  readonly fits: (text: string, growth: ObjectSize) => boolean;
  /** Whether there are too many to keep. */
  readonly isFull: () => boolean;
  readonly clear: () => void;
  /** A changeset is taken. */
  readonly add: (incoming: IncomingChangeset) => void;
}

export type SizeLimits = Pick<WriteLimits, 'elementsMax' | 'objectBytesMax'>;

export interface ObjectSizesPorts {
  readonly projection: Pick<Projection, 'isLarge'>;
  readonly limits: SizeLimits;
}

/** Objects whose sizes are kept in mind; past this all are forgotten, and read again. */
const sizesMax = 10_000;
/** Bytes that an element, entry or value takes besides what it says, at most. */
const stampBytes = 96;

export const noGrowth: ObjectSize = { elements: 0, bytes: 0 };

/** At most as large as both together. */
export const sumOf = (a: ObjectSize, b: ObjectSize): ObjectSize => ({
  elements: a.elements + b.elements,
  bytes: a.bytes + b.bytes,
});

const countsOf = ({ collections }: ObjectState): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(collections ?? {}).map(([property, { list, entries }]) => {
      let present = 0;
      for (const { isRemoved } of entries.values()) if (!isRemoved) present += 1;
      return [property, Math.max(list.elements.length, present)];
    }),
  );

export const sizeOf = (state: ObjectState | undefined): ObjectSize =>
  state === undefined
    ? noGrowth
    : { elements: Math.max(0, ...countsOf(state).values()), bytes: encodeState(state).byteLength };

/** A changeset with what it says. */
interface ReadChangeset {
  readonly operations: readonly Operation[];
  readonly changeset: { readonly body: Uint8Array };
}

/** What a changeset may add to each object that it touches. */
export const growthsOf = ({ operations, changeset }: ReadChangeset): ReadonlyMap<string, ObjectSize> => {
  const growths = new Map<string, { elements: number; bytes: number }>();
  for (const operation of operations) {
    const text = objectTextOf(operation.type, operation.key);
    let growth = growths.get(text);
    if (!growth) growths.set(text, (growth = { elements: 0, bytes: changeset.body.byteLength }));
    const added =
      operation.kind === 'insert' ? operation.keys.length : operation.kind === 'put' ? operation.entries.length : 0;
    growth.elements += added;
    growth.bytes += stampBytes * (added + 1);
  }
  return growths;
};

/**
 * Why an object may not become that, which has this size; `null`: it may. What is too large already may go on, as long
 * as it does not grow.
 */
export const tooLargeReasonOf = (
  { elementsMax, objectBytesMax }: SizeLimits,
  before: ObjectState | undefined,
  after: ObjectState,
  { elements, bytes }: ObjectSize,
): string | null => {
  if (elements > elementsMax) {
    const was = before && countsOf(before);
    for (const [property, count] of countsOf(after))
      if (count > elementsMax && count > (was?.get(property) ?? 0))
        return `${property} would have ${count} elements, and at most ${elementsMax} are taken`;
  }
  return bytes > objectBytesMax && bytes > sizeOf(before).bytes
    ? `it would have ${bytes} bytes, and at most ${objectBytesMax} are taken`
    : null;
};

export const createObjectSizes = ({ projection, limits }: ObjectSizesPorts): ObjectSizes => {
  const { elementsMax, objectBytesMax } = limits;
  /** A lower limit than usual: each object is looked at once. */
  const isStrict = objectBytesMax < 8 * defaults.largeObjectBytes;
  const known = new Map<string, ObjectSize>();
  /** Bytes that were written to objects whose sizes are not known. */
  const loose = new Map<string, number>();

  /** Of changesets that are looked at: each is asked about twice. */
  const counted = new WeakMap<IncomingChangeset, ReadonlyMap<string, ObjectSize>>();

  const allOf = (incoming: IncomingChangeset): ReadonlyMap<string, ObjectSize> => {
    const growths = counted.get(incoming) ?? growthsOf(incoming);
    counted.set(incoming, growths);
    return growths;
  };
  const grow = (text: string, growth: ObjectSize): void => {
    const size = known.get(text);
    if (size) known.set(text, sumOf(size, growth));
    else if (loose.size < sizesMax) loose.set(text, (loose.get(text) ?? 0) + growth.bytes);
    else loose.clear();
  };
  const isConcerned = (text: string, { elements, bytes }: ObjectSize): boolean =>
    elements > 0 ||
    isStrict ||
    known.has(text) ||
    projection.isLarge(text) ||
    (loose.get(text) ?? 0) + bytes > defaults.largeObjectBytes;
  const fits = (text: string, growth: ObjectSize): boolean => {
    const size = known.get(text);
    if (!size) return false;
    const { elements, bytes } = sumOf(size, growth);
    return elements <= elementsMax && bytes <= objectBytesMax;
  };

  return {
    mayExceed: (incoming) => {
      const growths = growthsOf(incoming); // Asked about once: most are of no concern.
      for (const [text, growth] of growths) if (isConcerned(text, growth)) return true;
      for (const [text, growth] of growths) grow(text, growth);
      return false;
    },
    growthsOf: (incoming) => new Map([...allOf(incoming)].filter(([text, growth]) => isConcerned(text, growth))),
    isKnown: (text) => known.has(text),
    note: (text, { elements, bytes }) => {
      known.set(text, { elements, bytes: bytes + (loose.get(text) ?? 0) });
      loose.delete(text);
    },
    fits,
    isFull: () => known.size > sizesMax,
    clear: () => known.clear(),
    add: (incoming) => {
      for (const [text, growth] of allOf(incoming)) grow(text, growth);
    },
  };
};
