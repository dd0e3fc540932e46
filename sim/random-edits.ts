import type { ObjectOf, Realm, Transaction } from '../lib/index.js';
import { limits } from '../lib/model/limits.js';
import { InvariantError, entryNameOf, type EditNote } from './invariants.js';

export const schema = {
  Entry: { primaryKey: 'id', properties: { id: 'string', text: 'string', bad: 'bool', counted: 'bool' } },
  /**
   * An object that is never deleted. On every replica and at any time its count equals the number of counted entries.
   */
  Tally: { primaryKey: 'id', properties: { id: 'string', count: 'counter' } },
  /** Objects that are created and deleted in turns. At any time about half of them exist. */
  Memo: { primaryKey: 'id', properties: { id: 'string', text: 'string' } },
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

export type WorldSchema = typeof schema;
export type WorldRealm = Realm<WorldSchema>;

const boards = ['a', 'b', 'c'];
/** Number of different memo keys. */
export const memosMax = 30;
/** Keys with every kind of allowed character, up to the longest allowed key. */
const strangeBoards = ['%2F/.. \u0000"', '\u{1f600}'.repeat(100), 'ü\u2028~'];
const strangeCharacters = Array.from('/%\\ .:;|"\'\u0000\n\u007fäß€\u2029\ufffd\u{1f9ff}\u{10ffff}~-_Zz09');

/**
 * Returns the key of the entry that a write creates: its id, followed in some worlds by any characters up to the
 * longest allowed key.
 */
export const keyOf = (id: string, random: (() => number) | null): string => {
  if (random === null) return id;
  const length = limits.keyCharsMax - Math.floor(random() ** 3 * 190);
  let key = id;
  for (;;) {
    const next = key + pick(strangeCharacters, random);
    if (next.length > length) return key;
    key = next;
  }
};

/** Returns the id of the write whose entry has this key. */
export const idOf = (key: string): string => /^e:\d+:\d+;(?:bad)?/.exec(key)?.[0] ?? key;
const words = ['x', 'y', 'z', 'u', 'v'];

const pick = <A>(from: readonly A[], random: () => number): A => from[Math.floor(random() * from.length)]!;

type Edit = (tx: Transaction<WorldSchema>, board: string, random: () => number, id: string) => void;

const lengthOf = (tx: Transaction<WorldSchema>, board: string): number => tx.get('Board', board)?.items.length ?? 0;
const drawBelow = (most: number, random: () => number): number => Math.floor(random() * most);

const edits: readonly (readonly [what: string, edit: Edit])[] = [
  ['title', (tx, board, _, id) => tx.update('Board', board, { title: id })],
  ['count', (tx, board) => tx.increment('Board', board, 'count')],
  ['add tag', (tx, board, random) => tx.set('Board', board, 'tags').add(pick(words, random))],
  ['remove tag', (tx, board, random) => tx.set('Board', board, 'tags').remove(pick(words, random))],
  [
    'insert items',
    (tx, board, random, id) =>
      tx.list('Board', board, 'items').insert(drawBelow(lengthOf(tx, board) + 1, random), id, `${id}'`),
  ],
  [
    'remove item',
    (tx, board, random) => {
      const length = lengthOf(tx, board);
      if (length > 0) tx.list('Board', board, 'items').remove(drawBelow(length, random));
    },
  ],
  [
    'move item',
    (tx, board, random) => {
      const length = lengthOf(tx, board);
      if (length > 1) tx.list('Board', board, 'items').move(drawBelow(length, random), drawBelow(length, random));
    },
  ],
  ['note', (tx, board, random, id) => tx.dictionary('Board', board, 'notes').set(pick(words, random), id)],
  ['remove note', (tx, board, random) => tx.dictionary('Board', board, 'notes').remove(pick(words, random))],
  [
    'delete',
    (tx, board, random) => {
      if (random() < 0.3) tx.delete('Board', board);
    },
  ],
];

export interface EditOptions {
  readonly id: string;
  readonly bad: boolean;
  readonly random: () => number;
  /** Whether keys contain every allowed character. */
  readonly strange?: boolean;
}

/**
 * Applies one transaction: it creates an entry that identifies it and changes shared objects. Returns a note about it.
 */
export const applyEdit = (
  tx: Transaction<WorldSchema>,
  { id, bad, random, strange = false }: EditOptions,
): EditNote => {
  const key = keyOf(id, strange ? random : null);
  const has = tx.get('Tally', 'all') !== undefined;
  // A bad write does not create the `Tally` object: its rejection would remove the object, and the next increment would
  // have no effect.
  const counted = random() < 0.15 && (has || !bad);
  tx.create('Entry', { id: key, text: 'x'.repeat(Math.floor(random() * 40)), bad, counted });
  if (counted) {
    if (!has) tx.create('Tally', { id: 'all', count: 0 });
    tx.increment('Tally', 'all', 'count');
    return { what: `${id} counts`, about: [entryNameOf(id), 'Tally all'] };
  }
  if (random() < 0.15) {
    const memo = `m${drawBelow(memosMax, random)}`;
    const isThere = tx.get('Memo', memo) !== undefined;
    if (isThere) tx.delete('Memo', memo);
    else tx.create('Memo', { id: memo, text: id });
    return { what: `${id} Memo ${memo}: ${isThere ? 'delete' : 'create'}`, about: [entryNameOf(id), `Memo ${memo}`] };
  }
  const board = pick(strange ? strangeBoards : boards, random);
  if (!tx.get('Board', board)) tx.create('Board', { id: board, title: id, count: 0, tags: [], items: [], notes: {} });
  const [what, change] = pick(edits, random);
  change(tx, board, random, id);
  return { what: `${id} Board ${board}: ${what}`, about: [entryNameOf(id), `Board ${board}`] };
};

/** Returns all objects of a type as they are now. */
export const objectsOf = <T extends keyof WorldSchema>(
  realm: WorldRealm,
  type: T,
): readonly ObjectOf<WorldSchema, T>[] => {
  let found: readonly ObjectOf<WorldSchema, T>[] = [];
  realm
    .objects$(type)
    .subscribe((all) => (found = all))
    .unsubscribe();
  return found;
};

/** Returns all objects of a realm as texts by name, for comparison. */
export const contentsOf = (realm: WorldRealm): ReadonlyMap<string, string> =>
  new Map(
    (['Entry', 'Tally', 'Memo', 'Board'] as const).flatMap((type) =>
      objectsOf(realm, type).map((each) => [`${type} ${idOf(each.id)}`, JSON.stringify(each)] as const),
    ),
  );

/** Returns the first difference between two sets of contents; `null` when they are equal. */
export const differenceOf = (
  ours: ReadonlyMap<string, string>,
  theirs: ReadonlyMap<string, string>,
): { readonly name: string; readonly ours: string; readonly theirs: string } | null => {
  for (const name of new Set([...ours.keys(), ...theirs.keys()])) {
    const [ourText, theirText] = [ours.get(name), theirs.get(name)];
    if (ourText === theirText) continue;
    if (ourText === undefined || theirText === undefined)
      return {
        name,
        ours: ourText === undefined ? 'nothing' : 'has it',
        theirs: theirText === undefined ? 'nothing' : 'has it',
      };
    const [left, right] = [ourText, theirText].map((text) => JSON.parse(text) as Record<string, unknown>);
    const property = Object.keys(left!).find((key) => JSON.stringify(left![key]) !== JSON.stringify(right![key]));
    const show = (from: Record<string, unknown>): string => `${property} ${JSON.stringify(from[property ?? ''])}`;
    return { name, ours: show(left!), theirs: show(right!) };
  }
  return null;
};

export const entriesOf = (realm: WorldRealm): ReadonlySet<string> =>
  new Set(objectsOf(realm, 'Entry').map(({ id }) => idOf(id)));

/** Checks that transactions are applied as a whole and once: the tally equals the number of counted entries. */
export const checkCounter = (replicaName: string, realm: WorldRealm): void => {
  const counted = objectsOf(realm, 'Entry').filter((each) => each.counted).length;
  const count = realm.get('Tally', 'all')?.count ?? 0;
  if (count !== counted)
    throw new InvariantError(
      'a transaction is applied as a whole and once',
      `${replicaName} counts ${count}, and ${counted} entries are counted`,
      ['Tally all'],
    );
};
