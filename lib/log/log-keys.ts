import { utf8Decoder, utf8Encoder } from '../model/built-ins.js';
import { createDamageError } from '../model/stored-data.js';
import { parseSortableText, sortableTextOf } from '../model/sortable-number.js';
import { isCount, type Version } from '../model/version.js';

/** The storage keys of one log, which all start with its prefix: first blocks, then single entries, then the floor. */
export interface LogKeys {
  readonly prefix: string;
  readonly entry: (version: Version) => string;
  /**
   * Returns the version in the key of an entry or a block.
   *
   * @throws StorageError for another key.
   */
  readonly versionOf: (key: string) => Version;
  /** The first key after all entries. */
  readonly end: string;
  readonly floor: string;
}

export const createLogKeys = (prefix: string): LogKeys => ({
  prefix,
  entry: (version) => `${prefix}e${sortableTextOf(version)}`,
  versionOf: (key) => parseSortableText(key.slice(prefix.length + 1), key),
  end: `${prefix}f`,
  floor: `${prefix}floor`,
});

/** Returns the key of the block that begins with a version. */
export const blockKeyOf = ({ prefix }: LogKeys, version: Version): string => `${prefix}b${sortableTextOf(version)}`;

/** Returns the first key after all blocks. */
export const blocksEndOf = ({ prefix }: LogKeys): string => `${prefix}c`;

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
