import type { ObjectState } from '../../merge/object-state.js';
import { isBytes } from '../../model/built-ins.js';
import { decodeState } from '../../merge/state-codec.js';
import { isLeft } from '../../model/result.js';
import type { View } from './object-view.js';

/**
 * An object in memory: its state, or the bytes of it until somebody wants it, which weigh a third. Few fields: there
 * are as many of these as objects.
 */
export interface LazyObject {
  /** A state; or a buffer that many share, of which the bytes from `from` to `to` are this object's. */
  readonly stateOrBytes: ObjectState | Uint8Array;
  readonly from: number;
  readonly to: number;
  /**
   * Made when it is first read: a download of a hundred thousand objects makes none. `null`: readers do not see this
   * object.
   */
  view: View | undefined | null;
}

/** An entry of a state: with its view where it has been made already; `null`: readers do not see this object. */
export const lazyObjectOf = (state: ObjectState, view: View | undefined | null): LazyObject => ({
  stateOrBytes: state,
  from: 0,
  to: 0,
  view,
});

/** Whether readers see it. */
export const isVisible = ({ view }: LazyObject): boolean => view !== null;

/** Reads the bytes every time: whoever reads an object keeps its view, and whoever writes it its next state. */
export const stateOf = ({ stateOrBytes, from, to }: LazyObject): ObjectState => {
  if (!isBytes(stateOrBytes)) return stateOrBytes;
  const read = decodeState(stateOrBytes.subarray(from, to));
  if (isLeft(read)) throw new Error(`bytes that could be read before cannot be read any more: ${read.left}`);
  return read.right;
};

/**
 * Bytes a buffer: many objects, and little that is wasted at its end or kept for the last object that has not changed.
 */
const bufferBytes = 64 * 1024;

/** Packs states that have just been read, and found to be some, into buffers of its own. */
export const createPacker = (): ((bytes: Uint8Array, seen: boolean) => LazyObject) => {
  let buffer = new Uint8Array(0);
  let used = 0;
  return (bytes, seen) => {
    if (used + bytes.byteLength > buffer.byteLength) {
      buffer = new Uint8Array(Math.max(bufferBytes, bytes.byteLength));
      used = 0;
    }
    buffer.set(bytes, used);
    const from = used;
    used += bytes.byteLength;
    return { stateOrBytes: buffer, from, to: used, view: seen ? undefined : null };
  };
};
