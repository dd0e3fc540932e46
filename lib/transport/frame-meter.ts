/**
 * Receives the header of each frame (RFC 6455, section 5.2): the opcode, and the bytes of the payload, which may arrive
 * later. Returns whether it wants further frames.
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
 * Reads the frame headers in the bytes of a socket, and nothing of the payloads. Reports a frame when its header is
 * read, before its payload arrives. The WebSocket validates the frames. A client may send ten thousand frames at once:
 * each costs a few nanoseconds.
 */
export const createFrameMeter = (onFrame: FrameListener): ((chunk: Uint8Array) => void) => {
  const head = new Uint8Array(headBytesMax);
  let [headBytes, payloadLeft, isStopped] = [0, 0, false];

  /** Adds one byte to a header. Returns whether it was the last byte. */
  const isHeadRead = (byte: number): boolean => {
    head[headBytes] = byte;
    headBytes += 1;
    return headBytes >= 2 && headBytes >= headLengthOf(head[1] ?? 0);
  };
  return (chunk) => {
    for (let at = 0; at < chunk.byteLength && !isStopped;) {
      const second = chunk[at + 1] ?? 0xff;
      if (payloadLeft > 0) {
        const step = Math.min(payloadLeft, chunk.byteLength - at);
        payloadLeft -= step;
        at += step;
      } else if (headBytes === 0 && (second & 0x7f) < extendedLength && at + 6 <= chunk.byteLength) {
        payloadLeft = second & 0x7f;
        isStopped = !onFrame((chunk[at] ?? 0) & 0x0f, payloadLeft);
        at += (second & 0x80) === 0 ? 2 : 6;
      } else {
        const byte = chunk[at] ?? 0;
        at += 1;
        if (!isHeadRead(byte)) continue;
        headBytes = 0;
        payloadLeft = payloadLengthOf(head);
        isStopped = !onFrame((head[0] ?? 0) & 0x0f, payloadLeft);
      }
    }
  };
};
