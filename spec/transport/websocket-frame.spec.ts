import { createFrameEncoder, framedPayloadMax } from '../../lib/transport/websocket-frame.js';
import { createFrameMeter } from '../../lib/transport/frame-meter.js';

describe('a whole WebSocket frame', () => {
  it.each([0, 1, 125, 126, 127, 255, 256, framedPayloadMax])('has a header for %i bytes', (byteLength) => {
    const payload = Uint8Array.from({ length: byteLength }, (_, at) => at);
    const frame = createFrameEncoder()(payload);
    const frames: (readonly number[])[] = [];
    const frameStarted = (opcode: number, bytes: number): boolean => frames.push([opcode, bytes]) > 0;
    createFrameMeter({ frameStarted }).read(frame);
    expect(frames).toEqual([[2, byteLength]]);
    expect(frame[0]).toBe(0x82);
    expect([...frame.subarray(byteLength > 125 ? 4 : 2)]).toEqual([...payload]);
  });

  it('is made once for a payload that is sent to many sockets', () => {
    const encode = createFrameEncoder();
    const payload = Uint8Array.of(1, 2, 3);
    const frame = encode(payload);
    expect(encode(payload)).toBe(frame);
    expect([...encode(Uint8Array.of(4))]).toEqual([0x82, 1, 4]);
    expect([...encode(payload)]).toEqual([...frame]);
    expect(() => encode(new Uint8Array(65_536))).toThrow('65536');
  });
});
