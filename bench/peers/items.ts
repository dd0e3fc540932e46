import type { Item } from './peer.js';

const words = (
  'amber birch cedar delta ember fjord grove heron inlet jetty kayak ledge maple north oasis ' +
  'prism quartz ridge slate tidal umber vivid wharf xenon yield zephyr'
).split(' ');

/** Hashes an integer. Ids and titles are the same in every process. */
const hash = (value: number): number => {
  let mixed = value;
  for (let round = 0; round < 2; round += 1) mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
};

const randomCharacters = 12;
const prefixCharacters = 2;

/** The purpose of an item: measured, warm-up, first contact, idle client. */
export type ItemPrefix = 'me' | 'wu' | 'fc' | 'id';

/**
 * Creates the id of an item: random characters, prefix, index. Ids arrive in random order, as UUIDs do, which costs
 * sorted storages more than a growing number.
 */
export const itemIdOf = (prefix: ItemPrefix, index: number): string =>
  [hash(index * 2 + 1), hash(index * 2 + 2)]
    .map((value) => value.toString(36).padStart(7, '0'))
    .join('')
    .slice(0, randomCharacters) +
  prefix +
  index.toString(36).padStart(6, '0');

export const indexOfItem = (id: string): number => parseInt(id.slice(randomCharacters + prefixCharacters), 36);
export const prefixOfItem = (id: string): string => id.slice(randomCharacters, randomCharacters + prefixCharacters);

export const createItem = (prefix: ItemPrefix, index: number): Item => {
  let value = hash(index + 77);
  let title = '';
  while (title.length < 40) {
    title += `${words[value % words.length] ?? ''} `;
    value = hash(value);
  }
  return { id: itemIdOf(prefix, index), title: title.slice(0, 40), done: index % 2 === 1, n: index };
};

export const isSameItem = (a: Partial<Item>, b: Item): boolean =>
  a.id === b.id && a.title === b.title && a.done === b.done && a.n === b.n;
