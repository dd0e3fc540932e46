import type { ObjectState } from '../../merge/object-state.js';
import { isBytes } from '../../model/built-ins.js';
import { decodeState } from '../../merge/state-codec.js';
import { isLeft } from '../../model/result.js';
import type { ObjectBlock } from './object-block.js';
import type { View } from './object-view.js';

/**
 * An object in memory: its decoded state, or its bytes, which take a third of the memory, until it is used. Has few
 * fields because there is one for each object.
 */
export interface LazyObject {
  /** The decoded state; or a buffer shared by many objects, in which this object has the bytes from `from` to `to`. */
  readonly stateOrBytes: ObjectState | Uint8Array;
  readonly from: number;
  readonly to: number;
  /**
   * The view for readers; `null` if readers do not see this object. Created on the first read, so that a download of a
   * hundred thousand objects creates no views. `pending`: the object is new, and its batch is not stored yet.
   */
  view: View | undefined | null | 'pending';
  /** The block that has a row of this object: this state, or an earlier one that is replaced by a record of its own. */
  readonly block: ObjectBlock | null;
}

/** Where a block has the state of an object. */
export interface Place {
  readonly block: ObjectBlock;
  readonly from: number;
  readonly to: number;
}

/**
 * Creates an entry with a decoded state. `view` is `undefined` until the first read and `null` if readers do not see
 * this object.
 */
export const lazyObjectOf = (
  state: ObjectState,
  view: View | undefined | null,
  block: ObjectBlock | null,
): LazyObject => ({ stateOrBytes: state, from: 0, to: 0, view, block });

/** Creates an entry whose state is in a block. */
export const placedObjectOf = ({ block, from, to }: Place, view: View | undefined | null): LazyObject => ({
  stateOrBytes: block.states,
  from,
  to,
  view,
  block,
});

/** Whether the state is a row of its block, so that the storage has no other record of the object. */
export const isLiveRow = ({ stateOrBytes, block }: LazyObject): boolean => block?.states === stateOrBytes;

/** Whether readers see the object. */
export const isVisible = ({ view }: LazyObject): boolean => view !== null && view !== 'pending';

/** Whether the object is new, and its batch is not stored yet. */
export const isPending = ({ view }: LazyObject): boolean => view === 'pending';

/** The view of an object, if a reader has read it. */
export const cachedViewOf = (object: LazyObject | undefined): View | undefined =>
  object && object.view !== null && object.view !== 'pending' ? object.view : undefined;

/** Decodes the bytes on each call. The result is not cached: readers keep the view, and writers replace the state. */
export const stateOf = ({ stateOrBytes, from, to }: LazyObject): ObjectState => {
  if (!isBytes(stateOrBytes)) return stateOrBytes;
  const read = decodeState(stateOrBytes.subarray(from, to));
  if (isLeft(read)) throw new Error(`Defect: stored bytes became invalid: ${read.left}`);
  return read.right;
};

/**
 * Size of a shared buffer: large enough for many objects, small enough that little memory is lost at its end, or is
 * retained for the last unchanged object in it.
 */
const bufferBytes = 64 * 1024;

/** Copies an encoded state, which was already validated, into a shared buffer. */
export type Packer = (bytes: Uint8Array, isVisible: boolean, block: ObjectBlock | null) => LazyObject;

export const createPacker = (): Packer => {
  let buffer = new Uint8Array(0);
  let used = 0;
  return (bytes, isVisible, block) => {
    if (used + bytes.byteLength > buffer.byteLength) {
      buffer = new Uint8Array(Math.max(bufferBytes, bytes.byteLength));
      used = 0;
    }
    buffer.set(bytes, used);
    const from = used;
    used += bytes.byteLength;
    return { stateOrBytes: buffer, from, to: used, view: isVisible ? undefined : null, block };
  };
};
