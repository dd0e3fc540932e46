import { left, right } from '../../../lib/model/result.js';
import { fromJson } from '../../../lib/store/transfer/json-values.js';

describe('a value of an import', () => {
  it.each([
    ['date', '2024-05-01T08:00:00Z', new Date('2024-05-01T08:00:00Z')],
    ['data', 'AQI=', Uint8Array.of(1, 2)],
    ['mixed', { a: [{ $bytes: 'AQI=' }] }, { a: [Uint8Array.of(1, 2)] }],
    ['mixed', { $record: { $bytes: 1 } }, { $bytes: 1 }],
    ['string', 'x', 'x'],
    ['date', null, null],
  ] as const)('is converted: %s from %j', (kind, json, value) => {
    expect(fromJson(kind, json)).toEqual(right(value));
  });

  it.each([
    ['date', '1 May 2024', 'a date as text, like 2024-05-01T08:00:00.000Z'],
    ['date', 7, 'a date as text, like 2024-05-01T08:00:00.000Z'],
    ['data', '*', 'bytes as base64'],
    ['mixed', [{ $bytes: 7 }], 'a mixed value, in it {"$bytes": base64} and {"$record": a record}'],
  ] as const)('that is invalid is answered with the expected JSON: %s from %j', (kind, json, expected) => {
    expect(fromJson(kind, json)).toEqual(left(expected));
  });
});
