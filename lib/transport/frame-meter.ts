/**
 * Is told of the head of each frame (RFC 6455, section 5.2): its opcode, and the bytes of its payload, which may be yet
 * to come. Returns whether it wants to know more.
 */
export type FrameListener = (opcode: number, bytes: number) => boolean;

/** Bytes of the longest header: two, a length of eight, a mask of four. */
const headBytesMax = 14;
const extendedLength = 126;

const headLengthOf = (second: number): number => {
  const length = second & 0x7f;
  return 2 + (length === extendedLength ? 2 : length > extendedLength ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4);
};

const payloadLengthOf = (head: Uint8Array): number => {
  const short = (head[1] ?? 0) & 0x7f;
  if (short < extendedLength) return short;
  const view = new DataView(head.buffer);
  return short === extendedLength ? view.getUint16(2) : view.getUint32(2) * 2 ** 32 + view.getUint32(6);
};

/**
 * Reads the heads of the frames in the bytes of a socket as they pass, and nothing of what is in them: tells of a frame
 * as soon as its head is there, before its payload has come. Whether the frames are valid is for the WebSocket to say.
 * A stranger may send ten thousand frames in one piece: each costs a few nanoseconds.
 */
export const createFrameMeter = (met: FrameListener): ((chunk: Uint8Array) => void) => {
  const head = new Uint8Array(headBytesMax);
  let [known, payloadLeft, isOver] = [0, 0, false];

  /** Takes one byte of a head; whether that was its last. */
  const isHeadRead = (byte: number): boolean => {
    head[known] = byte;
    known += 1;
    return known >= 2 && known >= headLengthOf(head[1] ?? 0);
  };
  return (chunk) => {
    for (let at = 0; at < chunk.byteLength && !isOver;) {
      const second = chunk[at + 1] ?? 0xff;
      if (payloadLeft > 0) {
        const step = Math.min(payloadLeft, chunk.byteLength - at);
        payloadLeft -= step;
        at += step;
      } else if (known === 0 && (second & 0x7f) < extendedLength && at + 6 <= chunk.byteLength) {
        payloadLeft = second & 0x7f;
        isOver = !met((chunk[at] ?? 0) & 0x0f, payloadLeft);
        at += (second & 0x80) === 0 ? 2 : 6;
      } else {
        const byte = chunk[at] ?? 0;
        at += 1;
        if (!isHeadRead(byte)) continue;
        known = 0;
        payloadLeft = payloadLengthOf(head);
        isOver = !met((head[0] ?? 0) & 0x0f, payloadLeft);
      }
    }
  };
};
