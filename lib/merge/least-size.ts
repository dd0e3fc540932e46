import { isBytes } from '../model/built-ins.js';
import type { Value } from '../model/value.js';
import { collectionStateOf, type CollectionState } from './collection-state.js';
import type { ObjectState } from './object-state.js';

/* Bytes that a part of an encoded state has at least, with the shortest stamps. */
const elementBytes = 9;
const tombstoneBytes = 6;
const entryBytes = 8;
const lifeBytes = 10;

const leastSizeOfValue = (value: Value): number => {
  if (typeof value === 'string') return 1 + value.length;
  if (typeof value !== 'object' || value === null) return 1;
  return 1 + (isBytes(value) ? value.byteLength : Object.keys(value).length);
};

const leastSizeOfCollection = ({ list, entries, counter }: CollectionState): number =>
  list.elements.length * elementBytes +
  list.tombstones.size * tombstoneBytes +
  entries.size * entryBytes +
  counter.length * lifeBytes;

/**
 * Returns a number of bytes that the encoded state has at least. It takes time for each property, and none for the
 * elements of lists, sets and dictionaries.
 */
export const leastSizeOf = ({ values, collections }: ObjectState): number => {
  let size = 4;
  for (const property in values) size += 1 + property.length + leastSizeOfValue(values[property] ?? null);
  for (const property in collections)
    size += 1 + property.length + leastSizeOfCollection(collectionStateOf(collections, property));
  return size;
};
