import { EMPTY, of } from 'rxjs';
import { importRealm } from '../../lib/client/transfer-realm.js';
import { memoryStorage, openRealm, record, type Realm, type Schema } from '../../lib/index.js';

const schema = {
  Box: {
    primaryKey: 'id',
    properties: { id: 'string', title: 'string', count: 'counter', list: 'string[]', map: 'double{}' },
  },
} as const satisfies Schema;
type Boxes = Realm<typeof schema>;
/** The transaction as an app without type checks sees it. */
interface LooseTx {
  readonly create: (type: string, values: unknown) => void;
  readonly put: (type: string, values: unknown) => void;
  readonly update: (type: string, key: unknown, patch: unknown) => void;
}

const local = (): Promise<Boxes> => openRealm({ schema, storage: memoryStorage() });
const loose = (tx: Parameters<Parameters<Boxes['write']>[0]>[0]): LooseTx => tx as never;

describe('a value of a property', () => {
  it('is printed as it was given when it is rejected: null is not a missing value', async () => {
    const realm = await local();
    const rejectedBy = (values: object) =>
      realm
        .write((tx) => loose(tx).create('Box', { id: 'a', title: 't', ...values }))
        .catch((thrown: unknown) => (thrown as Error).message);
    expect(await rejectedBy({ title: null })).toBe('Box["a"].title must be a string, received null.');
    expect(await rejectedBy({ count: null })).toContain('Box["a"].count must be a whole number');
    expect(await rejectedBy({ list: null })).toBe('Box["a"].list must be an array, received null.');
    expect(await rejectedBy({ map: { a: 1, '\ud800': 2 } })).toContain(
      'Box["a"].map key must be a string of at most 4096 whole characters',
    );
    expect(await rejectedBy({ id: '\udfff' })).toContain('a string of 1 to 200 whole characters, received "\\udfff".');
    expect(realm.objects('Box')).toEqual([]);
  });

  it('is checked by put even if it changes nothing', async () => {
    const realm = await local();
    await realm.write((tx) => tx.create('Box', { id: 'a', title: 't', count: 5 }));
    await realm.write((tx) => tx.put('Box', { id: 'a', title: 'new', count: 9 }));
    expect(realm.get('Box', 'a')).toMatchObject({ title: 'new', count: 5 });
    const rejected = realm.write((tx) => loose(tx).put('Box', { id: 'a', title: 'newer', count: 'many' }));
    await expect(rejected).rejects.toThrow('Box["a"].count must be a whole number');
    expect(realm.get('Box', 'a')).toMatchObject({ title: 'new', count: 5 });
  });

  it('may repeat the primary key of the object', async () => {
    const realm = await local();
    await realm.write((tx) => {
      tx.create('Box', { id: 'a', title: 't' });
      loose(tx).update('Box', 'a', { id: 'a', title: 'new' });
    });
    expect(realm.get('Box', 'a')?.title).toBe('new');
    const other = realm.write((tx) => loose(tx).update('Box', 'a', { id: 'b' }));
    await expect(other).rejects.toThrow('to change a primary key, delete');
  });
});

describe('a file that is imported', () => {
  const lines = ['{"type":"Box","object":{"id":"a","title":"t"}}'];
  const header = `{"tidemark":"realm 1","types":${JSON.stringify({ Box: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } })}}`;

  it('may begin with a byte order mark, and end its lines as Windows does', async () => {
    const realm = await local();
    expect(await importRealm(realm, [`\ufeff${header}\r`, ...lines.map((each) => `${each}\r`), '\r'])).toMatchObject({
      created: 1,
    });
    expect(realm.get('Box', 'a')?.title).toBe('t');
  });

  it.each([
    ['several lines in one', [`${header}\n${lines.join()}`]],
    ['no JSON', ['id,title', 'a,t']],
    ['a mark in the middle', [header, `\ufeff${lines.join()}`]],
    ['a line that was cut off', [header, lines.join().slice(0, -3)]],
  ])('is rejected with the number of the line and the expected form: %s', async (_, all) => {
    const realm = await local();
    const rejected = await importRealm(realm, all).catch((thrown: unknown) => thrown as Error);
    expect(rejected).toMatchObject({ code: 'import', line: all.length === 1 ? 1 : all[0] === header ? 2 : 1 });
    expect((rejected as Error).message).toMatch(
      /^Line \d cannot be imported: lines must be one JSON record per line \(.+\), received /,
    );
    expect(realm.objects('Box')).toEqual([]);
  });
});

describe('a value that is not a storage or a session', () => {
  it.each([
    ['a number', of(5)],
    ['nothing', of(null)],
    ['half a storage', of({ batch: () => EMPTY, range: () => EMPTY })],
    ['a storage without functions', { batch: 1, range: 2, close: 3 }],
  ])('is rejected before it is used: %s', async (_, storage) => {
    const opening = openRealm({ schema, storage: storage as never });
    await expect(opening).rejects.toThrow(
      'storage must be a folder (in browsers, the name of a database) or a storage',
    );
  });

  it.each([[undefined], [null], [{}], [5]])('is rejected by record: %s', (session) => {
    expect(() => record(session as never)).toThrow('session must be a session, received');
  });
});

describe('a primary key with a default', () => {
  it('may be left out, as the types say', async () => {
    let made = 0;
    const keyed = {
      Note: {
        primaryKey: 'id',
        properties: { id: { type: 'int', default: () => (made += 1) }, text: 'string' },
      },
    } as const satisfies Schema;
    const realm = await openRealm({ schema: keyed, storage: memoryStorage() });
    await realm.write((tx) => {
      tx.create('Note', { text: 'a' });
      tx.put('Note', { text: 'b' });
      tx.put('Note', { id: 1, text: 'A' });
    });
    expect(realm.objects('Note')).toEqual([
      { id: 1, text: 'A' },
      { id: 2, text: 'b' },
    ]);
    expect(made).toBe(2);
  });
});
