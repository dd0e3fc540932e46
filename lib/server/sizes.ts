import type { ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { encodeState } from '../merge/state.js';
import { limits as defaults } from '../model/limits.js';
import type { WriteLimits } from '../model/changeset.js';
import type { Incoming } from './incoming.js';
import { objectText } from './objectkeys.js';
import type { Projection } from './projection.js';

/** How large an object is at most: its longest collection, and its state. */
export interface Size {
  readonly elements: number;
  readonly bytes: number;
}

/** Watches that no object of a realm becomes larger than clients may make it, also by what two of them write. */
export interface Sizes {
  /** Whether a changeset might make an object too large: the others need not be looked at. */
  readonly concerns: (incoming: Incoming) => boolean;
  /** What a changeset may add to each object that it touches, of those that it might make too large. */
  readonly growths: (incoming: Incoming) => ReadonlyMap<string, Size>;
  readonly isKnown: (text: string) => boolean;
  /** An object is this now. */
  readonly note: (text: string, size: Size) => void;
  /** Whether an object of a known size stays within the limits, whatever it is that is added. */
  readonly fits: (text: string, growth: Size) => boolean;
  /** Whether there are too many to keep. */
  readonly isFull: () => boolean;
  readonly clear: () => void;
  /** A changeset is taken. */
  readonly taken: (incoming: Incoming) => void;
}

export type SizeLimits = Pick<WriteLimits, 'elementsMax' | 'objectBytesMax'>;

export interface SizesPorts {
  readonly projection: Pick<Projection, 'isLarge'>;
  readonly limits: SizeLimits;
}

/** Objects whose sizes are kept in mind; past this all are forgotten, and read again. */
const sizesMax = 10_000;
/** Bytes that an element, entry or value takes besides what it says, at most. */
const stampBytes = 96;

export const noGrowth: Size = { elements: 0, bytes: 0 };

/** At most as large as both together. */
export const sumOf = (a: Size, b: Size): Size => ({ elements: a.elements + b.elements, bytes: a.bytes + b.bytes });

const countsIn = ({ parts }: ObjectState): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(parts ?? {}).map(([property, { list, entries }]) => {
      let present = 0;
      for (const { gone } of entries.values()) if (!gone) present += 1;
      return [property, Math.max(list.elements.length, present)];
    }),
  );

export const sizeOf = (state: ObjectState | undefined): Size =>
  state === undefined
    ? noGrowth
    : { elements: Math.max(0, ...countsIn(state).values()), bytes: encodeState(state).byteLength };

/** A changeset with what it says. */
interface Written {
  readonly operations: readonly Operation[];
  readonly changeset: { readonly body: Uint8Array };
}

/** What a changeset may add to each object that it touches. */
export const growthsOf = ({ operations, changeset }: Written): ReadonlyMap<string, Size> => {
  const growths = new Map<string, { elements: number; bytes: number }>();
  for (const operation of operations) {
    const text = objectText(operation.type, operation.key);
    let growth = growths.get(text);
    if (!growth) growths.set(text, (growth = { elements: 0, bytes: changeset.body.byteLength }));
    const added =
      operation.kind === 'insert' ? operation.keys.length : operation.kind === 'put' ? operation.entries.length : 0;
    growth.elements += added;
    growth.bytes += stampBytes * (added + 1);
  }
  return growths;
};

/** Why an object may not become that, which has this size; `null`: it may. What is too large already may go on, as long as it does not grow. */
export const tooLarge = (
  { elementsMax, objectBytesMax }: SizeLimits,
  before: ObjectState | undefined,
  after: ObjectState,
  { elements, bytes }: Size,
): string | null => {
  if (elements > elementsMax) {
    const was = before && countsIn(before);
    for (const [property, count] of countsIn(after))
      if (count > elementsMax && count > (was?.get(property) ?? 0))
        return `${property} would have ${count} elements, and at most ${elementsMax} are taken`;
  }
  return bytes > objectBytesMax && bytes > sizeOf(before).bytes
    ? `it would have ${bytes} bytes, and at most ${objectBytesMax} are taken`
    : null;
};

export const createSizes = ({ projection, limits }: SizesPorts): Sizes => {
  const { elementsMax, objectBytesMax } = limits;
  /** A lower limit than usual: each object is looked at once. */
  const isStrict = objectBytesMax < 8 * defaults.largeObjectBytes;
  const known = new Map<string, Size>();
  /** Bytes that were written to objects whose sizes are not known. */
  const loose = new Map<string, number>();

  /** Of changesets that are looked at: each is asked about twice. */
  const counted = new WeakMap<Incoming, ReadonlyMap<string, Size>>();

  const allOf = (incoming: Incoming): ReadonlyMap<string, Size> => {
    const growths = counted.get(incoming) ?? growthsOf(incoming);
    counted.set(incoming, growths);
    return growths;
  };
  const grow = (text: string, growth: Size): void => {
    const size = known.get(text);
    if (size) known.set(text, sumOf(size, growth));
    else if (loose.size < sizesMax) loose.set(text, (loose.get(text) ?? 0) + growth.bytes);
    else loose.clear();
  };
  const isConcerned = (text: string, { elements, bytes }: Size): boolean =>
    elements > 0 ||
    isStrict ||
    known.has(text) ||
    projection.isLarge(text) ||
    (loose.get(text) ?? 0) + bytes > defaults.largeObjectBytes;
  const fits = (text: string, growth: Size): boolean => {
    const size = known.get(text);
    if (!size) return false;
    const { elements, bytes } = sumOf(size, growth);
    return elements <= elementsMax && bytes <= objectBytesMax;
  };

  return {
    concerns: (incoming) => {
      const growths = growthsOf(incoming); // Asked about once: most are of no concern.
      for (const [text, growth] of growths) if (isConcerned(text, growth)) return true;
      for (const [text, growth] of growths) grow(text, growth);
      return false;
    },
    growths: (incoming) => new Map([...allOf(incoming)].filter(([text, growth]) => isConcerned(text, growth))),
    isKnown: (text) => known.has(text),
    note: (text, { elements, bytes }) => {
      known.set(text, { elements, bytes: bytes + (loose.get(text) ?? 0) });
      loose.delete(text);
    },
    fits,
    isFull: () => known.size > sizesMax,
    clear: () => known.clear(),
    taken: (incoming) => {
      for (const [text, growth] of allOf(incoming)) grow(text, growth);
    },
  };
};
