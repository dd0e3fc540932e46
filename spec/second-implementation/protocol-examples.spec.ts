import fc from 'fast-check';
import { right } from '../../lib/model/result.js';
import { decodeClient, decodeServer, encodeClient, encodeServer } from '../../lib/protocol/codec.js';
import { anyClientMessage, anyServerMessage, seeded } from '../protocol/arbitrary-messages.js';
import { codeBlocksOf, parseHex, parseValue } from '../protocol/protocol-page.js';
import { matches } from './filters.js';
import { fromServer, toServer } from './message-frames.js';
import { pack, unpack, type Value } from './msgpack.js';
import { MergedObject } from './merged-object.js';
import { readBody, writeBody } from './operations.js';
import { stampOf } from './timestamps.js';

/*
 * `spec/second-implementation` implements the protocol from docs/PROTOCOL.md alone: it shares no code with `lib`.
 */

const linesOf = (language: string): readonly string[] =>
  codeBlocksOf(language).flatMap(({ text }) => text.trim().split('\n'));

const frameOf = (text: string): Uint8Array =>
  text.startsWith('hex ') ? parseHex(text.slice(4)) : pack(parseValue(text) as Value);

describe('the examples of docs/PROTOCOL.md in a second implementation', () => {
  it.each(linesOf('frames'))('field report E-11: it decodes and encodes a frame, %s', (line) => {
    const [, from = '', frame = '', type = '', fields = ''] = /^(\S)→\S (.*?) = (\w+) (\{.*\})$/.exec(line) ?? [];
    const expected = { type, ...(parseValue(fields) as object) };
    const codec = from === 'C' ? toServer : fromServer;
    const message = codec.decode(frameOf(frame));
    expect(message).toEqual(expected);
    expect(codec.decode(codec.encode(message as never))).toEqual(expected);
  });

  it('it decodes every message of a view as the first implementation encodes it, and the other way round', () => {
    const ofViews = ['bind', 'bound', 'subscribe', 'next', 'view', 'members', 'parts'];
    const isOfView = ({ type }: { readonly type: string }) => ofViews.includes(type);
    const client = fc.property(anyClientMessage.filter(isOfView), (given) => {
      const message = given.type === 'bind' ? { ...given, realm: 'team' } : given;
      expect(toServer.decode(encodeClient(message))).toEqual(message);
      expect(decodeClient(toServer.encode(message as never))).toEqual(right(message));
    });
    const server = fc.property(anyServerMessage.filter(isOfView), (message) => {
      expect(fromServer.decode(encodeServer(message))).toEqual(message);
      expect(decodeServer(fromServer.encode(message as never))).toEqual(right(message));
    });
    fc.assert(client, { numRuns: 500, ...seeded });
    fc.assert(server, { numRuns: 500, ...seeded });
  });

  it.each(linesOf('filters'))('it evaluates a filter, %s', (line) => {
    const [given = '', expected = ''] = line.split(' = ');
    const [key, values, filter] = parseValue(given) as [string, Readonly<Record<string, Value>>, Value];
    expect(String(matches(filter, { key, values }))).toBe(expected);
  });

  it.each(linesOf('operations'))('field report E-11: it decodes and encodes a body, %s', (line) => {
    const [hex = '', array = ''] = line.split(' = ');
    expect(unpack(parseHex(hex))).toEqual(parseValue(array));
    expect(unpack(writeBody(readBody(parseHex(hex))))).toEqual(parseValue(array));
  });

  it.each(codeBlocksOf('states').map(({ text }) => [text.trim().split('\n')]))(
    'field report E-11: it merges, decodes and encodes a state, %#',
    (lines) => {
      const state = parseValue(lines.at(-1)!.slice(2)) as Value;
      const rows = lines.slice(0, -1).map((line) => parseValue(line) as [number, number, string, Value]);
      for (const order of [rows, rows.toReversed()]) {
        const object = new MergedObject();
        for (const [time, count, replica, operations] of order)
          readBody(pack(operations)).forEach((each, n) => object.apply(each, stampOf({ time, count }, replica, n)));
        const read = MergedObject.read(pack(state)); // Elements of one run may be stored together or separately.
        expect(sorted(unpack(object.write()))).toEqual(sorted(unpack(read.write())));
      }
    },
  );
});

/** Sorts all arrays, because entries and the names of removed elements may come in any order. */
const sorted = (value: Value): Value => {
  if (Array.isArray(value)) {
    const each = (value as readonly Value[]).map(sorted);
    return each.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, sorted(each)]));
};
