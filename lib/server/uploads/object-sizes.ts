import { countLiveEntries } from '../../merge/lww-map.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { encodeState } from '../../merge/state-codec.js';
import { serverLimits } from '../server-limits.js';
import type { WriteLimits } from '../../model/changeset.js';
import type { IncomingChangeset } from './incoming-changeset.js';
import { objectTextOf } from '../../model/object-key.js';
import type { Projection } from '../history/projection.js';

/** An upper bound of an object's size: elements of its longest collection, and bytes of its state. */
export interface ObjectSize {
  readonly elements: number;
  readonly bytes: number;
}

/** Watches that no object of a realm grows beyond the limits, even if several replicas write to it. */
export interface ObjectSizes {
  /** Whether a changeset might make an object too large. Other changesets need no check. */
  readonly mayExceed: (incoming: IncomingChangeset) => boolean;
  /** Returns the largest possible growth of each object that a changeset might make too large. */
  readonly growthsOf: (incoming: IncomingChangeset) => ReadonlyMap<string, ObjectSize>;
  readonly isKnown: (text: string) => boolean;
  /** Remembers the present size of an object. */
  readonly note: (text: string, size: ObjectSize) => void;
  /** Whether an object of known size stays within the limits after this growth. */
  readonly fits: (text: string, growth: ObjectSize) => boolean;
  /** Whether too many sizes are kept. */
  readonly isFull: () => boolean;
  readonly clear: () => void;
  /** Counts an accepted changeset. */
  readonly add: (incoming: IncomingChangeset) => void;
}

export type SizeLimits = Pick<WriteLimits, 'elementsMax' | 'objectBytesMax'>;

export interface ObjectSizesPorts {
  readonly projection: Pick<Projection, 'isLarge'>;
  readonly limits: SizeLimits;
}

/** Number of objects whose sizes are kept. Above it all sizes are forgotten and read again. */
const sizesMax = 10_000;
/** Largest number of bytes that an element, entry or value needs besides its content. */
const stampBytes = 96;

export const noGrowth: ObjectSize = { elements: 0, bytes: 0 };

/** Returns an upper bound of two sizes together. */
export const sumOf = (a: ObjectSize, b: ObjectSize): ObjectSize => ({
  elements: a.elements + b.elements,
  bytes: a.bytes + b.bytes,
});

const countsOf = ({ collections }: ObjectState): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(collections ?? {}).map(([property, { list, entries }]) => [
      property,
      Math.max(list.elements.length, countLiveEntries(entries)),
    ]),
  );

export const sizeOf = (state: ObjectState | undefined): ObjectSize =>
  state === undefined
    ? noGrowth
    : { elements: Math.max(0, ...countsOf(state).values()), bytes: encodeState(state).byteLength };

/** A decoded changeset. */
interface ReadChangeset {
  readonly operations: readonly Operation[];
  readonly changeset: { readonly body: Uint8Array };
}

/** Returns the largest possible growth of each object that a changeset touches. */
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
 * Returns the reason why an object must not get this state and size, or `null`. An object that is too large already may
 * change as long as it does not grow.
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
        return `${property} would have ${count} elements. At most ${elementsMax} are accepted.`;
  }
  return bytes > objectBytesMax && bytes > sizeOf(before).bytes
    ? `The object would have ${bytes} bytes. At most ${objectBytesMax} are accepted.`
    : null;
};

export const createObjectSizes = ({ projection, limits }: ObjectSizesPorts): ObjectSizes => {
  const { elementsMax, objectBytesMax } = limits;
  /** Whether the limit is so low that each object must be checked. */
  const isStrict = objectBytesMax < 8 * serverLimits.largeObjectBytes;
  const known = new Map<string, ObjectSize>();
  /** Bytes that were written to objects of unknown size. */
  const unsized = new Map<string, number>();

  /** Growths of changesets that are being checked: each is needed twice. */
  const growthsCache = new WeakMap<IncomingChangeset, ReadonlyMap<string, ObjectSize>>();

  const allOf = (incoming: IncomingChangeset): ReadonlyMap<string, ObjectSize> => {
    const growths = growthsCache.get(incoming) ?? growthsOf(incoming);
    growthsCache.set(incoming, growths);
    return growths;
  };
  const grow = (text: string, growth: ObjectSize): void => {
    const size = known.get(text);
    if (size) known.set(text, sumOf(size, growth));
    else if (unsized.size < sizesMax) unsized.set(text, (unsized.get(text) ?? 0) + growth.bytes);
    else unsized.clear();
  };
  const isConcerned = (text: string, { elements, bytes }: ObjectSize): boolean =>
    elements > 0 ||
    isStrict ||
    known.has(text) ||
    projection.isLarge(text) ||
    (unsized.get(text) ?? 0) + bytes > serverLimits.largeObjectBytes;
  const fits = (text: string, growth: ObjectSize): boolean => {
    const size = known.get(text);
    if (!size) return false;
    const { elements, bytes } = sumOf(size, growth);
    return elements <= elementsMax && bytes <= objectBytesMax;
  };

  return {
    mayExceed: (incoming) => {
      const growths = growthsOf(incoming); // Not cached: most changesets need no check.
      for (const [text, growth] of growths) if (isConcerned(text, growth)) return true;
      for (const [text, growth] of growths) grow(text, growth);
      return false;
    },
    growthsOf: (incoming) => new Map([...allOf(incoming)].filter(([text, growth]) => isConcerned(text, growth))),
    isKnown: (text) => known.has(text),
    note: (text, { elements, bytes }) => {
      known.set(text, { elements, bytes: bytes + (unsized.get(text) ?? 0) });
      unsized.delete(text);
    },
    fits,
    isFull: () => known.size > sizesMax,
    clear: () => known.clear(),
    add: (incoming) => {
      for (const [text, growth] of allOf(incoming)) grow(text, growth);
    },
  };
};
