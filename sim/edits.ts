import type { Realm, Transaction } from '../lib/index.js';

export const schema = {
  Entry: { primaryKey: 'id', properties: { id: 'string', text: 'string', bad: 'bool' } },
  Board: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      count: 'counter',
      tags: 'string<>',
      items: 'string[]',
      notes: 'string{}',
    },
  },
} as const;

export type World = typeof schema;
export type WorldRealm = Realm<World>;

const boards = ['a', 'b', 'c'];
const words = ['x', 'y', 'z', 'u', 'v'];

const picked = <A>(from: readonly A[], random: () => number): A => from[Math.floor(random() * from.length)]!;

type Edit = (tx: Transaction<World>, board: string, random: () => number, id: string) => void;

const lengthOf = (tx: Transaction<World>, board: string): number => tx.get('Board', board)?.items.length ?? 0;
const upTo = (most: number, random: () => number): number => Math.floor(random() * most);

const edits: readonly Edit[] = [
  (tx, board, _, id) => tx.update('Board', board, { title: id }),
  (tx, board) => tx.increment('Board', board, 'count'),
  (tx, board, random) => tx.set('Board', board, 'tags').add(picked(words, random)),
  (tx, board, random) => tx.set('Board', board, 'tags').remove(picked(words, random)),
  (tx, board, random, id) =>
    tx.list('Board', board, 'items').insert(upTo(lengthOf(tx, board) + 1, random), id, `${id}'`),
  (tx, board, random) => {
    const length = lengthOf(tx, board);
    if (length > 0) tx.list('Board', board, 'items').remove(upTo(length, random));
  },
  (tx, board, random) => {
    const length = lengthOf(tx, board);
    if (length > 1) tx.list('Board', board, 'items').move(upTo(length, random), upTo(length, random));
  },
  (tx, board, random, id) => tx.dictionary('Board', board, 'notes').set(picked(words, random), id),
  (tx, board, random) => tx.dictionary('Board', board, 'notes').remove(picked(words, random)),
  (tx, board, random) => {
    if (random() < 0.3) tx.delete('Board', board);
  },
];

/** One transaction: an entry of its own, by which it is known, and some change of what all share. */
export const edit = (tx: Transaction<World>, id: string, bad: boolean, random: () => number): void => {
  tx.create('Entry', { id, text: 'x'.repeat(Math.floor(random() * 40)), bad });
  const board = picked(boards, random);
  if (!tx.get('Board', board)) tx.create('Board', { id: board, title: id, count: 0, tags: [], items: [], notes: {} });
  picked(edits, random)(tx, board, random, id);
};

/** All of a realm, to be compared. */
export const pictureOf = (realm: WorldRealm): string => {
  const lines: string[] = [];
  realm
    .objects$('Entry')
    .subscribe((all) => lines.push(...all.map((each) => JSON.stringify(each))))
    .unsubscribe();
  realm
    .objects$('Board')
    .subscribe((all) => lines.push(...all.map((each) => JSON.stringify(each))))
    .unsubscribe();
  return lines.join('\n');
};

export const entriesOf = (realm: WorldRealm): ReadonlySet<string> => {
  const ids = new Set<string>();
  realm
    .objects$('Entry')
    .subscribe((all) => all.forEach(({ id }) => ids.add(id)))
    .unsubscribe();
  return ids;
};
