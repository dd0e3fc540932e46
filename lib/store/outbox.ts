import { fromBytes, toBytes } from '../model/bytes.js';
import type { Changeset } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import { isVersion } from '../model/version.js';
import { outboxPrefix } from './keys.js';

/** What the log of the outbox calls its entries. */
export const outboxEntries = `${outboxPrefix}e`;

export const damaged = (what: string, text: string): StorageError =>
  new StorageError(`The storage of this realm is damaged: ${what} cannot be read (${text}). It was left as it is.`);

export const encodeChangeset = ({ version, time, count, body }: Changeset): Uint8Array =>
  toBytes([version, time, count, body]);

/** Throws a `StorageError` for bytes that are none. */
export const decodeChangeset = (bytes: Uint8Array): Changeset => {
  const read = fromBytes(bytes);
  const fields: readonly unknown[] = isLeft(read) || !Array.isArray(read.right) ? [] : (read.right as unknown[]);
  const [version, time, count, body] = fields;
  if (isVersion(version) && isVersion(time) && isVersion(count) && body instanceof Uint8Array) {
    return { version, time, count, body };
  }
  throw damaged('a change that waits to be uploaded', `${bytes.byteLength} bytes that are none`);
};
