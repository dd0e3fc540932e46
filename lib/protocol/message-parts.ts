import { limits } from '../model/limits.js';
import { isLeft } from '../model/result.js';
import { createCloseError } from '../transport/wire.js';
import { decodeServer, encodeServer } from './codec.js';
import { closeCodes, type ServerMessage } from './messages.js';

/** Sends a frame, in parts when it is larger than `partBytesMax`. */
export const sendInParts = (frame: Uint8Array, send: (frame: Uint8Array) => void): void => {
  const { partBytesMax } = limits;
  if (frame.byteLength <= partBytesMax) {
    send(frame);
    return;
  }
  for (let from = 0; from < frame.byteLength; from += partBytesMax) {
    const bytes = frame.subarray(from, from + partBytesMax);
    send(encodeServer({ type: 'part', isLast: from + partBytesMax >= frame.byteLength, bytes }));
  }
};

const createViolation = (text: string) => createCloseError(closeCodes.protocolViolation, text);

const joinParts = (parts: readonly Uint8Array[], byteLength: number): Uint8Array => {
  const whole = new Uint8Array(byteLength);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
};

/**
 * Returns a reader of the frames of one connection. It returns the message of each frame, or `null` for a part that is
 * not the last.
 *
 * @returns The reader. It throws a `ConnectionError` 4400 for a frame that is not a server message, and when parts add
 * up to more than `messageBytesMax`.
 */
export const createPartReader = (): ((frame: Uint8Array) => ServerMessage | null) => {
  let parts: Uint8Array[] = [];
  let byteLength = 0;
  const read = (frame: Uint8Array): ServerMessage | null => {
    const decoded = decodeServer(frame);
    if (isLeft(decoded)) throw createViolation(decoded.left);
    const message = decoded.right;
    if (message.type !== 'part') return message;
    parts.push(message.bytes);
    byteLength += message.bytes.byteLength;
    if (byteLength > limits.messageBytesMax)
      throw createViolation(
        `part must be at most ${limits.messageBytesMax} bytes in all parts, received ${byteLength}`,
      );
    if (!message.isLast) return null;
    const whole = joinParts(parts, byteLength);
    parts = [];
    byteLength = 0;
    const inner = decodeServer(whole);
    if (isLeft(inner)) throw createViolation(inner.left);
    if (inner.right.type === 'part') throw createViolation('part must be a message, received parts in parts');
    return inner.right;
  };
  return read;
};
