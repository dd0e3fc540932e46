import { decodeValue, decodeValueWithin, decodeArrayStart, encodeValue } from '../../lib/model/msgpack.js';
import { left, right } from '../../lib/model/result.js';
import { limits } from '../../lib/model/limits.js';
import { decodeClient, decodeClientWithin, decodeServer, encodeClient } from '../../lib/protocol/codec.js';
import fc from 'fast-check';

/** An array of this many one-byte values, after some other elements. */
const many = (count: number, byte: number, ...before: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(before.length + 5 + count).fill(byte);
  bytes.set([...before, 0xdd]);
  new DataView(bytes.buffer).setUint32(before.length + 1, count);
  return bytes;
};

/** Milliseconds of CPU time of this process, which does not depend on other processes. */
const worked = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const kinds = [
  ['empty records', 0x80],
  ['empty arrays', 0x90],
  ['nil', 0xc0],
  ['empty strings', 0xa0],
] as const;

describe('the number of values that bytes hold', () => {
  it.each(kinds)(
    'field report E-1: %s are counted while they are read, and no value beyond the limit is created',
    (_, byte) => {
      const bytes = many(1_000, byte);
      expect(decodeValueWithin(bytes, 999)).toEqual(left('holds more than 999 values'));
      expect(decodeValueWithin(bytes, 1_000)).toEqual(decodeValue(bytes));
      const bytesOfMany = many(8_000_000, byte);
      const began = worked();
      expect(decodeValueWithin(bytesOfMany, 1_000)).toEqual(left('holds more than 1000 values'));
      expect(worked() - began).toBeLessThan(50);
    },
  );

  it('field report E-1: counts names and values of records, and elements at every depth', () => {
    const value = { a: [1, 2, { b: [3] }], c: [[], [4]] };
    // 4 for the record, 3 for the first list, 2 for the record in it, 1 for its list, 2 and 1 for the lists of the
    // second.
    expect(decodeValueWithin(encodeValue(value), 12)).toEqual(left('holds more than 12 values'));
    expect(decodeValueWithin(encodeValue(value), 13)).toEqual(right(value));
  });

  it.each(kinds)(
    'field report E-1: a frame of eight megabytes of %s behind the last field is rejected at once',
    (_, byte) => {
      const frame = many(limits.frameBytesMax - 10, byte, 0x93, 8, 1);
      const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
      const began = worked();
      const decoded = decodeClient(frame);
      expect(worked() - began).toBeLessThan(50);
      expect(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before).toBeLessThan(
        4 * 1024 * 1024,
      );
      expect(decoded).toMatchObject(left(expect.stringContaining(`more than ${limits.frameValuesMax} values`)));
    },
  );

  it('field report E-1: elements after the last field are skipped if they are MessagePack, and rejected otherwise', () => {
    const ping = { type: 'ping', sentAt: 7 } as const;
    fc.assert(
      fc.property(
        fc.array(fc.anything({ maxDepth: 4, withDate: false, withBigInt: false }), { maxLength: 5 }),
        (more) => {
          const given = JSON.parse(JSON.stringify(more)) as unknown[];
          expect(decodeClient(encodeValue([8, 7, ...given]))).toEqual(right(ping));
          expect(decodeClient(encodeValue([8, 7, ...given, new Uint8Array(300), 'é'.repeat(70_000), -1.5]))).toEqual(
            right(ping),
          );
        },
      ),
      { numRuns: 300 },
    );
    const deep = (levels: number): Uint8Array =>
      Uint8Array.from([0x93, 8, 7, ...new Array<number>(levels).fill(0x91), 0xc0]);
    expect(decodeClient(deep(62))).toEqual(right(ping));
    expect(decodeClient(deep(64))).toMatchObject(left(expect.stringContaining('more than 64 nested levels')));
    for (const wrong of [[0xc7, 0, 1], [0xc1], [0x81, 1, 1], [0xdb, 0, 0, 1, 0], [0xdd, 0, 0, 1, 0], [0x91], [0xc4]])
      expect(decodeClient(Uint8Array.from([0x93, 8, 7, ...wrong]))).toMatchObject(
        left(expect.stringContaining('MessagePack')),
      );
    expect(decodeClient(Uint8Array.from([0x92, 8, 7, 0xc0]))).toMatchObject(
      left(expect.stringContaining('1 bytes after its end')),
    );
  });

  it('field report E-1: of a message of an unknown kind only the kind is decoded', () => {
    expect(decodeArrayStart(encodeValue([99, [1], { a: 1 }]), 100, () => 0)).toEqual(right([99]));
    expect(decodeArrayStart(encodeValue([99, [1], { a: 1 }]), 100, () => 1)).toEqual(right([99, [1]]));
    expect(decodeArrayStart(encodeValue([]), 100, () => 1)).toEqual(right([]));
    expect(decodeArrayStart(encodeValue('no array'), 100, () => 1)).toEqual(right('no array'));
    expect(decodeServer(encodeValue([99, 1]))).toMatchObject(left(expect.stringContaining('a kind of message')));
  });

  it('field report E-1: a frame may be restricted to fewer values than the limit', () => {
    const frame = encodeClient({ type: 'ping', sentAt: 7 });
    expect(decodeClientWithin(frame, 2)).toEqual(right({ type: 'ping', sentAt: 7 }));
    expect(decodeClientWithin(frame, 1)).toMatchObject(left(expect.stringContaining('more than 1 values')));
  });
});
