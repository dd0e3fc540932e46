import { utf8Decoder, utf8Encoder } from '../model/built-ins.js';
import { StorageError } from '../model/errors.js';
import { sortableTextOf } from '../model/sortable-number.js';
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
  versionOf: (key) => {
    const text = key.slice(prefix.length + 1);
    const version = /^[0-9a-z]{11}$/.test(text) ? parseInt(text, 36) : NaN;
    if (isCount(version)) return version;
    throw new StorageError(`A log has an invalid key: ${key.slice(0, 80)}.`);
  },
  end: `${prefix}f`,
  floor: `${prefix}floor`,
});

/** Encodes a version as the bytes of its decimal digits. */
export const encodeVersion = (version: Version): Uint8Array => utf8Encoder.encode(String(version));

/**
 * Decodes a version.
 *
 * @throws StorageError for other bytes.
 */
export const decodeVersion = (bytes: Uint8Array): Version => {
  const text = utf8Decoder.decode(bytes);
  const version = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (isCount(version)) return version;
  throw new StorageError('The floor of a log is corrupt.');
};
