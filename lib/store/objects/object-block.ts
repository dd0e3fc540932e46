import { decodeValue, encodeValue } from '../../model/msgpack.js';
import { isBytes } from '../../model/built-ins.js';
import { isLeft } from '../../model/result.js';
import { createDamageError } from '../../model/stored-data.js';
import { parseSortableText, sortableTextOf } from '../../model/sortable-number.js';
import type { Key } from '../../model/value.js';
import { isCount } from '../../model/version.js';
import { isKey, isName } from '../../merge/decoders.js';
import { blockPrefix } from '../storage-keys.js';

/*
 * A block is one record with the states of many objects. A download of ten thousand objects is then two hundred records
 * instead of ten thousand, which took half of the time of a download and of opening the realm (measured).
 *
 * A row of a block is valid until the storage has a record of its own for that object: a later state, or an empty value
 * where nothing is left of the object.
 */

/** A block in memory. */
export interface ObjectBlock {
  readonly key: string;
  /** The block as it is stored. */
  readonly record: Uint8Array;
  /** The encoded states of its objects, one after the other: a part of the record. */
  readonly states: Uint8Array;
  readonly rows: number;
  /** Number of rows that are the latest durable state of their object. */
  live: number;
  /** Whether the block was removed from the storage. */
  isDropped: boolean;
  /** Whether its valid rows are being moved to another block. */
  isMoving: boolean;
}

/** The encoded state of one object. */
export interface EncodedObject {
  readonly type: string;
  readonly key: Key;
  readonly bytes: Uint8Array;
}

/** The place of one object in a block. */
export interface BlockRow {
  readonly type: string;
  readonly key: Key;
  readonly from: number;
  readonly to: number;
}

const checksumBytes = 4;
/** Bytes before the states in a record: the checksum, the head of an array, and the head of bytes. */
const blockHeadBytes = checksumBytes + 5 + 5;

/**
 * Returns Adler-32, which finds damage fast enough for opening: two additions for each byte. The sums cannot overflow
 * within a slice.
 */
const checksumOf = (bytes: Uint8Array, start: number): number => {
  let a = 1;
  let b = 0;
  for (let from = start; from < bytes.byteLength; from += 4_096) {
    const to = Math.min(from + 4_096, bytes.byteLength);
    for (let at = from; at < to; at += 1) {
      a += bytes[at] as unknown as number;
      b += a;
    }
    a %= 65_521;
    b %= 65_521;
  }
  return (b * 65_536 + a) >>> 0;
};

export const blockKeyOf = (id: number): string => `${blockPrefix}${sortableTextOf(id)}`;

/** Returns the number in the key of a block. Throws a `StorageError` for another key. */
export const parseBlockKey = (key: string): number => parseSortableText(key.slice(blockPrefix.length), key);

/** Copies encoded states into one buffer. */
const joinStates = (objects: readonly EncodedObject[]): Uint8Array => {
  const states = new Uint8Array(objects.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
  let at = 0;
  for (const { bytes } of objects) {
    states.set(bytes, at);
    at += bytes.byteLength;
  }
  return states;
};

/** Rows of one type: for each its key and the length of its state, one after the other. */
export interface RowRun {
  readonly type: string;
  readonly keysAndLengths: Key[];
}

/** Divides rows into runs of one type. */
const runsOf = (objects: readonly EncodedObject[]): readonly RowRun[] => {
  const runs: RowRun[] = [];
  for (const { type, key, bytes } of objects) {
    let run = runs.at(-1);
    if (run?.type !== type) runs.push((run = { type, keysAndLengths: [] }));
    run.keysAndLengths.push(key, bytes.byteLength);
  }
  return runs;
};

/** A block as it is stored. */
export interface EncodedBlock {
  readonly record: Uint8Array;
  /** The part of the record that has the states. */
  readonly states: Uint8Array;
}

/**
 * Encodes a block: a checksum of the rest, then an array of the states, and for each run its type and an array of its
 * keys and lengths. The record is written once: the states in it are those in memory.
 */
export const encodeRuns = (states: Uint8Array, runs: readonly RowRun[]): EncodedBlock => {
  const parts = runs.map(({ type, keysAndLengths }) => encodeValue([type, keysAndLengths]).subarray(1)); // No head.
  const length = parts.reduce((sum, part) => sum + part.byteLength, blockHeadBytes + states.byteLength);
  const record = new Uint8Array(length);
  const view = new DataView(record.buffer);
  record[checksumBytes] = 0xdd;
  view.setUint32(checksumBytes + 1, 1 + 2 * runs.length);
  record[checksumBytes + 5] = 0xc6;
  view.setUint32(checksumBytes + 6, states.byteLength);
  record.set(states, blockHeadBytes);
  let at = blockHeadBytes + states.byteLength;
  for (const part of parts) {
    record.set(part, at);
    at += part.byteLength;
  }
  view.setUint32(0, checksumOf(record, checksumBytes));
  return { record, states: record.subarray(blockHeadBytes, blockHeadBytes + states.byteLength) };
};

/** Encodes a block of objects. */
export const encodeBlock = (objects: readonly EncodedObject[]): EncodedBlock =>
  encodeRuns(joinStates(objects), runsOf(objects));

/** Adds the rows to `rows`. Throws a `StorageError` at the first invalid one. */
const readRows = (storageKey: string, states: Uint8Array, fields: readonly unknown[], rows: BlockRow[]): void => {
  let from = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const [type, keys] = [fields[at], fields[at + 1]];
    if (!isName(type) || !Array.isArray(keys) || keys.length % 2 !== 0) throw createDamageError('record', storageKey);
    for (let index = 0; index < keys.length; index += 2) {
      const key: unknown = keys[index];
      const length: unknown = keys[index + 1];
      if (!isKey(key) || !isCount(length)) throw createDamageError('record', storageKey);
      rows.push({ type, key, from, to: (from += length) });
    }
  }
  if (from !== states.byteLength) throw createDamageError('record', storageKey, 'its states have another length');
};

/** Decodes a block without reading its states. Throws a `StorageError` for other bytes. */
export const decodeBlock = (
  storageKey: string,
  record: Uint8Array,
): { readonly states: Uint8Array; readonly rows: readonly BlockRow[] } => {
  const { buffer, byteOffset, byteLength } = record;
  if (byteLength < checksumBytes) throw createDamageError('record', storageKey);
  if (new DataView(buffer, byteOffset, byteLength).getUint32(0) !== checksumOf(record, checksumBytes))
    throw createDamageError('record', storageKey, 'its checksum is wrong');
  const read = decodeValue(record.subarray(checksumBytes));
  if (isLeft(read) || !Array.isArray(read.right)) throw createDamageError('record', storageKey);
  const [states, ...fields] = read.right as readonly unknown[];
  if (!isBytes(states)) throw createDamageError('record', storageKey);
  const rows: BlockRow[] = [];
  readRows(storageKey, states, fields, rows);
  return { states, rows };
};

/** Decodes as much of a damaged block as can be read. Never throws. Its states may be damaged, too. */
export const salvageBlock = (
  record: Uint8Array,
): { readonly states: Uint8Array; readonly rows: readonly BlockRow[] } => {
  const read = decodeValue(record.subarray(checksumBytes));
  const [states, ...fields] = isLeft(read) || !Array.isArray(read.right) ? [] : (read.right as readonly unknown[]);
  const rows: BlockRow[] = [];
  if (!isBytes(states)) return { states: new Uint8Array(0), rows };
  try {
    readRows('', states, fields, rows);
  } catch {
    // The rows before the damage are enough.
  }
  return { states, rows };
};
