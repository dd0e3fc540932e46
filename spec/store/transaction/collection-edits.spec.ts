import { firstValueFrom, NEVER, of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type SyncClient, type Transaction } from '../../../lib/index.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../../../lib/model/errors.js';
import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { openStoreWith } from '../test-kit.js';

const schema = {
  Page: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: { type: 'string', default: 'untitled' },
      steps: { type: 'string[]', default: () => ['first'] },
      notes: 'mixed[]',
      tags: 'string<>',
      days: 'date<>',
      sizes: 'double?{}',
      likes: { type: 'counter', default: 10 },
      views: 'counter',
      owner: 'Person?',
      friends: 'Person<>',
      extra: 'mixed',
    },
  },
  Person: { primaryKey: 'id', properties: { id: 'int', name: 'string' } },
} as const;

type Tx = Transaction<typeof schema>;

/** Clients that wait for their server. Their timers keep the process running. */
const clients: SyncClient[] = [];
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));

const opened = async () => {
  const storage = memoryStorage();
  // A realm with a server keeps its changesets.
  const client = createSyncClient({ dial: NEVER });
  clients.push(client);
  const sync = { client, realm: 'pages' };
  const realm = await openRealm({ schema, storage, sync });
  /** The operations of each transaction so far. */
  const written = async (): Promise<readonly (readonly Operation[])[]> => {
    const changesets = await firstValueFrom(openStoreWith(schema, storage).uploads(0, of(0)));
    return changesets.map(({ body }) => {
      const read = decodeOperations(body);
      return 'right' in read ? read.right : [];
    });
  };
  const page = () => realm.get('Page', 'p')!;
  const write = (change: (tx: Tx) => unknown) => realm.write(change);
  /** Changes the page and returns the new value of a property. */
  const after = async <P extends keyof ReturnType<typeof page>>(property: P, change: (tx: Tx) => unknown) => {
    await write(change);
    return page()[property];
  };
  await write((tx) => tx.create('Page', { id: 'p', steps: ['a', 'b', 'c'], tags: ['y', 'x'], sizes: { w: 1 } }));
  return { realm, written, page, write, after };
};

const deep = (depth: number): unknown => (depth === 0 ? 1 : [deep(depth - 1)]);

describe('a transaction on a list', () => {
  it('inserts, pushes, moves, sets, removes and clears, and sees its changes', async () => {
    const { after, write, page } = await opened();
    const list = (tx: Tx) => tx.list('Page', 'p', 'steps');
    expect(await after('steps', (tx) => list(tx).insert(1, 'i', 'j'))).toEqual(['a', 'i', 'j', 'b', 'c']);
    expect(await after('steps', (tx) => list(tx).push('d', 'e'))).toEqual(['a', 'i', 'j', 'b', 'c', 'd', 'e']);
    expect(await after('steps', (tx) => list(tx).move(0, 6))).toEqual(['i', 'j', 'b', 'c', 'd', 'e', 'a']);
    expect(await after('steps', (tx) => list(tx).move(6, 1))).toEqual(['i', 'a', 'j', 'b', 'c', 'd', 'e']);
    expect(await after('steps', (tx) => list(tx).set(0, 'I'))).toEqual(['I', 'a', 'j', 'b', 'c', 'd', 'e']);
    expect(await after('steps', (tx) => list(tx).remove(1, 3))).toEqual(['I', 'c', 'd', 'e']);
    expect(await after('steps', (tx) => list(tx).remove(3))).toEqual(['I', 'c', 'd']);
    await write((tx) => {
      const steps = list(tx);
      steps.clear();
      expect(tx.get('Page', 'p')?.steps).toEqual([]);
      steps.push('n');
      steps.insert(0, 'm');
      steps.move(1, 0);
      expect(tx.get('Page', 'p')?.steps).toEqual(['n', 'm']);
    });
    expect(page().steps).toEqual(['n', 'm']);
  });

  it('writes nothing for values that are already there', async () => {
    const { write, written } = await opened();
    await write((tx) => {
      const steps = tx.list('Page', 'p', 'steps');
      steps.insert(1);
      steps.push();
      steps.move(1, 1);
      steps.set(0, 'a');
      steps.remove(0, 0);
      tx.list('Page', 'p', 'notes').clear();
      tx.set('Page', 'p', 'tags').add('x');
      tx.set('Page', 'p', 'tags').remove('z');
      tx.dictionary('Page', 'p', 'sizes').set('w', 1);
      tx.dictionary('Page', 'p', 'sizes').remove('h');
      tx.set('Page', 'p', 'days').clear();
      tx.increment('Page', 'p', 'likes', 0);
      tx.update('Page', 'p', { steps: ['a', 'b', 'c'], tags: new Set(['x', 'y']), sizes: { w: 1 } } as never);
    });
    expect(await written()).toHaveLength(1);
  });

  it.each<readonly [string, (tx: Tx) => unknown]>([
    ['an index behind the end', (tx) => tx.list('Page', 'p', 'steps').insert(4, 'x')],
    ['an index below 0', (tx) => tx.list('Page', 'p', 'steps').remove(-1)],
    ['an invalid index', (tx) => tx.list('Page', 'p', 'steps').set(0.5, 'x')],
    ['an index that is a text', (tx) => tx.list('Page', 'p', 'steps').set('0' as never, 'x')],
    ['the end of a list, to set', (tx) => tx.list('Page', 'p', 'steps').set(3, 'x')],
    ['the end of a list, to move to', (tx) => tx.list('Page', 'p', 'steps').move(0, 3)],
    ['more to remove than there is', (tx) => tx.list('Page', 'p', 'steps').remove(1, 3)],
    ['an empty list to remove from', (tx) => tx.list('Page', 'p', 'notes').remove(0)],
    ['a property that is not a list', (tx) => tx.list('Page', 'p', 'title' as never).push('x' as never)],
    ['an unknown property', (tx) => tx.set('Page', 'p', 'colours' as never)],
    ['a list as a set', (tx) => tx.set('Page', 'p', 'steps' as never)],
    ['an unknown type', (tx) => tx.list('Book' as never, 'p' as never, 'steps' as never)],
    ['a string with half a character', (tx) => tx.increment('Page', 'p', 'likes', 1.5)],
    ['an increment of a property that is not a counter', (tx) => tx.increment('Page', 'p', 'title' as never)],
    ['a key of too many letters', (tx) => tx.dictionary('Page', 'p', 'sizes').set('k'.repeat(4_097), 1)],
    ['a key that is half a character', (tx) => tx.dictionary('Page', 'p', 'sizes').set('\ud800', 1)],
    ['a key that is a prototype', (tx) => tx.dictionary('Page', 'p', 'sizes').set('__proto__', 1)],
  ])('rejects %s by name, and changes nothing', async (_, wrong) => {
    const { realm, page, written } = await opened();
    const before = page();
    const all = realm.write((tx) => {
      tx.increment('Page', 'p', 'views');
      expect(() => wrong(tx)).toThrow(InvalidArgumentError);
      wrong(tx);
    });
    await expect(all).rejects.toThrow(InvalidArgumentError);
    expect(page()).toBe(before);
    expect(await written()).toHaveLength(1);
  });

  it.each<readonly [string, (tx: Tx) => unknown]>([
    ['an element of another type', (tx) => tx.list('Page', 'p', 'steps').push('x', 5 as never)],
    ['null in a property that is not optional', (tx) => tx.set('Page', 'p', 'tags').add(null as never)],
    ['a number as a date', (tx) => tx.set('Page', 'p', 'days').add(5 as never)],
    ['a dictionary entry of another type', (tx) => tx.dictionary('Page', 'p', 'sizes').set('w', 'wide' as never)],
    ['a link with a key of another type', (tx) => tx.update('Page', 'p', { owner: 'me' as never })],
    ['a counter in an update', (tx) => tx.update('Page', 'p', { likes: 5 } as never)],
    ['a key in an update', (tx) => tx.update('Page', 'p', { id: 'q' } as never)],
    ['an unknown property in an update', (tx) => tx.update('Page', 'p', { colour: 5 } as never)],
    ['an invalid list', (tx) => tx.update('Page', 'p', { steps: 'abc' as never })],
    ['an invalid dictionary', (tx) => tx.update('Page', 'p', { sizes: [1] as never })],
    ['values that are too deep', (tx) => tx.update('Page', 'p', { extra: deep(33) as never })],
    ['elements that are too deep', (tx) => tx.list('Page', 'p', 'notes').push(deep(33) as never)],
    ['a mixed value with an invalid number', (tx) => tx.list('Page', 'p', 'notes').push({ a: [NaN] })],
    ['an object that does not exist', (tx) => tx.list('Page', 'q', 'steps').push('x')],
  ])('rejects %s, and changes nothing', async (_, wrong) => {
    const { realm, page, written } = await opened();
    const before = page();
    const all = realm.write((tx) => {
      tx.increment('Page', 'p', 'likes');
      const sofar = tx.get('Page', 'p');
      expect(() => wrong(tx)).toThrow(SchemaError);
      expect(tx.get('Page', 'p')).toEqual(sofar);
      wrong(tx);
    });
    await expect(all).rejects.toThrow(SchemaError);
    expect(page()).toBe(before);
    expect(await written()).toHaveLength(1);
  });

  it('accepts values up to the maximum depth', async () => {
    const { after } = await opened();
    expect(await after('extra', (tx) => tx.update('Page', 'p', { extra: deep(32) as never }))).toEqual(deep(32));
  });

  it('is unusable after its transaction, and after its object was deleted', async () => {
    const { realm, page } = await opened();
    const kept = (await realm.write((tx) => tx.list('Page', 'p', 'steps'))).result;
    for (const late of [() => kept.push('x'), () => kept.clear(), () => kept.insert(0)])
      expect(late).toThrow(RealmClosedError);
    const rejection = realm.write((tx) => {
      const steps = tx.list('Page', 'p', 'steps');
      tx.delete('Page', 'p');
      steps.push('x');
    });
    await expect(rejection).rejects.toThrow(SchemaError);
    expect(page().steps).toEqual(['a', 'b', 'c']);
  });
});

describe('a transaction on a set, a dictionary or a counter', () => {
  it('adds, sets, removes and clears, and sees its changes', async () => {
    const { after, write, page } = await opened();
    expect(await after('tags', (tx) => tx.set('Page', 'p', 'tags').add('z', 'a', 'z'))).toEqual(['a', 'x', 'y', 'z']);
    expect(await after('tags', (tx) => tx.set('Page', 'p', 'tags').remove('a', 'x', 'none'))).toEqual(['y', 'z']);
    expect(await after('sizes', (tx) => tx.dictionary('Page', 'p', 'sizes').set('constructor', null))).toEqual({
      constructor: null,
      w: 1,
    });
    expect(await after('sizes', (tx) => tx.dictionary('Page', 'p', 'sizes').remove('w'))).toEqual({
      constructor: null,
    });
    expect(await after('likes', (tx) => tx.increment('Page', 'p', 'likes'))).toBe(11);
    await write((tx) => {
      tx.set('Page', 'p', 'tags').clear();
      tx.set('Page', 'p', 'tags').add('new');
      tx.dictionary('Page', 'p', 'sizes').clear();
      tx.dictionary('Page', 'p', 'sizes').set('h', 2);
      tx.increment('Page', 'p', 'likes', -4);
      tx.increment('Page', 'p', 'likes', 5);
      tx.increment('Page', 'p', 'views', 3);
      expect(tx.get('Page', 'p')).toMatchObject({ tags: ['new'], sizes: { h: 2 }, likes: 12, views: 3 });
    });
    expect(page()).toMatchObject({ tags: ['new'], sizes: { h: 2 }, likes: 12, views: 3 });
  });

  it('recognises equal dates and links, and shows them in the form that an app passed', async () => {
    const { after } = await opened();
    const days = await after('days', (tx) => tx.set('Page', 'p', 'days').add(new Date(9), new Date(5), new Date(9)));
    expect(days).toEqual([new Date(5), new Date(9)]);
    expect(await after('friends', (tx) => tx.set('Page', 'p', 'friends').add(2, 1, 2))).toEqual([1, 2]);
    expect(await after('owner', (tx) => tx.update('Page', 'p', { owner: 7 }))).toBe(7);
  });

  it('starts with the defaults, each object with its own copy', async () => {
    const { write, realm } = await opened();
    await write((tx) => {
      tx.create('Page', { id: 'q' });
      tx.list('Page', 'q', 'steps').push('second');
      tx.create('Page', { id: 'r', likes: 1, steps: [], title: 'R' });
    });
    const empty = { notes: [], tags: [], days: [], sizes: {}, views: 0, owner: null, friends: [], extra: null };
    expect(realm.get('Page', 'q')).toEqual({
      id: 'q',
      title: 'untitled',
      steps: ['first', 'second'],
      likes: 10,
      ...empty,
    });
    expect(realm.get('Page', 'r')).toEqual({ id: 'r', title: 'R', steps: [], likes: 1, ...empty });
  });
});

describe('an update with a whole collection', () => {
  it.each<readonly [string, object, object, readonly string[]]>([
    ['appends to a list', { steps: ['a', 'b', 'c', 'd'] }, { keys: 1 }, ['insert']],
    ['inserts into a list', { steps: ['a', 'i', 'j', 'b', 'c'] }, { keys: 2 }, ['insert']],
    ['removes from a list', { steps: ['a', 'c'] }, { elements: 1 }, ['remove']],
    ['changes one of a list', { steps: ['a', 'x', 'c'] }, { elements: 1 }, ['remove', 'insert']],
    ['empties a list', { steps: [] }, { elements: 3 }, ['remove']],
    ['adds to a set', { tags: ['x', 'y', 'z'] }, { entries: 1 }, ['put']],
    ['changes a set', { tags: ['y', 'z'] }, { keys: 1 }, ['drop', 'put']],
    ['changes a dictionary', { sizes: { w: 2, h: 1 } }, { entries: 2 }, ['put']],
    ['takes from a dictionary', { sizes: {} }, { keys: 1 }, ['drop']],
    ['changes a value and a set', { title: 'T', tags: ['x'] }, { values: 1 }, ['update', 'drop']],
  ])('%s, and writes only the difference', async (_, patch, counts, expected) => {
    const { write, written, page } = await opened();
    await write((tx) => tx.update('Page', 'p', patch));
    expect(page()).toMatchObject(patch);
    const operations = (await written()).at(-1) ?? [];
    expect(operations.map(({ kind }) => kind)).toEqual(expected);
    for (const [name, count] of Object.entries(counts)) {
      const first = operations[0] as unknown as Record<string, object>;
      expect(Object.keys(first[name] ?? {})).toHaveLength(count as number);
    }
  });
});

describe('the view of a collection', () => {
  it('does not change when a transaction throws', async () => {
    const { realm, page, written } = await opened();
    const before = page();
    const thrown = realm.write((tx) => {
      tx.list('Page', 'p', 'steps').clear();
      tx.set('Page', 'p', 'tags').clear();
      tx.increment('Page', 'p', 'likes', 9);
      tx.delete('Page', 'p');
      tx.create('Page', { id: 'p' });
      throw new Error('no');
    });
    await expect(thrown).rejects.toThrow('no');
    expect(page()).toBe(before);
    expect(await written()).toHaveLength(1);
  });

  it('is frozen, with all of its elements', async () => {
    const { page, write } = await opened();
    await write((tx) => tx.list('Page', 'p', 'notes').push({ deep: [1] }));
    const { steps, notes, tags, sizes } = page();
    const [note] = notes as readonly { readonly deep: readonly number[] }[];
    for (const each of [page(), steps, notes, tags, sizes, note, note?.deep]) expect(Object.isFrozen(each)).toBe(true);
  });

  it('is the same instance until its object changes', async () => {
    const { page, write } = await opened();
    const before = page();
    await write((tx) => tx.create('Page', { id: 'q', steps: ['z'] }));
    await write((tx) => tx.list('Page', 'q', 'steps').push('y'));
    await write((tx) => tx.list('Page', 'p', 'steps').set(0, 'a'));
    expect(page()).toBe(before);
    await write((tx) => tx.list('Page', 'p', 'steps').set(0, 'A'));
    expect(page()).not.toBe(before);
    expect(page().tags).toEqual(before.tags);
  });
});
