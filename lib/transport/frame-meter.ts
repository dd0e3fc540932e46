/** Takes the headers of frames. */
export interface FrameListener {
  /**
   * Receives the header of each frame (RFC 6455, section 5.2): the opcode, and the bytes of the payload, which may
   * arrive later. Returns whether it wants further frames.
   */
  frameStarted(opcode: number, bytes: number): boolean;
}

/** Reads the headers of the frames of one socket. */
export interface FrameMeter {
  read(chunk: Uint8Array): void;
}

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

/** A class, because a server has one for each socket. */
class HeaderReader implements FrameMeter {
  /** A header that is being read byte by byte; `null` until one arrives in pieces. */
  private head: Uint8Array | null = null;
  private headBytes = 0;
  private payloadLeft = 0;
  private isStopped = false;

  constructor(private readonly listener: FrameListener) {}

  read(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength && !this.isStopped;) {
      const second = chunk[at + 1] ?? 0xff;
      if (this.payloadLeft > 0) {
        const step = Math.min(this.payloadLeft, chunk.byteLength - at);
        this.payloadLeft -= step;
        at += step;
      } else if (this.headBytes === 0 && (second & 0x7f) < extendedLength && at + 6 <= chunk.byteLength) {
        this.startFrame(chunk[at] ?? 0, second & 0x7f);
        at += (second & 0x80) === 0 ? 2 : 6;
      } else {
        this.addHeadByte(chunk[at] ?? 0);
        at += 1;
      }
    }
  }

  private startFrame(first: number, payloadBytes: number): void {
    this.payloadLeft = payloadBytes;
    this.isStopped = !this.listener.frameStarted(first & 0x0f, payloadBytes);
  }

  private addHeadByte(byte: number): void {
    const head = (this.head ??= new Uint8Array(headBytesMax));
    head[this.headBytes] = byte;
    this.headBytes += 1;
    if (this.headBytes < 2 || this.headBytes < headLengthOf(head[1] ?? 0)) return;
    this.headBytes = 0;
    this.startFrame(head[0] ?? 0, payloadLengthOf(head));
  }
}

/**
 * Reads the frame headers in the bytes of a socket, and nothing of the payloads. Reports a frame when its header is
 * read, before its payload arrives. The WebSocket validates the frames. A client may send ten thousand frames at once:
 * each costs a few nanoseconds.
 */
export const createFrameMeter = (listener: FrameListener): FrameMeter => new HeaderReader(listener);
