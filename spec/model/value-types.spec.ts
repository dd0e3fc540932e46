import { checkKey, fits, type ValueType, toAppValue, toStoredValue } from '../../lib/model/value-types.js';
import { SchemaError } from '../../lib/model/errors.js';

const uuid = '0123abcd-0000-4000-8000-00000000000a';
const bytes = new Uint8Array([1, 2]);

describe('a value that an app gives', () => {
  it.each<[ValueType, unknown, unknown]>([
    ['string', 'a', 'a'],
    ['string', '', ''],
    ['string', 'a\ud83d', 'a\ufffd'],
    ['string', '💚', '💚'],
    ['int', -7, -7],
    ['int', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['int', -0, 0],
    ['double', 0.5, 0.5],
    ['double', -0, 0],
    ['double', Number.MIN_VALUE, Number.MIN_VALUE],
    ['bool', false, false],
    ['date', new Date(-5), -5],
    ['date', new Date(8.64e15), 8.64e15],
    ['uuid', uuid.toUpperCase(), uuid],
    ['data', bytes, bytes],
    ['data', Buffer.from(bytes), bytes],
  ])('is stored as a %s: %p as %p', (kind, given, expected) => {
    const value = toStoredValue(kind, given);
    expect(value).toEqual(expected);
    expect(Object.is(value, -0)).toBe(false);
    expect(value !== undefined && fits(kind, value)).toBe(true);
    expect(toStoredValue(kind, toAppValue(kind, value ?? null))).toEqual(expected);
  });

  it.each<[ValueType, unknown]>([
    ['string', 7],
    ['string', new Date(5)],
    ['int', 0.5],
    ['int', 2 ** 53],
    ['int', NaN],
    ['int', '7'],
    ['int', 7n],
    ['double', NaN],
    ['double', Infinity],
    ['double', -Infinity],
    ['bool', 0],
    ['bool', 'true'],
    ['date', 5],
    ['date', new Date(NaN)],
    ['date', '2026-01-01'],
    ['data', [1, 2]],
    ['data', 'AQI='],
    ['data', bytes.buffer],
    ['uuid', 'abc'],
    ['uuid', `${uuid}0`],
    ['uuid', `{${uuid}}`],
    ...(['string', 'int', 'double', 'bool', 'date', 'data', 'uuid'] as const).flatMap(
      (kind): [ValueType, unknown][] => [
        [kind, null],
        [kind, undefined],
        [kind, {}],
        [kind, () => 1],
        [kind, Symbol('a')],
      ],
    ),
  ])('is not a valid %s when it is %p', (kind, given) => {
    expect(toStoredValue(kind, given)).toBeUndefined();
  });

  it('is copied on the way in and out when it is bytes', () => {
    expect(toStoredValue('data', bytes)).not.toBe(bytes);
    expect(toAppValue('data', bytes)).not.toBe(bytes);
  });
});

describe('a value that was received', () => {
  it('is valid only in the one form that every replica stores', () => {
    expect(fits('uuid', uuid)).toBe(true);
    expect(fits('uuid', uuid.toUpperCase())).toBe(false);
    expect(fits('date', 5)).toBe(true);
    expect(fits('date', 0.5)).toBe(false);
    expect(fits('date', 8.64e15 + 1)).toBe(false);
    expect(fits('int', null)).toBe(false);
  });
});

describe('a primary key', () => {
  const shapeOf = (kind: ValueType) => ({ name: 'T', primaryKey: { name: 'id', kind, optional: false, link: null } });

  it('has the kind that the schema declares, in stored form', () => {
    expect(checkKey(shapeOf('string'), 'a')).toBe('a');
    expect(checkKey(shapeOf('uuid'), uuid.toUpperCase())).toBe(uuid);
    expect(Object.is(checkKey(shapeOf('int'), -0), 0)).toBe(true);
  });

  it.each<[ValueType, unknown]>([
    ['string', ''],
    ['string', 'a'.repeat(201)],
    ['string', 'a\udc00'],
    ['string', 7],
    ['int', 0.5],
    ['int', '7'],
    ['uuid', 'abc'],
    ['string', null],
    ['int', undefined],
  ])('of a %s is not %p', (kind, given) => {
    expect(() => checkKey(shapeOf(kind), given)).toThrow(SchemaError);
  });
});
