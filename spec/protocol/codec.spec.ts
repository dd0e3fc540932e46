import fc from 'fast-check';
import { decodeValue, encodeValue } from '../../lib/model/msgpack.js';
import { limits } from '../../lib/model/limits.js';
import { isLeft, isRight, left, right, type Either } from '../../lib/model/result.js';
import { decodeClient, decodeServer, encodeClient, encodeServer } from '../../lib/protocol/codec.js';
import { clientLayouts, serverLayouts } from '../../lib/protocol/message-layouts.js';
import type { ClientMessage, ServerFrame } from '../../lib/protocol/messages.js';
import { anyClientMessage, anyServerMessage, seeded } from './arbitrary-messages.js';
import { isSound } from './sound-messages.js';
import { clientFrames, serverFrames } from './valid-frames.js';

const body = Uint8Array.of(1, 2, 3);
const row = (version: number) => [version, 1_000, 0, body];

/** A frame with one byte changed, removed or inserted, or with its end cut off. */
const broken = (frames: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(frames, fc.nat(), fc.nat(255), fc.constantFrom('change', 'drop', 'insert', 'cut', 'double'))
    .map(([frame, where, byte, how]) => {
      const at = where % frame.length;
      const [before, after] = [[...frame.slice(0, at)], [...frame.slice(at + 1)]];
      if (how === 'change') return Uint8Array.from([...before, byte, ...after]);
      if (how === 'drop') return Uint8Array.from([...before, ...after]);
      if (how === 'insert') return Uint8Array.from([...before, byte, frame[at]!, ...after]);
      return how === 'cut' ? frame.slice(0, at) : Uint8Array.from([...frame, ...frame]);
    });

const isFineOf = (decoded: Either<string, ClientMessage | ServerFrame>): boolean =>
  isLeft(decoded) ? decoded.left.includes('must be') && decoded.left.length < 500 : isSound(decoded.right);

type Broken = readonly [place: string, frames: readonly (readonly unknown[])[]];

/**
 * Returns every field of every kind, with frames in which it is wrong: of a type that no field has, not finite, below
 * 0, or missing.
 */
const fieldsOf = (frames: typeof clientFrames, layouts: object): readonly Broken[] =>
  Object.entries(layouts as Record<string, { readonly kind: number; readonly fields: object }>).flatMap(
    ([type, { kind, fields }]) => {
      const frame = frames.find(([each]) => each === kind) ?? [];
      return Object.keys(fields).map((name, index): Broken => {
        const isFlag = name === 'includeOwn' || name === 'isLast';
        const wrong = [isFlag ? 'yes' : true, {}, NaN, -Infinity].map((value) => frame.with(index + 1, value));
        const isAbsentAllowed = name === 'view' || (type === 'refused' && name === 'upTo');
        return [`${type}.${name}`, isAbsentAllowed ? wrong : [...wrong, frame.slice(0, index + 1)]];
      });
    },
  );

const textOf = (decoded: Either<string, unknown>): string => (isLeft(decoded) ? decoded.left : 'not refused');

describe('the codec', () => {
  it('decodes every message of a client unchanged', () => {
    const back = (message: ClientMessage) => expect(decodeClient(encodeClient(message))).toEqual(right(message));
    fc.assert(fc.property(anyClientMessage, back), { numRuns: 3_000, ...seeded });
  });

  it('decodes every message of a server unchanged', () => {
    const back = (message: ServerFrame) => expect(decodeServer(encodeServer(message))).toEqual(right(message));
    fc.assert(fc.property(anyServerMessage, back), { numRuns: 3_000, ...seeded });
  });

  it('E14 takes 24 000 broken frames without throwing, and decodes only valid messages', () => {
    const client = fc.property(broken(anyClientMessage.map(encodeClient)), (frame) => isFineOf(decodeClient(frame)));
    const server = fc.property(broken(anyServerMessage.map(encodeServer)), (frame) => isFineOf(decodeServer(frame)));
    fc.assert(client, { numRuns: 12_000, ...seeded });
    fc.assert(server, { numRuns: 12_000, ...seeded });
  });

  it('E14 takes random frames in the same way, as bytes and as values', () => {
    const bytes = fc.uint8Array({ maxLength: 100 });
    const values = fc
      .tuple(fc.nat(48), fc.array(fc.oneof(fc.nat(), fc.string(), fc.constant(null), fc.array(fc.array(fc.nat())))))
      .map(([kind, rest]) => encodeValue([kind, ...rest]));
    const fine = (frame: Uint8Array) => isFineOf(decodeClient(frame)) && isFineOf(decodeServer(frame));
    fc.assert(fc.property(fc.oneof(bytes, values), fine), { numRuns: 10_000, ...seeded });
  });

  it.each(fieldsOf(clientFrames, clientLayouts))('rejects a wrong or missing %s, and names it', (field, broken) => {
    for (const frame of broken) expect(textOf(decodeClient(encodeValue(frame)))).toMatch(`${field} must be `);
  });

  it.each(fieldsOf(serverFrames, serverLayouts))('rejects a wrong or missing %s, and names it', (field, broken) => {
    for (const frame of broken) expect(textOf(decodeServer(encodeValue(frame)))).toMatch(`${field} must be `);
  });

  it('accepts a body, an id and a text of the largest size, and none that is larger by one', () => {
    const upload = (bytes: number) => decodeClient(encodeValue([2, 1, [[1, 0, 0, new Uint8Array(bytes)]]]));
    expect(isRight(upload(limits.changesetBytesMax))).toBe(true);
    expect(textOf(upload(limits.changesetBytesMax + 1))).toMatch('upload.changesets[0].body must be');
    const bind = (chars: number) =>
      decodeClient(encodeValue([1, 1, 'r', 'i'.repeat(chars), null, null, 0, 0, false, [['run', 0]]]));
    expect(isRight(bind(limits.idCharsMax))).toBe(true);
    expect(textOf(bind(limits.idCharsMax + 1))).toMatch('bind.replica must be');
    const fault = (chars: number) => decodeClient(encodeValue([7, 1, 1, 'a'.repeat(chars)]));
    expect(isRight(fault(64))).toBe(true);
    expect(textOf(fault(65))).toMatch('fault.code must be');
    const by = (chars: number) => decodeServer(encodeValue([35, 1, [['i'.repeat(chars)], []], 1, 0, 0, 0]));
    expect(isRight(by(limits.idCharsMax))).toBe(true);
    expect(textOf(by(limits.idCharsMax + 1))).toMatch('download.changesets.origins must be');
  });

  it('does not accept a message in the wrong direction', () => {
    expect(isLeft(decodeServer(encodeClient({ type: 'unbind', session: 1 })))).toBe(true);
    expect(isLeft(decodeClient(encodeServer({ type: 'unbound', session: 1 })))).toBe(true);
  });

  it('skips fields that a later version may add after the last one', () => {
    expect(decodeClient(encodeValue([6, 1, 'more', [2]]))).toEqual(right({ type: 'unbind', session: 1 }));
    expect(isRight(decodeServer(encodeValue([35, 1, [[], [], 'more'], 1, 0, 0, 0, 'more'])))).toBe(true);
  });

  it('writes an origin once a page', () => {
    const one = { time: 0, count: 0, body };
    const changesets = [1, 2, 3].map((version) => ({ ...one, version, origin: version === 2 ? 'b' : 'a' }));
    const frame = decodeValue(
      encodeServer({ type: 'download', session: 1, changesets, upTo: 3, remaining: 0, bytes: 9, remainingBytes: 0 }),
    );
    expect(isRight(frame) && (frame.right as unknown[])[2]).toEqual([
      ['a', 'b'],
      [1, 2, 3].map((version) => [version, version === 2 ? 1 : 0, 0, 0, body]),
    ]);
  });

  it('cuts texts for people to the length that the receiver accepts', () => {
    const long = 'x'.repeat(limits.errorTextCharsMax + 1);
    const result = decodeServer(
      encodeServer({ type: 'error', session: 1, code: 'internal', text: long, retry: 'later' }),
    );
    expect(isRight(result) && result.right).toMatchObject({ text: long.slice(1) });
  });

  it('returns bodies of a page as views of the frame', () => {
    const frame = Uint8Array.from(
      encodeClient({ type: 'upload', session: 1, changesets: [{ version: 1, time: 0, count: 0, body }] }),
    );
    const message = decodeClient(frame);
    if (isLeft(message) || message.right.type !== 'upload') throw new Error('not an upload');
    expect(message.right.changesets[0]!.body.buffer).toBe(frame.buffer);
    expect(message.right.changesets[0]!.body.constructor).toBe(Uint8Array);
  });

  const invalidFrames: readonly (readonly [string, (frame: Uint8Array) => Either<string, unknown>, unknown, string])[] =
    [
      ['no array', decodeClient, 5, 'frame must be an array, received 5'],
      ['an unknown kind', decodeClient, [13], 'frame must be a kind of message: 1 (bind), 2 (upload), 3 (received), 4 (mark), 5 (token), 6 (unbind), 7 (fault), 8 (ping), 9 (fetch), 10 (withdraw), 11 (subscribe), 12 (next), received 13'], // prettier-ignore
      ['another unknown kind', decodeServer, [47, 1], 'frame must be a kind of message: 33 (bound), 34 (accepted), 35 (download), 36 (mark), 37 (unbound), 38 (pong), 39 (error), 40 (snapshot), 41 (refused), 42 (part), 43 (copied), 44 (view), 45 (members), 46 (parts), received 47'], // prettier-ignore
      ['a page that does not get on', decodeServer, [40, 1, 5, [], 3, 0], 'snapshot.objects must be at least one, because some remain, received an array of 0'], // prettier-ignore
      ['session 0', decodeClient, [6, 0], 'unbind.session must be a whole number from 1 to 2^53 - 1, received 0'],
      ['a missing field', decodeClient, [3, 1], 'received.version must be a whole number from 1 to 2^53 - 1, received undefined'], // prettier-ignore
      ['a long name', decodeClient, [1, 1, 'r'.repeat(129), 'a', null, null, 0, 0], 'bind.realm must be a string of 1 to 128 characters, received a string of 129 characters'], // prettier-ignore
      ['a long token', decodeClient, [5, 't'.repeat(8193)], 'token.token must be a string of 0 to 8192 characters, received a string of 8193 characters'], // prettier-ignore
      ['an infinite time', decodeClient, [8, Infinity], 'ping.sentAt must be a finite number, received Infinity'],
      [
        'an empty upload',
        decodeClient,
        [2, 1, []],
        'upload.changesets must be 1 to 1000 changesets, received an array of 0',
      ],
      ['too many changesets', decodeClient, [2, 1, Array.from({ length: 1001 }, (_, i) => row(i + 1))], 'upload.changesets must be 1 to 1000 changesets, received an array of 1001'], // prettier-ignore
      ['a gap', decodeClient, [2, 1, [row(7), row(9)]], 'upload.changesets[1].version must be 8, received 9'],
      [
        'version 0',
        decodeClient,
        [2, 1, [row(0)]],
        'upload.changesets[0].version must be a version from 1, received 0',
      ],
      ['a body that is text', decodeClient, [2, 1, [[1, 0, 0, 'text']]], 'upload.changesets[0].body must be bytes, at most 7340032, received "text"'], // prettier-ignore
      ['a count below 0', decodeClient, [2, 1, [[1, 0, -1, body]]], 'upload.changesets[0].count must be a whole number from 0 to 2^53 - 1, received -1'], // prettier-ignore
      [
        'no row',
        decodeClient,
        [2, 1, [null]],
        'upload.changesets[0] must be [version, time, count, body], received null',
      ],
      ['versions that fall', decodeServer, [35, 1, [['a'], [[2, 0, 0, 0, body], [1, 0, 0, 0, body]]], 2, 0], 'download.changesets[1].version must be a version after 2, received 1'], // prettier-ignore
      ['an origin from nowhere', decodeServer, [35, 1, [['a'], [[2, 1, 0, 0, body]]], 2, 0], 'download.changesets[0].origin must be the index of one of 1 origins, received 1'], // prettier-ignore
      ['a page past its end', decodeServer, [35, 1, [['a'], [[2, 0, 0, 0, body]]], 1, 0, 0, 0], 'download.upTo must be at least 2, received 1'], // prettier-ignore
      ['parts past their end', decodeServer, [46, 1, [['a'], [[2, 0, 0, 0, body]]], [], [], 1, 0, 0, 0], 'parts.upTo must be at least 2, received 1'], // prettier-ignore
      ['an unknown mode', decodeServer, [44, 1, 1, 0, null, 'whole', 0, []], 'view.mode must be "difference" or "resync", received "whole"'], // prettier-ignore
      ['a view that is no array', decodeClient, clientFrames[0]!.with(-1, 'all'), 'bind.view must be [number, filters, scope], received "all"'], // prettier-ignore
      ['a mode of another message', decodeServer, serverFrames[0]!.with(-1, ['difference', null]), 'bound.view.mode must be "continue" or "resync", received "difference"'], // prettier-ignore
      ['a retry of its own', decodeServer, [39, 1, 'c', '', 'soon'], 'error.retry must be "never", "later" or milliseconds, received "soon"'], // prettier-ignore
    ];

  it.each(invalidFrames)('reports the path, the expected and the received value of %s', (_, decode, value, text) => {
    expect(decode(encodeValue(value))).toEqual(left(text));
  });
});
