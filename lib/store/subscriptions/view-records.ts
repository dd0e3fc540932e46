import { encodeValue } from '../../model/msgpack.js';
import { isSameValue } from '../../model/value.js';
import { createDamageError, decodeStoredFields, decodeStoredValue, storedFieldsOf } from '../../model/stored-data.js';
import { isCount, type Version } from '../../model/version.js';
import type { PlacedView, ViewFilter } from '../../model/view.js';
import type { StorageChange } from '../../storage/storage.js';
import { viewKey } from '../storage-keys.js';

/** Encodes a view: `[number, [[id, type, filter], …], scope]`. */
const encodeView = ({ number, filters, scope }: PlacedView): Uint8Array =>
  encodeValue([number, filters.map(({ id, type, filter }) => [id, type, filter]), scope]);

export const toViewPut = (view: PlacedView): StorageChange => ({ type: 'put', key: viewKey, value: encodeView(view) });

const readFilterFields = (key: string, given: unknown): ViewFilter => {
  const [id, type, filter] = storedFieldsOf(key, given);
  if (!isCount(id) || typeof type !== 'string') throw createDamageError('record', key);
  return { id, type, filter };
};

/** Decodes a stored view. Throws a `StorageError` for other bytes. */
export const decodeView = (key: string, bytes: Uint8Array): PlacedView => {
  const [number, filters, scope] = decodeStoredFields(key, bytes);
  if (!isCount(number) || !(scope === null || typeof scope === 'string')) throw createDamageError('record', key);
  return { number, filters: storedFieldsOf(key, filters).map((each) => readFilterFields(key, each)), scope };
};

/** Whether two views are equal. The same number may have other filters, because the server has rejected some. */
export const isSameView = (a: PlacedView, b: PlacedView): boolean => isSameValue(encodeView(a), encodeView(b));

export const encodeDetached = (version: Version): Uint8Array => encodeValue(version);

/** Decodes the client version in the record of a detached object. Throws a `StorageError` for other bytes. */
export const decodeDetached = (key: string, bytes: Uint8Array): Version => {
  const version = decodeStoredValue(key, bytes);
  if (!isCount(version)) throw createDamageError('record', key);
  return version;
};
