/** Largest payload for which a header of four bytes is enough. */
const mediumPayloadMax = 0xffff;
const smallPayloadMax = 125;

const finalBinary = 0x82;
const mediumLength = 126;

/**
 * Largest payload that `createFrameEncoder` accepts. Copying a larger one behind its header costs more than writing
 * both separately.
 */
export const framedPayloadMax = 16 * 1024;

const encodeFrame = (payload: Uint8Array): Uint8Array => {
  const { byteLength } = payload;
  if (byteLength > mediumPayloadMax) throw new RangeError(`A payload of ${byteLength} bytes needs a longer header.`);
  const headBytes = byteLength > smallPayloadMax ? 4 : 2;
  const frame = Buffer.allocUnsafe(headBytes + byteLength);
  frame[0] = finalBinary;
  if (headBytes === 2) frame[1] = byteLength;
  else {
    frame[1] = mediumLength;
    frame.writeUInt16BE(byteLength, 2);
  }
  frame.set(payload, headBytes);
  return frame;
};

/**
 * Creates a function that puts the header of a whole binary frame of a server before its payload (RFC 6455, section
 * 5.2). A payload that is sent to many sockets one after the other is framed once.
 */
export const createFrameEncoder = (): ((payload: Uint8Array) => Uint8Array) => {
  let lastPayload: Uint8Array | null = null;
  let lastFrame: Uint8Array = new Uint8Array(0);
  return (payload) => {
    if (payload !== lastPayload) {
      lastFrame = encodeFrame(payload);
      lastPayload = payload;
    }
    return lastFrame;
  };
};
