import { countLiveEntries } from '../../merge/lww-map.js';
import type { ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { objectHashOf } from '../../merge/object-hash.js';
import type { SkimmedBody } from '../../merge/operation-skimmer.js';
import { encodeState } from '../../merge/state-codec.js';
import { serverLimits } from '../server-limits.js';
import type { WriteLimits } from '../../model/changeset.js';
import type { IncomingChangeset } from './incoming-changeset.js';
import { objectTextOf, parseObjectText } from '../../model/object-key.js';
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
  readonly projection: Pick<Projection, 'isLarge' | 'hasLarge'>;
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

/** The largest possible growth of an object by a changeset. */
export interface ObjectGrowth extends ObjectSize {
  /** The hash of the object, by `objectHashOf`. */
  readonly hash: number;
}

/** Returns the largest possible growth of each object that a changeset touches. */
export const growthsOf = ({ operations, changeset }: ReadChangeset): ReadonlyMap<string, ObjectGrowth> => {
  const growths = new Map<string, { elements: number; bytes: number; hash: number }>();
  for (const operation of operations) {
    const { type, key } = operation;
    const text = objectTextOf(type, key);
    let growth = growths.get(text);
    if (!growth)
      growths.set(text, (growth = { elements: 0, bytes: changeset.body.byteLength, hash: objectHashOf(type, key) }));
    const added =
      operation.kind === 'insert' ? operation.keys.length : operation.kind === 'put' ? operation.entries.length : 0;
    growth.elements += added;
    growth.bytes += stampBytes * (added + 1);
  }
  return growths;
};

/** Returns the number of operations of each object, by hashes of objects. */
const countsByHash = (hashes: readonly number[]): ReadonlyMap<number, number> => {
  const counts = new Map<number, number>();
  for (const hash of hashes) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  return counts;
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

/**
 * Counts bytes that were written to objects of unknown size, by hashes of objects. Objects with the same hash are
 * counted together, so that a number is too high rather than too low.
 */
const createWrittenBytes = () => {
  const written = new Map<number, number>();
  const of = (hash: number): number => written.get(hash) ?? 0;
  return {
    of,
    mayBeLarge: (hash: number, more: number): boolean => of(hash) + more > serverLimits.largeObjectBytes,
    add: (hash: number, bytes: number): void => {
      if (written.size < sizesMax) written.set(hash, of(hash) + bytes);
      else written.clear();
    },
  };
};

type WrittenBytes = ReturnType<typeof createWrittenBytes>;

/** Decides by the hashes of objects, and counts the bytes of a changeset that needs no check. */
const mayExceedSkimmed = (
  written: WrittenBytes,
  knownHashes: ReadonlySet<number>,
  { hashes }: SkimmedBody,
  bodyBytes: number,
): boolean => {
  const counts = hashes.length > 1 ? countsByHash(hashes) : null;
  const bytesOf = (hash: number): number => bodyBytes + stampBytes * (counts?.get(hash) ?? 1);
  const distinct = counts === null ? hashes : [...counts.keys()];
  for (const hash of distinct) if (knownHashes.has(hash) || written.mayBeLarge(hash, bytesOf(hash))) return true;
  for (const hash of distinct) written.add(hash, bytesOf(hash));
  return false;
};

export const createObjectSizes = ({ projection, limits }: ObjectSizesPorts): ObjectSizes => {
  const { elementsMax, objectBytesMax } = limits;
  /** Whether the limit is so low that each object must be checked. */
  const isStrict = objectBytesMax < 8 * serverLimits.largeObjectBytes;
  const known = new Map<string, ObjectSize>();
  /** Hashes of the objects in `known`, for skimmed changesets. */
  const knownHashes = new Set<number>();
  const written = createWrittenBytes();

  /** Growths of changesets that are being checked: each is needed twice. */
  const growthsCache = new WeakMap<IncomingChangeset, ReadonlyMap<string, ObjectGrowth>>();

  const allOf = (incoming: IncomingChangeset): ReadonlyMap<string, ObjectGrowth> => {
    const growths = growthsCache.get(incoming) ?? growthsOf(incoming);
    growthsCache.set(incoming, growths);
    return growths;
  };
  const grow = (text: string, growth: ObjectGrowth): void => {
    const size = known.get(text);
    if (size) known.set(text, sumOf(size, growth));
    else written.add(growth.hash, growth.bytes);
  };
  const isConcerned = (text: string, { elements, bytes, hash }: ObjectGrowth): boolean =>
    elements > 0 || isStrict || known.has(text) || projection.isLarge(text) || written.mayBeLarge(hash, bytes);
  const fits = (text: string, growth: ObjectSize): boolean => {
    const size = known.get(text);
    if (!size) return false;
    const { elements, bytes } = sumOf(size, growth);
    return elements <= elementsMax && bytes <= objectBytesMax;
  };

  const mayExceedDecoded = (incoming: ReadChangeset): boolean => {
    const growths = growthsOf(incoming); // Not cached: most changesets need no check.
    for (const [text, growth] of growths) if (isConcerned(text, growth)) return true;
    for (const [text, growth] of growths) grow(text, growth);
    return false;
  };

  return {
    mayExceed: (incoming) => {
      const { skimmed, changeset } = incoming;
      if (skimmed === undefined || projection.hasLarge) return mayExceedDecoded(incoming);
      return (
        skimmed.addsElements || isStrict || mayExceedSkimmed(written, knownHashes, skimmed, changeset.body.byteLength)
      );
    },
    growthsOf: (incoming) => new Map([...allOf(incoming)].filter(([text, growth]) => isConcerned(text, growth))),
    isKnown: (text) => known.has(text),
    note: (text, { elements, bytes }) => {
      const { type, key } = parseObjectText(text);
      const hash = objectHashOf(type, key);
      known.set(text, { elements, bytes: bytes + written.of(hash) });
      knownHashes.add(hash);
      // The bytes are kept: otherwise a user could remove them with another object that has the same hash.
    },
    fits,
    isFull: () => known.size > sizesMax,
    clear: () => {
      known.clear();
      knownHashes.clear();
    },
    add: (incoming) => {
      for (const [text, growth] of allOf(incoming)) grow(text, growth);
    },
  };
};
