import { firstValueFrom, toArray } from 'rxjs';
import { exportRealm, importRealm } from '../../lib/client/transfer-realm.js';
import { InvalidArgumentError, SchemaError, type Schema, type Storage } from '../../lib/index.js';
import { type AnyRealm, waitUntilInStep, createKeptStorage, open, createTeam } from './app-versions-kit.js';
import { hole, encodeWithHoles } from '../model/array-holes.js';

const schema: Schema = {
  Box: {
    primaryKey: 'id',
    properties: { id: 'string', any: 'mixed', list: 'mixed[]', set: 'mixed<>', map: 'mixed{}' },
  },
};

interface Tx {
  readonly create: (type: string, values: object) => void;
  readonly update: (type: string, key: string, patch: object) => void;
  readonly list: (type: string, key: string, property: string) => { push: (...all: unknown[]) => void };
  readonly set: (type: string, key: string, property: string) => { add: (...all: unknown[]) => void };
  readonly dictionary: (type: string, key: string, property: string) => { set: (key: string, value: unknown) => void };
}

const rejectionOf = (realm: AnyRealm, change: (tx: Tx) => void): Promise<Error | null> =>
  realm.write(change as never).then(
    () => null,
    (thrown: unknown) => thrown as Error,
  );

const written = (realm: AnyRealm, change: (tx: Tx) => void) => realm.write(change as never);
const boxIn = (realm: AnyRealm, key = 'a') => realm.get('Box', key) as Record<string, unknown> | undefined;

const sparse = (): unknown[] => {
  const all: unknown[] = ['x'];
  all[2] = 'y';
  return all;
};
const cyclic: unknown[] = [];
cyclic.push(cyclic);
const wide = (() => {
  let all: unknown[] = [1];
  for (let depth = 0; depth < 30; depth += 1) all = [all, all];
  return all;
})();
const named = Object.assign([1, 2], { name: 'x' });
const throwing = Object.defineProperty({}, 'a', {
  enumerable: true,
  get: () => {
    throw new Error('not now');
  },
});
const broken = new Proxy(
  {},
  {
    ownKeys: () => {
      throw new Error('never');
    },
  },
);
class Point {
  constructor(readonly x: number) {}
}

const odd: readonly (readonly [what: string, value: unknown, path: string, what: RegExp])[] = [
  ['a hole', sparse(), '[1]', /a hole/],
  ['nothing but holes', new Array(3), '[0]', /a hole/],
  ['a hole inside', { rows: [[1], sparse()] }, '.rows[1][1]', /a hole/],
  ['undefined', { a: [undefined] }, '.a[0]', /undefined/],
  ['NaN', { a: NaN }, '.a', /NaN/],
  ['Infinity', [-Infinity], '[0]', /-Infinity/],
  ['a function', { 'a b': () => 1 }, '["a b"]', /a function/],
  ['a symbol', [Symbol('s')], '[0]', /a symbol/],
  ['a BigInt', { n: 7n }, '.n', /received 7/],
  ['a Date', { at: new Date(5) }, '.at', /a Date/],
  ['a Map', [new Map()], '[0]', /Map/],
  ['an object of a class', { at: new Point(1) }, '.at', /an object/],
  ['an object that inherits', Object.create({ a: 1 }), '', /an object/],
  [
    'an object that inherits from one without a prototype',
    Object.create(Object.assign(Object.create(null) as object, { a: 1 })),
    '',
    /an object/,
  ],
  ['a boxed text', { t: new String('x') }, '.t', /String/],
  ['a symbol as a name', { a: { [Symbol('s')]: 1 } }, '.a', /symbols or hidden names/],
  ['a hidden name', Object.defineProperty({}, 'a', { value: 1 }), '', /symbols or hidden names/],
  ['an array with names', { a: named }, '.a', /named properties/],
  ['__proto__', JSON.parse('{"a":{"__proto__":1}}'), '.a', /"__proto__"/],
  ['a circle', cyclic, '[0]'.repeat(32), /more than 32/],
  ['no end of shared arrays', wide, '', /values in all/],
  ['a getter that throws', { b: throwing }, '.b.a', /cannot be read/],
  ['a proxy that throws', [broken], '[0]', /cannot be read/],
];

describe('field report A-6: a value that cannot be stored unchanged', () => {
  it.each(odd)('%s is rejected by the write, which names its path', async (_, value, path, what) => {
    const realm = await open({ schema, storage: createKeptStorage() });
    await written(realm, (tx) => tx.create('Box', { id: 'a' }));
    const at = (folder: string) => `Box["a"].${folder}${path}`;
    const tries: readonly (readonly [string, (tx: Tx) => void])[] = [
      [at('any'), (tx) => tx.update('Box', 'a', { any: value })],
      [at('list[0]'), (tx) => tx.update('Box', 'a', { list: [value] })],
      [at('list[1]'), (tx) => tx.list('Box', 'a', 'list').push(1, value)],
      [at('set[0]'), (tx) => tx.set('Box', 'a', 'set').add(value)],
      [at('map["k"]'), (tx) => tx.dictionary('Box', 'a', 'map').set('k', value)],
    ];
    for (const [folder, change] of tries) {
      const error = await rejectionOf(realm, change);
      expect(error).toBeInstanceOf(SchemaError);
      expect(error?.message.slice(0, folder.length)).toBe(folder.slice(0, error?.message.length));
      expect(error?.message).toMatch(what);
    }
    expect(boxIn(realm)).toEqual({ id: 'a', any: null, list: [], set: [], map: {} });
  });

  it('a hole in a list, a set, or a dictionary that is not a plain record, is rejected', async () => {
    const realm = await open({ schema, storage: createKeptStorage() });
    await written(realm, (tx) => tx.create('Box', { id: 'a', map: { k: 1 } }));
    for (const patch of [{ list: sparse() }, { set: sparse() }, { list: new Array(2) }]) {
      expect((await rejectionOf(realm, (tx) => tx.update('Box', 'a', patch)))?.message).toMatch(
        /\[[01]\] must be .*undefined/,
      );
    }
    for (const map of [new Map([['a', 1]]), new Point(1), new Date(), Uint8Array.of(1), { [Symbol('s')]: 1 }]) {
      expect((await rejectionOf(realm, (tx) => tx.update('Box', 'a', { map })))?.message).toMatch(
        /map must be a plain record/,
      );
    }
    expect(boxIn(realm)).toMatchObject({ map: { k: 1 } });
  });

  it('other values are stored unchanged, read once, and the same after a restart', async () => {
    const storage = createKeptStorage();
    const realm = await open({ schema, storage });
    let reads = 0;
    const counted = Object.defineProperty({}, 'n', { enumerable: true, get: () => (reads += 1) });
    const any = [
      new Proxy([1, { a: null }], {}),
      counted,
      -0,
      Object.assign(Object.create(null) as object, { k: 'v' }),
      [],
    ];
    await written(realm, (tx) => tx.create('Box', { id: 'a', any }));
    const expected = [[1, { a: null }], { n: 1 }, 0, { k: 'v' }, []];
    expect(boxIn(realm)?.['any']).toEqual(expected);
    await realm.close();
    expect(boxIn(await open({ schema, storage }))?.['any']).toEqual(expected);
  });

  it('a realm that has holes already opens, and reads them as null', async () => {
    const storage: Storage = createKeptStorage();
    const realm = await open({ schema, storage });
    await written(realm, (tx) => tx.create('Box', { id: 'a', any: 1 }));
    await realm.close();
    const stamp = [1, 0, 'r'];
    const state = encodeWithHoles([stamp, null, { id: 'a', any: [1, hole, { x: [hole] }] }]);
    storage.batch([{ type: 'put', key: 'o/Box/sa', value: state }], { durable: true }).subscribe();
    expect(boxIn(await open({ schema, storage }))?.['any']).toEqual([1, null, { x: [null] }]);
  });
});

const inherited = [
  'constructor',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'isPrototypeOf',
  'toLocaleString',
  'toJSON',
  'then',
];

describe('field report C-3: names that every object has', () => {
  const properties = Object.fromEntries(inherited.map((name) => [name, 'string?']));
  const collections = { length: 'int[]', prototype: 'string<>', apply: 'int{}', call: 'counter' };

  it.each(inherited)('%s is a property, a type, and a name in dictionaries and records as any other', async (name) => {
    const named: Schema = {
      Box: { primaryKey: 'id', properties: { id: 'string', [name]: 'string', any: 'mixed', map: 'int{}' } },
      [name]: { primaryKey: name, properties: { [name]: 'int' } },
    };
    const { app } = createTeam();
    const [one, other] = [await app(named), await app(named)];
    expect((await rejectionOf(one.realm, (tx) => tx.create('Box', { id: 'a' })))?.message).toContain(
      `.${name} must be a string`,
    );
    await written(one.realm, (tx) => {
      tx.create('Box', { id: 'a', [name]: 'x', any: { [name]: 1 }, map: { [name]: 2 } });
      tx.update('Box', 'a', { [name]: 'y' });
      tx.dictionary('Box', 'a', 'map').set(name, 3);
      tx.create(name, { [name]: 7 });
    });
    await waitUntilInStep(one, other);
    const box = { id: 'a', [name]: 'y', any: { [name]: 1 }, map: { [name]: 3 } };
    expect(boxIn(other.realm)).toEqual(box);
    const found = (query: object) => firstValueFrom(other.realm.objects$('Box', query as never));
    expect(await found({ where: { [name]: 'y' }, sort: { [name]: 1 } })).toEqual([box]);
    expect(await found({ where: { [name]: { $in: ['z'] } } })).toEqual([]);
    const lines = await firstValueFrom(exportRealm(other.realm).pipe(toArray()));
    const copy = await open({ schema: named, storage: createKeptStorage() });
    expect(await importRealm(copy, lines)).toMatchObject({ created: 2 });
    expect(boxIn(copy)).toEqual(box);
    expect(copy.get(name, 7)).toEqual({ [name]: 7 });
    expect(await importRealm(copy, lines, { onConflict: 'update' })).toMatchObject({ skipped: 2 });
  });

  it('may all be left out, and are migrated', async () => {
    const storage = createKeptStorage();
    const all: Schema = { Box: { primaryKey: 'id', properties: { id: 'string', ...properties, ...collections } } };
    const realm = await open({ schema: all, storage });
    await written(realm, (tx) => tx.create('Box', { id: 'a' }));
    await written(realm, (tx) => tx.update('Box', 'a', { id: undefined }));
    const empty = Object.fromEntries(inherited.map((name) => [name, null]));
    expect(boxIn(realm)).toEqual({ id: 'a', ...empty, length: [], prototype: [], apply: {}, call: 0 });
    await realm.close();
    const emitted: unknown[] = [];
    const migrate = (tx: Tx, old: { objects: (type: string) => readonly { values: Record<string, unknown> }[] }) => {
      emitted.push(old.objects('constructor').length, old.objects('Box')[0]?.values['constructor']);
      tx.update('Box', 'a', { constructor: 'new', toString: 'text' });
    };
    const again = await open({ schema: all, storage, schemaVersion: 1, migrate });
    expect(emitted).toEqual([0, null]);
    expect(boxIn(again)).toMatchObject({ constructor: 'new', toString: 'text', valueOf: null });
  });

  it('__proto__ is rejected with its path', async () => {
    const realm = await open({ schema, storage: createKeptStorage() });
    await written(realm, (tx) => tx.create('Box', { id: '__proto__' }));
    expect(boxIn(realm, '__proto__')).toMatchObject({ id: '__proto__' });
    const error = await rejectionOf(realm, (tx) => tx.dictionary('Box', '__proto__', 'map').set('__proto__', 1));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error?.message).toContain('not "__proto__"');
    const named = JSON.parse('{"Box":{"primaryKey":"id","properties":{"id":"string","__proto__":"int"}}}') as Schema;
    await expect(open({ schema: named, storage: createKeptStorage() })).rejects.toThrow('Box.__proto__ must be a name');
  });
});
