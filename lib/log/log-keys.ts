import { utf8Decoder, utf8Encoder } from '../model/built-ins.js';
import { StorageError } from '../model/errors.js';
import { isCount, type Version } from '../model/version.js';

/** Digits that hold every version in base 36: with leading zeros, the order of keys is the order of versions. */
const digits = 11;

/** The keys of one log. Its entries come first, then what it remembers of itself; all start with its prefix. */
export interface LogKeys {
  readonly entry: (version: Version) => string;
  /** The version that a key of an entry stands for. Throws a `StorageError` for another key. */
  readonly versionOf: (key: string) => Version;
  /** The first key after all entries. */
  readonly end: string;
  readonly floor: string;
}

export const createLogKeys = (prefix: string): LogKeys => ({
  entry: (version) => `${prefix}e${version.toString(36).padStart(digits, '0')}`,
  versionOf: (key) => {
    const text = key.slice(prefix.length + 1);
    const version = /^[0-9a-z]{11}$/.test(text) ? parseInt(text, 36) : NaN;
    if (isCount(version)) return version;
    throw new StorageError(`a log has a key that is none: ${key.slice(0, 80)}`);
  },
  end: `${prefix}f`,
  floor: `${prefix}floor`,
});

/** A version as the bytes of its decimal digits. */
export const encodeVersion = (version: Version): Uint8Array => utf8Encoder.encode(String(version));

/** Throws a `StorageError` for bytes that are no version. */
export const decodeVersion = (bytes: Uint8Array): Version => {
  const text = utf8Decoder.decode(bytes);
  const version = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (isCount(version)) return version;
  throw new StorageError('the floor of a log is torn');
};
