import { readFilter } from '../../filter/read-filter.js';
import { isLeft } from '../../model/result.js';
import { encodeValue } from '../../model/msgpack.js';
import { createDamageError, decodeStoredFields, storedFieldsOf } from '../../model/stored-data.js';
import type { EditCall } from './edit-subscriptions.js';

const kind = 'change of subscriptions of a tab';

/**
 * Encodes the calls of a change for another tab: `[method, name, type, filter, can replace]` of each. The numbers of
 * added subscriptions are left out, because the other tab gives them.
 */
export const encodeCalls = (calls: readonly EditCall[]): Uint8Array =>
  encodeValue(
    calls.map((call) => {
      if (call.method === 'clear') return [call.method, null, call.type];
      if (call.method === 'remove') return [call.method, call.which];
      return [call.method, call.name, call.type, call.filter, call.method === 'set' && call.canReplace];
    }),
  );

const decodeCall = (given: unknown): EditCall => {
  const [method, name, type, stored, canReplace] = storedFieldsOf(kind, given);
  if (method === 'clear' && (type === null || typeof type === 'string')) return { method, type };
  if (method === 'remove' && (typeof name === 'number' || typeof name === 'string')) return { method, which: name };
  const filter = readFilter(stored);
  const isNamed = name === null || typeof name === 'string';
  if (typeof type !== 'string' || !isNamed || isLeft(filter)) throw createDamageError('record', kind);
  if (method === 'set') return { method, name, type, filter: filter.right, canReplace: canReplace === true };
  if (method === 'removeSame') return { method, name, type, filter: filter.right };
  throw createDamageError('record', kind);
};

/** Decodes the calls of a change. Throws a `StorageError` for other bytes, which a script may have sent. */
export const decodeCalls = (bytes: Uint8Array): readonly EditCall[] => decodeStoredFields(kind, bytes).map(decodeCall);
