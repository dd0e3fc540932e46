import { Subscription } from 'rxjs';
import type { ObjectOf } from '../lib/index.js';
import { allOf, type World, type WorldRealm } from './edits.js';
import { Broken } from './judge.js';

type Entry = ObjectOf<World, 'Entry'>;
type Board = ObjectOf<World, 'Board'>;

/** A live query, and what it has to come to: filtered, sorted and cut here, in another way than there. */
interface Watched {
  readonly name: string;
  readonly watch: (realm: WorldRealm, next: (ids: readonly string[]) => void) => Subscription;
  readonly expected: (realm: WorldRealm) => readonly string[];
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

const idsOf = (all: readonly { readonly id: string }[]): readonly string[] => all.map(({ id }) => id);

/** Every query is a window of a few objects, so that most of what changes is outside of it. */
const watched: readonly Watched[] = [
  {
    name: 'the last entries with a text, the longest ones first',
    watch: (realm, next) =>
      realm
        .objects$('Entry', { where: { counted: false, text: { $ne: '' } }, sort: { text: -1, id: -1 }, limit: 5 })
        .subscribe((all) => next(idsOf(all))),
    expected: (realm) => {
      const all = allOf(realm, 'Entry').filter((each: Entry) => !each.counted && each.text !== '');
      // Texts are of one letter: the longer one is the later one.
      return idsOf([...all].sort((a, b) => b.text.length - a.text.length || byId(b, a)).slice(0, 5));
    },
  },
  {
    name: 'the first counted entries',
    watch: (realm, next) =>
      realm.objects$('Entry', { where: { counted: true }, limit: 3 }).subscribe((all) => next(idsOf(all))),
    expected: (realm) => idsOf([...allOf(realm, 'Entry').filter(({ counted }) => counted)].sort(byId).slice(0, 3)),
  },
  {
    name: 'the board that is counted most, with its title',
    watch: (realm, next) =>
      realm
        .objects$('Board', { sort: { count: -1, title: 1 }, limit: 2 })
        .subscribe((all) => next(all.map(({ id, title, count }) => `${id} ${title} ${count}`))),
    expected: (realm) => {
      const text = (a: Board, b: Board): number => (a.title < b.title ? -1 : a.title > b.title ? 1 : byId(a, b));
      const all = [...allOf(realm, 'Board')].sort((a, b) => b.count - a.count || text(a, b));
      return all.slice(0, 2).map(({ id, title, count }) => `${id} ${title} ${count}`);
    },
  },
];

/** Live queries of one device. */
export interface QueryWatch {
  readonly held: Subscription;
  /** Throws when one of them shows something else than what is there. */
  readonly check: () => void;
}

export const watchQueries = (who: string, realm: WorldRealm): QueryWatch => {
  const held = new Subscription();
  const shown = watched.map(({ watch }) => {
    const last = { ids: [] as readonly string[] };
    held.add(watch(realm, (ids) => (last.ids = ids)));
    return last;
  });
  const keys = new Set(allOf(realm, 'Entry').map(({ id }) => id));
  held.add(
    realm.changes$('Entry').subscribe(({ inserted, deleted }) => {
      for (const key of inserted) keys.add(String(key));
      for (const key of deleted) keys.delete(String(key));
    }),
  );
  return {
    held,
    check: () => {
      for (const [index, { name, expected }] of watched.entries()) {
        const [is, has] = [shown[index]!.ids, expected(realm)];
        if (JSON.stringify(is) !== JSON.stringify(has))
          throw new Broken('a live query is true', `${who}: ${name}: ${is.join(', ')} instead of ${has.join(', ')}`);
      }
      const there = allOf(realm, 'Entry');
      const missing = there.find(({ id }) => !keys.has(id));
      if (missing || there.length !== keys.size)
        throw new Broken(
          'changes$ tells of every change',
          `${who}: ${there.length} entries are there, and ${keys.size} by what it told; ${missing?.id ?? 'one that is gone'}`,
        );
    },
  };
};
