import { createHash } from 'node:crypto';
import { NEVER, of, Subject } from 'rxjs';
import { limits } from '../../lib/model/limits.js';
import { encodeServer } from '../../lib/protocol/codec.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { createPartReader, sendInParts } from '../../lib/protocol/message-parts.js';
import { clientWire, serverWire } from '../../lib/protocol/message-wire.js';

const snapshot = (byteLength: number): ServerMessage => ({
  ...{ type: 'snapshot', session: 1, version: 3, remaining: 0, bytes: 9 },
  objects: [{ type: 'Photo', key: 'a', state: new Uint8Array(byteLength).map((_, at) => at) }],
});

/** Returns a message with digests instead of large states, because jest compares bytes one by one. */
const digestOf = (message: ServerMessage | null): unknown =>
  message?.type === 'snapshot'
    ? { ...message, objects: message.objects.map(({ state, ...name }) => ({ ...name, ...digestOfBytes(state) })) }
    : message;

const digestOfBytes = (bytes: Uint8Array) => ({
  length: bytes.byteLength,
  digest: createHash('sha256').update(bytes).digest('hex'),
});

const partsOf = (frame: Uint8Array): Uint8Array[] => {
  const parts: Uint8Array[] = [];
  sendInParts(frame, (part) => parts.push(part));
  return parts;
};

describe('parts of a frame', () => {
  it.each([-1, 0, 1])('field report B-4: arrive as one message, %i bytes around the limit', (more) => {
    const overhead = encodeServer(snapshot(1_000_000)).byteLength - 1_000_000;
    const message = snapshot(2 * limits.partBytesMax - overhead + more);
    const parts = partsOf(encodeServer(message));
    expect(parts).toHaveLength(more > 0 ? 3 : 2);
    expect(Math.max(...parts.map(({ byteLength }) => byteLength))).toBeLessThan(limits.partBytesMax + 100);
    const read = createPartReader();
    const messages = parts.map((part) => digestOf(read(part)));
    expect(messages).toEqual([...parts.slice(1).map(() => null), digestOf(message)]);
  });

  it('let other frames pass between them', () => {
    const message = snapshot(1_500_000);
    const [first, second] = partsOf(encodeServer(message));
    const pong: ServerMessage = { type: 'pong', sentAt: 5 };
    const read = createPartReader();
    const messages = [first!, encodeServer(pong), second!].map((frame) => digestOf(read(frame)));
    expect(messages).toEqual([null, pong, digestOf(message)]);
  });

  it('end the connection with 4400 when they add up to more than the limit', () => {
    const bytes = new Uint8Array(limits.partBytesMax);
    const part = encodeServer({ type: 'part', isLast: false, bytes });
    const read = createPartReader();
    const most = limits.messageBytesMax / limits.partBytesMax;
    for (let count = 0; count < most; count += 1) expect(read(part)).toBeNull();
    expect(() => read(part)).toThrow(/4400.*part must be at most 67108864 bytes in all parts/);
  });

  it('end the connection with 4400 when the whole is not a message, or consists of parts again', () => {
    const part = (inner: Uint8Array) => encodeServer({ type: 'part', isLast: true, bytes: inner });
    expect(() => createPartReader()(part(Uint8Array.of(0xc1)))).toThrow(/4400/);
    expect(() => createPartReader()(part(part(Uint8Array.of(0xc0))))).toThrow(/4400: part must be .* parts in parts/);
  });

  it('pass through a wire of frames', () => {
    const message = snapshot(3_000_000);
    const wire = clientWire(serverWire(() => of(message)));
    const received: ServerMessage[] = [];
    const subscription = wire(NEVER).subscribe((each) => received.push(each));
    expect(received.map(digestOf)).toEqual([digestOf(message)]);
    subscription.unsubscribe();
  });

  it('of two connections are not mixed', () => {
    const frames = new Subject<Uint8Array>();
    const wire = clientWire(() => frames);
    const received: ServerMessage[] = [];
    const sent = new Subject<ClientMessage>();
    const [first, second] = partsOf(encodeServer(snapshot(1_500_000)));
    const subscription = wire(sent).subscribe((each) => received.push(each));
    frames.next(first!);
    subscription.unsubscribe();
    const other = wire(sent).subscribe({
      next: (each) => received.push(each),
      error: (thrown: unknown) => received.push(thrown as never),
    });
    frames.next(second!);
    expect(received.map(String)).toEqual([expect.stringContaining('4400')]);
    other.unsubscribe();
  });
});
