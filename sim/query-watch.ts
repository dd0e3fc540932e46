import { Subscription } from 'rxjs';
import type { ObjectOf } from '../lib/index.js';
import { objectsOf, type WorldSchema, type WorldRealm } from './random-edits.js';
import { InvariantError } from './invariants.js';

type Entry = ObjectOf<WorldSchema, 'Entry'>;
type Board = ObjectOf<WorldSchema, 'Board'>;

/** A live query and its expected result, which is filtered, sorted and limited independently of the library. */
interface WatchedQuery {
  readonly name: string;
  readonly watch: (realm: WorldRealm, next: (ids: readonly string[]) => void) => Subscription;
  readonly expected: (realm: WorldRealm) => readonly string[];
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

const idsOf = (all: readonly { readonly id: string }[]): readonly string[] => all.map(({ id }) => id);

/** Every query shows only a few objects, so that most changes are outside its result. */
const watchedQueries: readonly WatchedQuery[] = [
  {
    name: 'the last entries with a text, the longest ones first',
    watch: (realm, next) =>
      realm
        .objects$('Entry', { where: { counted: false, text: { $ne: '' } }, sort: { text: -1, id: -1 }, limit: 5 })
        .subscribe((all) => next(idsOf(all))),
    expected: (realm) => {
      const all = objectsOf(realm, 'Entry').filter((each: Entry) => !each.counted && each.text !== '');
      // Every text repeats one letter, so the longer text sorts later.
      return idsOf([...all].sort((a, b) => b.text.length - a.text.length || byId(b, a)).slice(0, 5));
    },
  },
  {
    name: 'the first counted entries',
    watch: (realm, next) =>
      realm.objects$('Entry', { where: { counted: true }, limit: 3 }).subscribe((all) => next(idsOf(all))),
    expected: (realm) => idsOf([...objectsOf(realm, 'Entry').filter(({ counted }) => counted)].sort(byId).slice(0, 3)),
  },
  {
    name: 'the board that is counted most, with its title',
    watch: (realm, next) =>
      realm
        .objects$('Board', { sort: { count: -1, title: 1 }, limit: 2 })
        .subscribe((all) => next(all.map(({ id, title, count }) => `${id} ${title} ${count}`))),
    expected: (realm) => {
      const text = (a: Board, b: Board): number => (a.title < b.title ? -1 : a.title > b.title ? 1 : byId(a, b));
      const all = [...objectsOf(realm, 'Board')].sort((a, b) => b.count - a.count || text(a, b));
      return all.slice(0, 2).map(({ id, title, count }) => `${id} ${title} ${count}`);
    },
  },
];

/** The watched live queries of one device. */
export interface QueryWatch {
  readonly subscription: Subscription;
  /** Throws when the last result of a live query is not the expected one. */
  readonly check: () => void;
}

export const watchQueries = (deviceName: string, realm: WorldRealm): QueryWatch => {
  const subscription = new Subscription();
  const shown = watchedQueries.map(({ watch }) => {
    const last = { ids: [] as readonly string[] };
    subscription.add(watch(realm, (ids) => (last.ids = ids)));
    return last;
  });
  const keys = new Set(objectsOf(realm, 'Entry').map(({ id }) => id));
  subscription.add(
    realm.changes$('Entry').subscribe(({ inserted, deleted }) => {
      for (const key of inserted) keys.add(String(key));
      for (const key of deleted) keys.delete(String(key));
    }),
  );
  return {
    subscription,
    check: () => {
      for (const [index, { name, expected }] of watchedQueries.entries()) {
        const [shownIds, expectedIds] = [shown[index]!.ids, expected(realm)];
        if (JSON.stringify(shownIds) !== JSON.stringify(expectedIds))
          throw new InvariantError(
            'a live query is correct',
            `${deviceName}: ${name}: ${shownIds.join(', ')} instead of ${expectedIds.join(', ')}`,
          );
      }
      const there = objectsOf(realm, 'Entry');
      const missing = there.find(({ id }) => !keys.has(id));
      if (missing || there.length !== keys.size)
        throw new InvariantError(
          'changes$ reports every change',
          `${deviceName}: ${there.length} entries exist, and ${keys.size} by its events; ${missing?.id ?? 'a deleted entry'}`,
        );
    },
  };
};
