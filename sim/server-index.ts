import { isAlive } from '../lib/merge/object-state.js';
import { decodeObjectState } from '../lib/server/history/stored-objects.js';
import { InvariantError } from './invariants.js';

const indexKey = /^realm\/[^/]+\/index\/([^/]+)\/([^/]+)\/.*(\/[^/]+)$/;
const objectKey = /^realm\/[^/]+\/object\/(.+)$/;

/** Checks that the index of a server has only objects that exist, each once for each watched property. */
export const checkServerIndex = (entries: ReadonlyMap<string, Uint8Array>): void => {
  const living = new Set<string>();
  for (const [key, bytes] of entries) {
    const text = objectKey.exec(key)?.[1];
    if (text !== undefined && isAlive(decodeObjectState(text, bytes))) living.add(text);
  }
  const rows = new Set<string>();
  for (const key of entries.keys()) {
    const [, type = '', position = '', end = ''] = indexKey.exec(key) ?? [];
    if (end === '') continue;
    const row = `${position}/${type}${end}`;
    if (!living.has(type + end) || rows.has(row))
      throw new InvariantError('the index of a server has what exists, once', key);
    rows.add(row);
  }
};
