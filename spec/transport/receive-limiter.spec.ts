import fc from 'fast-check';
import { VirtualTimeScheduler } from 'rxjs';
import { createFrameMeter } from '../../lib/transport/frame-meter.js';
import { createReceiveLimiter, type ReceiveBounds } from '../../lib/transport/receive-limiter.js';

/** A frame of zeros as a client sends it. */
const frameOf = (opcode: number, length: number): Uint8Array => {
  const size = length < 126 ? [0x80 | length] : length < 65_536 ? [0xfe, length >> 8, length & 255] : null;
  const long = [0xff, 0, 0, 0, 0, (length >> 24) & 255, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  const head = [0x80 | opcode, ...(size ?? long), 1, 2, 3, 4];
  const frame = new Uint8Array(head.length + length);
  frame.set(head);
  return frame;
};

const joined = (frames: readonly Uint8Array[]): Uint8Array => Uint8Array.from(frames.flatMap((frame) => [...frame]));

describe('the headers of frames', () => {
  it('field report E-1: are read wherever the bytes are cut, with lengths of every width', () => {
    const frame = fc.tuple(
      fc.constantFrom(0, 1, 2, 8, 9, 10),
      fc.oneof(fc.nat(200), fc.constantFrom(0, 125, 126, 65_535, 65_536, 70_000)),
    );
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(1_000), { minLength: 1, maxLength: 20 }),
        (frames, cuts) => {
          const bytes = joined(frames.map(([opcode, length]) => frameOf(opcode, length)));
          const met: { readonly opcode: number; readonly bytes: number }[] = [];
          const frameStarted = (opcode: number, bytes: number): boolean => met.push({ opcode, bytes }) > 0;
          const meter = createFrameMeter({ frameStarted });
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const step = 1 + (cuts[turn % cuts.length] ?? 0) * (turn > 50 ? 100 : 1);
            meter.read(bytes.subarray(at, at + step));
            at += step;
          }
          expect(met).toEqual(frames.map(([opcode, length]) => ({ opcode, bytes: length })));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the incoming bytes of one socket', () => {
  const tried = (bounds: Partial<ReceiveBounds>) => {
    const scheduler = new VirtualTimeScheduler();
    const acts: string[] = [];
    const inflow = createReceiveLimiter({
      scheduler,
      socket: { pause: () => acts.push('pause'), resume: () => acts.push('resume') },
      owner: { exceeded: (code, text) => acts.push(`${code} ${text}`) },
      bounds: { messageBytesMax: 1_000, otherFramesMax: 2, allowance: { spend: () => 0 }, ...bounds },
    });
    return { scheduler, acts, inflow };
  };

  it('field report E-1: are cut off at the header of a message that is too large, before its content has arrived', () => {
    const { acts, inflow } = tried({});
    inflow.feed(frameOf(2, 1_000));
    inflow.feed(frameOf(2, 1_001).subarray(0, 8));
    inflow.feed(frameOf(2, 5_000));
    expect(acts).toEqual(['1009 The message has 1001 bytes; the limit is 1000.', 'pause']);
  });

  it('field report E-1: are counted over all frames of one message', () => {
    const { acts, inflow } = tried({ otherFramesMax: 10 });
    const piece = (opcode: number, length: number): Uint8Array => {
      const frame = frameOf(opcode, length);
      frame[0] = opcode; // The flag of the last frame is not set.
      return frame;
    };
    inflow.feed(joined([piece(2, 500), frameOf(9, 100), piece(0, 500)]));
    expect(acts).toEqual([]);
    inflow.feed(frameOf(0, 1));
    expect(acts).toEqual(['1009 The message has 1001 bytes; the limit is 1000.', 'pause']);
  });

  it('field report E-6: are cut off after too many frames that do not begin a message', () => {
    const { acts, inflow } = tried({});
    inflow.feed(joined([frameOf(9, 0), frameOf(10, 0), frameOf(2, 5)]));
    expect(acts).toEqual([]);
    inflow.feed(frameOf(0, 0));
    expect(acts).toEqual(['4429 More than 2 frames do not begin a message.', 'pause']);
  });

  it('field report E-6: are paused above their rate, and resumed after the wait or when the bounds are raised', () => {
    const spent: (readonly [number, number])[] = [];
    const waits = [0, 500, 700, 900];
    const spend = (frames: number, bytes: number): number => {
      spent.push([frames, bytes]);
      return waits.shift() ?? 0;
    };
    const { scheduler, acts, inflow } = tried({ allowance: { spend } });
    inflow.feed(joined([frameOf(2, 1), frameOf(2, 1)]));
    expect(acts).toEqual([]);
    inflow.feed(frameOf(2, 10));
    expect(spent).toEqual([
      [2, 14],
      [1, 16],
    ]);
    expect(acts.splice(0)).toEqual(['pause']);
    inflow.feed(frameOf(2, 10)); // Bytes that were in flight still arrive.
    expect(acts.splice(0)).toEqual([]);
    scheduler.flush();
    expect([scheduler.now(), acts.splice(0)]).toEqual([500, ['resume']]);
    inflow.feed(frameOf(2, 10));
    inflow.setBounds({ messageBytesMax: 5_000, otherFramesMax: 2, allowance: { spend: () => 0 } });
    expect(acts.splice(0)).toEqual(['pause', 'resume']);
    inflow.feed(frameOf(2, 5_000));
    scheduler.flush();
    inflow.stop();
    expect(acts).toEqual([]);
  });
});
