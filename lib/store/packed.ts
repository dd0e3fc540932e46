import { isAlive, type ObjectState } from '../merge/object.js';
import { decodeState } from '../merge/state.js';
import { isLeft } from '../model/result.js';
import type { View } from './views.js';

/** An object in memory: its state, or the bytes of it until somebody wants it, which weigh a third. */
export interface Entry {
  readonly state: ObjectState | null;
  /** A buffer that many share, and which of its bytes are this object's. Without a state only. */
  readonly bytes: Uint8Array | null;
  readonly from: number;
  readonly to: number;
  readonly alive: boolean;
  /** Made when it is first read: a download of a hundred thousand objects makes none. */
  view: View | undefined;
}

export const entryOf = (state: ObjectState, view?: View): Entry => ({
  state,
  bytes: null,
  from: 0,
  to: 0,
  alive: isAlive(state),
  view,
});

/** Reads the bytes every time: whoever reads an object keeps its view, and whoever writes it its next state. */
export const stateOf = ({ state, bytes, from, to }: Entry): ObjectState => {
  if (state) return state;
  const read = decodeState((bytes ?? new Uint8Array()).subarray(from, to));
  if (isLeft(read)) throw new Error(`bytes that could be read before cannot be read any more: ${read.left}`);
  return read.right;
};

/** Bytes a buffer: many objects, and little that is wasted at its end or kept for the last object that has not changed. */
const bufferBytes = 64 * 1024;

/** Packs states that have just been read, and found to be some, into buffers of its own. */
export const createPacker = (): ((bytes: Uint8Array, alive: boolean) => Entry) => {
  let buffer = new Uint8Array(0);
  let used = 0;
  return (bytes, alive) => {
    if (used + bytes.byteLength > buffer.byteLength) {
      buffer = new Uint8Array(Math.max(bufferBytes, bytes.byteLength));
      used = 0;
    }
    buffer.set(bytes, used);
    const from = used;
    used += bytes.byteLength;
    return { state: null, bytes: buffer, from, to: used, alive, view: undefined };
  };
};
