import type { ObjectOf, Realm, Transaction } from '../lib/index.js';
import type { ViewFilter } from '../lib/model/view.js';
import type { Value } from '../lib/model/value.js';
import { entryNameOf, type EditNote } from './invariants.js';
import { schema, type EditOptions, type WorldRealm } from './random-edits.js';
import { matchesOne } from './view-oracle.js';

/** The schema of worlds with subscriptions: cards that move between lists. */
export const cardSchema = {
  ...schema,
  Card: {
    primaryKey: 'id',
    properties: { id: 'string', list: 'string', n: 'int?', title: 'string', count: 'counter', items: 'string[]' },
  },
} as const;

/** That of an earlier version of the app, whose cards lack a property. */
export const earlierCardSchema = {
  ...schema,
  Card: {
    primaryKey: 'id',
    properties: { id: 'string', list: 'string', title: 'string', count: 'counter', items: 'string[]' },
  },
} as const;

export type CardSchema = typeof cardSchema;
export type CardRealm = Realm<CardSchema>;
export type Card = ObjectOf<CardSchema, 'Card'>;
type Entry = ObjectOf<CardSchema, 'Entry'>;

/** The realm of a world with subscriptions, with its cards. */
export const cardRealmOf = (realm: WorldRealm): CardRealm => realm as unknown as CardRealm;

/** A query as the library has it, and its meaning, written for the simulator. */
export interface WorldQuery {
  readonly subscribe: (realm: CardRealm, options: { readonly name?: string }) => void;
  readonly type: 'Card' | 'Entry';
  readonly where: object;
  readonly selects: (object: Card & Entry) => boolean;
}

const createQuery = (
  type: WorldQuery['type'],
  where: object,
  selects: (object: Card & Entry) => boolean,
): WorldQuery => ({
  ...{ type, where, selects },
  subscribe: (realm, options) => void realm.subscribe(type, { where }, options),
});

/** The queries of devices. Those at the end select entries. */
export const worldQueries: readonly WorldQuery[] = [
  createQuery('Card', { list: 'a' }, ({ list }) => list === 'a'),
  createQuery('Card', { list: 'b' }, ({ list }) => list === 'b'),
  createQuery('Card', { list: { $in: ['c', 'a'] } }, ({ list }) => list === 'a' || list === 'c'),
  createQuery('Card', { n: { $gt: 1 } }, ({ n }) => n !== null && n > 1),
  createQuery('Card', { n: null }, ({ n }) => n === null),
  createQuery('Card', { n: { $in: [null, 2] } }, ({ n }) => n === null || n === 2),
  createQuery(
    'Card',
    { $and: [{ list: 'b' }, { n: { $lte: 1 } }] },
    ({ list, n }) => list === 'b' && n !== null && n <= 1,
  ),
  createQuery(
    'Card',
    { $or: [{ list: 'c' }, { id: { $in: ['k0', 'k1'] } }] },
    ({ list, id }) => list === 'c' || id === 'k0' || id === 'k1',
  ),
  createQuery('Card', { list: { $ne: 'a' } }, ({ list }) => list !== 'a'),
  createQuery('Card', {}, () => true),
  createQuery('Entry', { counted: true }, ({ counted }) => counted),
  createQuery('Entry', { bad: false }, ({ bad }) => !bad),
];

const cards = 12;
const lists = ['a', 'b', 'c'] as const;
const numbers = [null, 0, 1, 2] as const;

const pick = <A>(from: readonly A[], random: () => number): A => from[Math.floor(random() * from.length)]!;

type CardEdit = (tx: Transaction<CardSchema>, card: string, random: () => number, id: string) => void;

const edits: readonly (readonly [what: string, edit: CardEdit])[] = [
  ['title', (tx, card, _, id) => tx.update('Card', card, { title: id })],
  ['n', (tx, card, random) => tx.update('Card', card, { n: pick(numbers, random) })],
  ['count', (tx, card) => tx.increment('Card', card, 'count')],
  ['push', (tx, card, _, id) => tx.list('Card', card, 'items').push(id)],
  [
    'delete',
    (tx, card, random) => {
      if (random() < 0.5) tx.delete('Card', card);
    },
  ],
];

/** Applies one transaction: an entry that identifies it, and a card, which a third of the writes moves. */
export const applyCardEdit = (
  tx: Transaction<CardSchema>,
  { id, bad, random }: Omit<EditOptions, 'strange'>,
  isEarlierSchema: boolean,
): EditNote => {
  tx.create('Entry', { id, text: 'x'.repeat(Math.floor(random() * 40)), bad, counted: random() < 0.2 });
  const card = `k${Math.floor(random() * cards)}`;
  const about = [entryNameOf(id), `Card ${card}`];
  if (tx.get('Card', card) === undefined) {
    const n = pick(numbers, random);
    const list = pick(lists, random);
    tx.create('Card', { id: card, list, title: id, count: 0, items: [], ...(!isEarlierSchema && { n }) });
    return { what: `${id} Card ${card}: create in ${list}`, about };
  }
  // An edit that changes no value touches nothing.
  const nothing = { what: `${id} Card ${card}: nothing`, about: [entryNameOf(id)] };
  const before = JSON.stringify(tx.get('Card', card));
  const hasChanged = (): boolean => JSON.stringify(tx.get('Card', card)) !== before;
  if (random() < 0.4) {
    const list = pick(lists, random);
    tx.update('Card', card, { list });
    return hasChanged() ? { what: `${id} Card ${card}: move to ${list}`, about } : nothing;
  }
  const [what, change] = pick(edits, random);
  if (what === 'n' && isEarlierSchema) return nothing;
  change(tx, card, random, id);
  return hasChanged() ? { what: `${id} Card ${card}: ${what}`, about } : nothing;
};

/** Reads the value of an object for a filter, which names the primary key by an empty text. */
const readProperty = (object: Card & Entry, name: string): Value =>
  (object as unknown as Record<string, Value>)[name === '' ? 'id' : name] ?? null;

/** Returns all objects of a type as they are now. */
const cardObjectsOf = (realm: CardRealm, type: WorldQuery['type']): readonly (Card & Entry)[] => {
  let found: readonly unknown[] = [];
  realm
    .objects$(type)
    .subscribe((all) => (found = all))
    .unsubscribe();
  return found as readonly (Card & Entry)[];
};

/**
 * Returns the objects of a realm as texts by name: those that one of the queries selects, or all (`null`), and that are
 * in the scope.
 */
export const cardContentsOf = (
  realm: CardRealm,
  queries: readonly WorldQuery[] | null,
  scope: readonly ViewFilter[] | null,
): ReadonlyMap<string, string> =>
  new Map(
    (['Card', 'Entry'] as const).flatMap((type) =>
      cardObjectsOf(realm, type)
        .filter((each) => queries === null || queries.some((query) => query.type === type && query.selects(each)))
        .filter((each) => scope === null || matchesOne(scope, type, (name) => readProperty(each, name)))
        .map((each) => [`${type} ${each.id}`, JSON.stringify(each)] as const),
    ),
  );
