import fc from 'fast-check';
import { errorOf, toErrorRecord } from '../../lib/model/error-record.js';
import { InvalidArgumentError, StorageError, SyncError } from '../../lib/model/errors.js';

/** A record as another tab receives it. */
const cloneOf = (thrown: unknown): unknown => structuredClone(toErrorRecord(thrown));

const fieldsOf = (error: Error) => [Object.fromEntries(Object.entries(error)), error.message];

describe('the error of a record from another tab', () => {
  it.each([
    new StorageError('It is full.'),
    new InvalidArgumentError('limit', 'a whole number', 'x'),
    new SyncError('other-user', 'No.'),
  ])('is of the class of the thrown one, with its fields', (thrown) => {
    const error = errorOf(cloneOf(thrown));
    expect(error).toBeInstanceOf(thrown.constructor);
    expect(fieldsOf(error)).toEqual(fieldsOf(thrown));
  });

  it('is an Error for every record, with a text as message and no other prototype', () => {
    const names = fc.oneof(
      fc.constantFrom('toString', '__proto__', 'constructor', 'Error'),
      fc.string(),
      fc.anything(),
    );
    fc.assert(
      fc.property(names, fc.anything(), fc.anything(), (name, message, value) => {
        const record = JSON.parse('{"__proto__":{"isForged":true}}') as Record<string, unknown>;
        const error = errorOf(Object.assign(record, { name, message, value }));
        expect(error).toBeInstanceOf(Error);
        expect(typeof error.message).toBe('string');
        expect('isForged' in error).toBe(false);
      }),
    );
    expect(errorOf(null)).toBeInstanceOf(Error);
  });
});
