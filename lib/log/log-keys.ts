import { utf8Decoder, utf8Encoder } from '../model/built-ins.js';
import { createDamageError } from '../model/stored-data.js';
import { parseSortableText, sortableTextOf } from '../model/sortable-number.js';
import { isCount, type Version } from '../model/version.js';

/** The storage keys of one log, which all start with its prefix. Entries come first, then the floor. */
export interface LogKeys {
  readonly entry: (version: Version) => string;
  /**
   * Returns the version of an entry's key.
   *
   * @throws StorageError for another key.
   */
  readonly versionOf: (key: string) => Version;
  /** The first key after all entries. */
  readonly end: string;
  readonly floor: string;
}

export const createLogKeys = (prefix: string): LogKeys => ({
  entry: (version) => `${prefix}e${sortableTextOf(version)}`,
  versionOf: (key) => parseSortableText(key.slice(prefix.length + 1), key),
  end: `${prefix}f`,
  floor: `${prefix}floor`,
});

/** Encodes a version as the bytes of its decimal digits. */
export const encodeVersion = (version: Version): Uint8Array => utf8Encoder.encode(String(version));

/**
 * Decodes the version that is stored under a key.
 *
 * @throws StorageError for other bytes.
 */
export const decodeVersion = (key: string, bytes: Uint8Array): Version => {
  const text = utf8Decoder.decode(bytes);
  const version = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (isCount(version)) return version;
  throw createDamageError('record', key);
};
