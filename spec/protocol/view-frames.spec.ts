import { encodeValue } from '../../lib/model/msgpack.js';
import { isLeft, isRight, type Either } from '../../lib/model/result.js';
import { decodeClient, decodeServer, encodeClient, encodeServer } from '../../lib/protocol/codec.js';
import { clientFrames, serverFrames } from './valid-frames.js';

const textOf = (decoded: Either<string, unknown>): string => (isLeft(decoded) ? decoded.left : 'not refused');

describe('frames of sessions with a view', () => {
  it('are accepted with views of the largest size, and none that is larger by one', () => {
    const rows = (count: number, chars = 1) =>
      Array.from({ length: count }, (_, n) => [n + 1, 'T'.repeat(chars), true]);
    const subscribe = (filters: unknown) => decodeClient(encodeValue([11, 1, 1, filters]));
    expect(isRight(subscribe(rows(256, 64)))).toBe(true);
    expect(textOf(subscribe(rows(257)))).toBe(
      'subscribe.filters must be at most 256 filters, received an array of 257',
    );
    expect(textOf(subscribe(rows(1, 65)))).toMatch('subscribe.filters[0].type must be a string of 1 to 64 characters');
    expect(textOf(subscribe([[0, 'T', true]]))).toMatch('subscribe.filters[0].id must be');
    expect(textOf(subscribe([[1, 'T']]))).toMatch('subscribe.filters[0].filter must be a value');
    const next = (chars: number) => decodeClient(encodeValue([12, 1, 1, 'p'.repeat(chars)]));
    expect(isRight(next(4_096))).toBe(true);
    expect(textOf(next(4_097))).toMatch('next.position must be a string of 0 to 4096 characters');
    const bind = (view: unknown) => decodeClient(encodeValue(clientFrames[0]!.with(-1, view)));
    expect(isRight(bind([null, rows(256), null]))).toBe(true);
    expect(textOf(bind([1, rows(257), null]))).toMatch('bind.view.filters must be at most 256 filters');
    expect(textOf(bind([1, rows(1), 's'.repeat(257)]))).toMatch('bind.view.scope must be');
    const view = (rejections: unknown) => decodeServer(encodeValue([44, 1, 1, 0, null, 'difference', 0, rejections]));
    const rejected = (count: number) => Array.from({ length: count }, (_, n) => [n + 1, 'bad-filter', '']);
    expect(isRight(view(rejected(256)))).toBe(true);
    expect(textOf(view(rejected(257)))).toMatch('view.rejections must be at most 256 rejections');
    expect(textOf(view([[1, 'bad-filter', 't'.repeat(501)]]))).toMatch('view.rejections[0].text must be');
  });

  it('are accepted with several pieces of one changeset in parts, and not in a download', () => {
    const body = new Uint8Array([0x91, 0x02]);
    const page = (...rows: readonly (readonly number[])[]) => [['a', 'b'], rows.map((row) => [...row, body])];
    const parts = (...rows: readonly (readonly number[])[]) =>
      textOf(decodeServer(encodeValue([46, 1, page(...rows), [], [], 9, 0, 0, 0])));
    expect(parts([1, 0, 5, 0], [1, 0, 5, 2], [1, 0, 5, 3], [2, 1, 4, 0])).toBe('not refused');
    for (const next of [
      [1, 0, 5, 2],
      [1, 0, 5, 1],
      [1, 1, 5, 3],
      [1, 0, 6, 3],
    ])
      expect(parts([1, 0, 5, 2], next)).toMatch('parts.changesets[1].count must be a count after 2');
    expect(parts([2, 0, 5, 0], [1, 0, 5, 1])).toMatch('parts.changesets[1].version must be a version after 1');
    const download = [35, 1, page([1, 0, 5, 0], [1, 0, 5, 2]), 9, 0, 0, 0];
    expect(textOf(decodeServer(encodeValue(download)))).toMatch('download.changesets[1].version must be');
  });

  it('are accepted as a last page of members with its version only, and other pages without one only', () => {
    const members = (position: unknown, upTo: unknown) =>
      textOf(decodeServer(encodeValue([45, 1, 1, [], [], position, upTo, 0, 0])));
    expect([members(null, 0), members(null, 7), members('p', null)]).toEqual(Array(3).fill('not refused'));
    expect(members(null, null)).toBe('members.upTo must be a version on the last page, received null');
    expect(members('p', 7)).toBe('members.upTo must be nil, because more pages follow, received 7');
  });

  it('are bind and bound as before without a view, and read nil as no view', () => {
    const frames = [clientFrames[0]!, serverFrames[0]!] as const;
    const [bind, bound] = frames.map((frame) => encodeValue(frame.slice(0, -1)));
    const [decodedBind, decodedBound] = [decodeClient(bind!), decodeServer(bound!)];
    if (isLeft(decodedBind) || isLeft(decodedBound)) throw new Error('not decoded');
    expect([decodedBind.right, decodedBound.right].map((message) => 'view' in message)).toEqual([false, false]);
    expect([encodeClient(decodedBind.right), encodeServer(decodedBound.right)]).toEqual([bind, bound]);
    expect(decodeClient(encodeValue(frames[0].with(-1, null)))).toEqual(decodedBind);
    expect(decodeServer(encodeValue(frames[1].with(-1, null)))).toEqual(decodedBound);
  });
});
