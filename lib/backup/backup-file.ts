import { isBytes } from '../model/built-ins.js';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import type { FileHandle } from 'node:fs/promises';
import { decodeValue, encodeValue } from '../model/msgpack.js';
import { isLeft } from '../model/result.js';
import { isCount } from '../model/version.js';
import type { StorageEntry } from '../storage/storage.js';
import { BackupError } from './backup-error.js';

/*
 * A backup: a line of text, frames of a length (4 bytes, most significant first) and this many bytes of MessagePack, `[[key, value], …]`, compressed (raw deflate);
 * a frame of length 0; and, to its end, `[entries, SHA-256 of all before]`. Whatever is cut off or changed shows.
 */
const magic = Buffer.from('tidemark backup 2\n');

const compress = promisify<Uint8Array, object, Buffer>(deflateRaw);
const decompress = promisify<Uint8Array, object, Buffer>(inflateRaw);
/** Little of zlib's effort: three times as fast as the default for a tenth more bytes. */
const compressionLevel = 1;

/**
 * Bytes of a frame: more than any page of a storage has, and less than what a damaged length would have us allocate.
 */
const frameBytesMax = 512 * 1024 * 1024;

const encodeLength = (bytes: number): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes);
  return length;
};

/** What is written of a backup, in order. */
export interface BackupWriter {
  /** Resolves with what is written so far. */
  readonly writeEntries: (
    entries: readonly StorageEntry[],
  ) => Promise<{ readonly entries: number; readonly bytes: number }>;
  /** Ends it; resolves when it is on the disk. */
  readonly end: () => Promise<{ readonly entries: number; readonly bytes: number }>;
}

export const createBackupWriter = async (file: FileHandle): Promise<BackupWriter> => {
  const hash = createHash('sha256');
  let [count, bytes] = [0, 0];
  const write = async (part: Uint8Array): Promise<void> => {
    hash.update(part);
    bytes += part.byteLength;
    for (let at = 0; at < part.byteLength;) at += (await file.write(part, at)).bytesWritten;
  };
  await write(magic);
  return {
    writeEntries: async (entries) => {
      const page = await compress(encodeValue(entries), { level: compressionLevel });
      await write(encodeLength(page.byteLength));
      await write(page);
      count += entries.length;
      return { entries: count, bytes };
    },
    end: async () => {
      await write(encodeLength(0));
      await write(encodeValue([count, new Uint8Array(hash.copy().digest())]));
      await file.sync();
      return { entries: count, bytes };
    },
  };
};

const createDamageError = (name: string, what: string): BackupError =>
  new BackupError(`${name} is no whole backup: ${what}. Nothing was changed.`);

const isEntry = (given: unknown): given is StorageEntry =>
  Array.isArray(given) && given.length === 2 && typeof given[0] === 'string' && isBytes(given[1]);

const decodeEntries = async (name: string, page: Uint8Array): Promise<readonly StorageEntry[]> => {
  const whole = await decompress(page, { maxOutputLength: frameBytesMax }).catch((thrown: unknown) => {
    throw createDamageError(name, `a page cannot be expanded (${(thrown as Error).message})`);
  });
  const read = decodeValue(whole);
  if (isLeft(read)) throw createDamageError(name, read.left);
  if (!Array.isArray(read.right) || !read.right.every(isEntry))
    throw createDamageError(name, 'a page of it holds no entries');
  return read.right;
};

/**
 * Reads a backup from its start, page by page; throws a `BackupError` where it is damaged: only after the last page is
 * it known to be whole.
 */
export async function* pagesOf(
  file: FileHandle,
  name: string,
  progress: (sofar: { readonly entries: number; readonly bytes: number }) => void = () => undefined,
): AsyncGenerator<readonly StorageEntry[]> {
  const hash = createHash('sha256');
  let [at, count] = [0, 0];
  const take = async (length: number, what: string): Promise<Buffer> => {
    const part = Buffer.allocUnsafeSlow(length); // Its own: the values of entries are views of it.
    let got = 0;
    while (got < length) {
      const { bytesRead } = await file.read(part, got, length - got, at + got);
      if (bytesRead === 0) throw createDamageError(name, `it ends in the middle of ${what}`);
      got += bytesRead;
    }
    at += length;
    return part;
  };
  const hashed = async (length: number, what: string): Promise<Buffer> => {
    const part = await take(length, what);
    hash.update(part);
    return part;
  };
  if (!(await hashed(magic.byteLength, 'its first line')).equals(magic))
    throw createDamageError(name, 'it is another file');
  for (;;) {
    const length = (await hashed(4, 'a length')).readUInt32BE();
    if (length === 0) break;
    if (length > frameBytesMax) throw createDamageError(name, `a page of ${length} bytes`);
    const entries = await decodeEntries(name, await hashed(length, 'a page'));
    count += entries.length;
    progress({ entries: count, bytes: at });
    yield entries;
  }
  const { size } = await file.stat();
  if (size - at > 1_000) throw createDamageError(name, 'it goes on after its end');
  const end = decodeValue(await take(size - at, 'its end'));
  const [entries, sum] = isLeft(end) || !Array.isArray(end.right) ? [] : (end.right as unknown[]);
  if (!isCount(entries) || !isBytes(sum)) throw createDamageError(name, 'its end is missing');
  if (entries !== count || !hash.digest().equals(sum))
    throw createDamageError(name, 'its bytes are not those that were written');
}
