/** The head of one frame (RFC 6455, section 5.2). */
export interface FrameHead {
  readonly opcode: number;
  /** Bytes of its payload, as its header says; they may be yet to come. */
  readonly bytes: number;
}

/** Bytes of the longest header: two, a length of eight, a mask of four. */
const headBytesMax = 14;

const headLength = (second: number): number => {
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4);
};

const payloadLength = (head: Uint8Array): number => {
  const short = (head[1] ?? 0) & 0x7f;
  const view = new DataView(head.buffer);
  if (short === 126) return view.getUint16(2);
  return short === 127 ? view.getUint32(2) * 2 ** 32 + view.getUint32(6) : short;
};

/**
 * Reads the heads of the frames in the bytes of a socket as they pass, and nothing of what is in them: calls `met` as soon as a frame's head
 * is there, before its payload has come. Whether the frames are valid is for the WebSocket to say.
 */
export const createFrameMeter = (met: (head: FrameHead) => void): ((chunk: Uint8Array) => void) => {
  const head = new Uint8Array(headBytesMax);
  let known = 0;
  let payloadLeft = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.byteLength;) {
      if (payloadLeft > 0) {
        const step = Math.min(payloadLeft, chunk.byteLength - at);
        payloadLeft -= step;
        at += step;
        continue;
      }
      head[known] = chunk[at] ?? 0;
      known += 1;
      at += 1;
      if (known < 2 || known < headLength(head[1] ?? 0)) continue;
      known = 0;
      payloadLeft = payloadLength(head);
      met({ opcode: (head[0] ?? 0) & 0x0f, bytes: payloadLeft });
    }
  };
};
