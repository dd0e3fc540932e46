import { from } from 'rxjs';
import { memoryStorage, openRealm$, type Transaction } from '../../lib/index.js';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { createWorldTime } from '../../sim/world-time.js';
import {
  checkCounter,
  differenceOf,
  applyEdit,
  entriesOf,
  contentsOf,
  schema,
  type WorldSchema,
  type WorldRealm,
} from '../../sim/random-edits.js';
import type { EditNote } from '../../sim/invariants.js';

/** Opens an empty realm, in virtual time that does not pass. */
const emptied = (): WorldRealm => {
  const all: WorldRealm[] = [];
  const clock = { scheduler: createWorldTime(), random: createSeededRandom(1), now: () => Date.UTC(2026, 0, 1) };
  openRealm$({ schema, storage: memoryStorage(), clock }).subscribe((realm) => all.push(realm));
  return all[0]!;
};

const idOf = (number: number): string => `e:1:${number};`;

type Tx = Transaction<WorldSchema>;
const written = (realm: WorldRealm, change: (tx: Tx) => void): void => void from(realm.write(change)).subscribe();

/** Wraps a transaction, and its sets, lists and dictionaries, to record each call: `set.add`. */
const recordCalls = <A extends object>(target: A, record: (what: string) => void, path = ''): A =>
  new Proxy(target, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (...given: readonly unknown[]): unknown => {
        const what = `${path}${String(name)}`;
        record(what);
        const result: unknown = method.apply(target, given);
        return ['set', 'list', 'dictionary'].includes(what)
          ? recordCalls(result as object, record, `${what}.`)
          : result;
      };
    },
  });

/** Returns a realm after a number of transactions, each with random numbers of its own, and their recorded calls. */
const edited = (count: number, seed: number, bad = false) => {
  const realm = emptied();
  const target: string[] = [];
  for (let number = 1; number <= count; number += 1) {
    const random = createSeededRandom(seed * 1_000 + number);
    written(
      realm,
      (tx) =>
        void applyEdit(
          recordCalls(tx, (what) => target.push(what)),
          { id: idOf(number), bad, random },
        ),
    );
  }
  return { realm, target, picture: contentsOf(realm) };
};

const lengthOf = (all: Iterable<unknown>): number => [...all].length;

describe('the edits of a world', () => {
  it('are the same for the same random numbers, and different for others', () => {
    expect(edited(60, 1)).toMatchObject({ target: edited(60, 1).target, picture: edited(60, 1).picture });
    expect(differenceOf(edited(60, 2).picture, edited(60, 1).picture)).not.toBeNull();
  });

  it('create an entry in each transaction, which identifies it and shows whether it is bad', () => {
    const { realm } = edited(50, 1);
    expect(entriesOf(realm)).toEqual(new Set(Array.from({ length: 50 }, (_, at) => idOf(at + 1))));
    expect(realm.get('Entry', idOf(3))).toMatchObject({ bad: false });
    expect(edited(3, 1, true).realm.get('Entry', idOf(3))).toMatchObject({ bad: true });
  });

  it('use every kind of change of shared objects', () => {
    const { target } = edited(400, 3);
    const kinds = ['create', 'update', 'increment', 'delete', 'set.add', 'set.remove', 'list.insert', 'list.remove'];
    const found = new Set(target);
    const all = [...kinds, 'list.move', 'dictionary.set', 'dictionary.remove'];
    expect(all.filter((kind) => !found.has(kind))).toEqual([]);
  });

  it('leave content in every board, and in every property of some', () => {
    const { realm } = edited(200, 1);
    const boards = ['a', 'b', 'c'].map((id) => realm.get('Board', id)!);
    for (const { title } of boards) expect(title).toMatch(/^e:1:/);
    const sizes = boards.map(({ count, tags, items, notes }) => [
      count,
      ...[tags, items, Object.keys(notes)].map(lengthOf),
    ]);
    for (const property of [0, 1, 2, 3]) expect(sizes.map((all) => all[property])).not.toEqual([0, 0, 0]);
  });

  it('count the counted entries, and never let a bad write create the tally', () => {
    const { realm } = edited(200, 1);
    expect(realm.get('Tally', 'all')!.count).toBeGreaterThan(5);
    expect(() => checkCounter('device 1', realm)).not.toThrow();
    const bad = edited(200, 1, true).realm;
    expect(bad.get('Tally', 'all')).toBeUndefined();
    expect(() => checkCounter('device 1', bad)).not.toThrow();
  });

  it('fail the check when a transaction is applied in part or twice', () => {
    const broken = 'a transaction is applied as a whole and once: device 1 counts';
    const twice = edited(100, 1).realm;
    written(twice, (tx) => tx.increment('Tally', 'all', 'count'));
    expect(() => checkCounter('device 1', twice)).toThrow(broken);
    const half = edited(100, 1).realm;
    written(half, (tx) => tx.create('Entry', { id: 'half', text: '', bad: false, counted: true }));
    expect(() => checkCounter('device 1', half)).toThrow(broken);
    const single = emptied();
    written(single, (tx) => tx.create('Entry', { id: 'alone', text: '', bad: false, counted: true }));
    expect(() => checkCounter('device 1', single)).toThrow(`${broken} 0, and 1 entries are counted`);
  });
});

describe('the contents of a realm', () => {
  it('have a line for every object of every type', () => {
    const realm = emptied();
    expect(contentsOf(realm).size).toBe(0);
    written(realm, (tx) => {
      tx.create('Board', { id: 'a', title: 't', count: 1, tags: ['x'], items: ['i'], notes: { n: 'o' } });
      tx.create('Tally', { id: 'all', count: 2 });
      tx.create('Entry', { id: 'e', text: 'text', bad: false, counted: true });
    });
    expect([...contentsOf(realm).keys()].sort()).toEqual(['Board a', 'Entry e', 'Tally all']);
    for (const part of ['"t"', '"x"', '"i"', '"n":"o"', '"count":2', '"text"', '"counted":true'])
      expect([...contentsOf(realm).values()].join()).toContain(part);
  });

  it('differ after each visible change', () => {
    const { realm } = edited(30, 1);
    const pictures = [contentsOf(realm)];
    const changes: readonly ((tx: Tx) => void)[] = [
      (tx) => tx.update('Entry', idOf(1), { text: 'changed' }),
      (tx) => tx.increment('Tally', 'all', 'count'),
      (tx) => tx.create('Board', { id: 'z', title: '', count: 0, tags: [], items: ['1', '2'], notes: {} }),
      (tx) => tx.list('Board', 'z', 'items').move(0, 1),
      (tx) => tx.delete('Entry', idOf(2)),
    ];
    for (const change of changes) {
      written(realm, change);
      expect(differenceOf(pictures.at(-1)!, contentsOf(realm))).not.toBeNull();
      pictures.push(contentsOf(realm));
    }
    expect(new Set(pictures.map((picture) => JSON.stringify([...picture]))).size).toBe(changes.length + 1);
  });

  it('differ from others in an object, with the name of the property', () => {
    const [left, right] = [edited(30, 1), edited(30, 1)];
    expect(differenceOf(left.picture, right.picture)).toBeNull();
    written(right.realm, (tx) => tx.update('Entry', idOf(3), { text: 'changed' }));
    const text = JSON.stringify(left.realm.get('Entry', idOf(3))!.text);
    expect(differenceOf(left.picture, contentsOf(right.realm))).toEqual({
      name: 'Entry e:1:3;',
      ours: `text ${text}`,
      theirs: 'text "changed"',
    });
    written(left.realm, (tx) => tx.delete('Entry', idOf(3)));
    const gone = { name: 'Entry e:1:3;', ours: 'nothing', theirs: 'has it' };
    expect(differenceOf(contentsOf(left.realm), contentsOf(right.realm))).toEqual(gone);
  });

  it('are described by the note of an edit, with the objects concerned', () => {
    const realm = emptied();
    const recorded: EditNote[] = [];
    for (let number = 1; number <= 60; number += 1)
      written(
        realm,
        (tx) => void recorded.push(applyEdit(tx, { id: idOf(number), bad: false, random: createSeededRandom(number) })),
      );
    for (const [at, { what, about }] of recorded.entries()) {
      const id = idOf(at + 1);
      const [entry, shared, ...others] = about;
      expect([entry, others]).toEqual([`Entry ${id}`, []]);
      if (shared === 'Tally all') expect(what).toBe(`${id} counts`);
      else expect(what).toMatch(new RegExp(`^${id} ${shared}: [a-z ]+$`));
    }
    const shared = new Set(recorded.map(({ about }) => about[1]));
    expect([...shared]).toEqual(expect.arrayContaining(['Tally all', 'Board a', 'Board b', 'Board c']));
    expect([...shared].some((name) => name?.startsWith('Memo m'))).toBe(true);
  });
});
