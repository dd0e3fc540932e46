import {
  type App,
  waitUntilInStep,
  type Properties,
  upsertTask,
  schemaOf,
  shownValueOf,
  createTeam,
} from './app-versions-kit.js';

/*
 * Tests the table of docs/data.md, "Versions of an app side by side". Each row has two schemas on one realm, writes of
 * either version, and the other one connected before or after.
 */

const zero = '00000000-0000-0000-0000-000000000000';
const aside = 'set aside';

type Row = readonly [
  what: string,
  given: {
    readonly older: Properties;
    readonly newer: Properties;
    /** Values that the older app writes into `p`, and the values that the newer one reads. */
    readonly up: readonly (readonly [written: unknown, shown: unknown])[];
    /** Values that the newer app writes into `p`, and the values that the older one reads. */
    readonly down: readonly (readonly [written: unknown, shown: unknown])[];
  },
];

const nothing = undefined;

const rows: readonly Row[] = [
  ['adds an optional property', { older: {}, newer: { p: 'string?' }, up: [[nothing, null]], down: [['x', nothing]] }],
  ['adds a string', { older: {}, newer: { p: 'string' }, up: [[nothing, '']], down: [['x', nothing]] }],
  ['adds an int', { older: {}, newer: { p: 'int' }, up: [[nothing, 0]], down: [[1, nothing]] }],
  ['adds a double', { older: {}, newer: { p: 'double' }, up: [[nothing, 0]], down: [[1, nothing]] }],
  ['adds a bool', { older: {}, newer: { p: 'bool' }, up: [[nothing, false]], down: [[true, nothing]] }],
  ['adds a date', { older: {}, newer: { p: 'date' }, up: [[nothing, new Date(0)]], down: [[new Date(5), nothing]] }],
  ['adds data', { older: {}, newer: { p: 'data' }, up: [[nothing, new Uint8Array()]], down: [] }],
  ['adds a uuid', { older: {}, newer: { p: 'uuid' }, up: [[nothing, zero]], down: [[zero, nothing]] }],
  ['adds a mixed property', { older: {}, newer: { p: 'mixed' }, up: [[nothing, null]], down: [[[1], nothing]] }],
  ['adds a counter', { older: {}, newer: { p: 'counter' }, up: [[nothing, 0]], down: [[3, nothing]] }],
  ['adds a list', { older: {}, newer: { p: 'int[]' }, up: [[nothing, []]], down: [[[1], nothing]] }],
  ['adds a set', { older: {}, newer: { p: 'int<>' }, up: [[nothing, []]], down: [[[1], nothing]] }],
  ['adds a dictionary', { older: {}, newer: { p: 'int{}' }, up: [[nothing, {}]], down: [[{ a: 1 }, nothing]] }],
  ['adds an optional link', { older: {}, newer: { p: 'Task?' }, up: [[nothing, null]], down: [['a', nothing]] }],
  [
    'adds a link that has to be there',
    { older: {}, newer: { p: 'Task' }, up: [[nothing, aside]], down: [['a', nothing]] },
  ],
  [
    'adds a property with a default',
    { older: {}, newer: { p: { type: 'int', default: 7 } }, up: [[nothing, 7]], down: [[1, nothing]] },
  ],
  [
    'adds an optional property with a default',
    { older: {}, newer: { p: { type: 'int?', default: 7 } }, up: [[nothing, 7]], down: [[null, nothing]] },
  ],
  [
    'adds a property whose default is a function',
    { older: {}, newer: { p: { type: 'int', default: () => 7 } }, up: [[nothing, 0]], down: [[1, nothing]] },
  ],
  ['removes a property', { older: { p: 'string' }, newer: {}, up: [['x', nothing]], down: [[nothing, '']] }],
  ['removes an optional property', { older: { p: 'int?' }, newer: {}, up: [[1, nothing]], down: [[nothing, null]] }],
  [
    'makes a property optional',
    {
      older: { p: 'int' },
      newer: { p: 'int?' },
      up: [[1, 1]],
      down: [
        [2, 2],
        [null, aside],
      ],
    },
  ],
  [
    'makes a property required',
    {
      older: { p: 'int?' },
      newer: { p: 'int' },
      up: [
        [1, 1],
        [null, aside],
      ],
      down: [[2, 2]],
    },
  ],
  [
    'widens int to double',
    {
      older: { p: 'int' },
      newer: { p: 'double' },
      up: [[1, 1]],
      down: [
        [2, 2],
        [0.5, aside],
      ],
    },
  ],
  [
    'narrows double to int',
    {
      older: { p: 'double' },
      newer: { p: 'int' },
      up: [
        [1, 1],
        [0.5, aside],
      ],
      down: [[2, 2]],
    },
  ],
  [
    'widens string to mixed',
    {
      older: { p: 'string' },
      newer: { p: 'mixed' },
      up: [['x', 'x']],
      down: [
        ['y', 'y'],
        [[1], aside],
      ],
    },
  ],
  [
    'widens uuid to string',
    {
      older: { p: 'uuid' },
      newer: { p: 'string' },
      up: [[zero, zero]],
      down: [
        [zero, zero],
        ['x', aside],
      ],
    },
  ],
  ['retypes string to int', { older: { p: 'string' }, newer: { p: 'int' }, up: [['x', aside]], down: [[1, aside]] }],
  ['retypes int to bool', { older: { p: 'int' }, newer: { p: 'bool' }, up: [[1, aside]], down: [[true, aside]] }],
  [
    'retypes int to date',
    { older: { p: 'int' }, newer: { p: 'date' }, up: [[5, new Date(5)]], down: [[new Date(6), 6]] },
  ],
  ['retypes int to a link', { older: { p: 'int' }, newer: { p: 'Task' }, up: [[5, aside]], down: [['a', aside]] }],
  [
    'makes a list of a value',
    {
      older: { p: 'int' },
      newer: { p: 'int[]' },
      up: [[1, aside]],
      down: [
        [[1], aside],
        [[], 0],
      ],
    },
  ],
  [
    'makes a value of a list',
    {
      older: { p: 'int[]' },
      newer: { p: 'int' },
      up: [
        [[1], aside],
        [[], 0],
      ],
      down: [[1, aside]],
    },
  ],
  ['makes a set of a list', { older: { p: 'int[]' }, newer: { p: 'int<>' }, up: [[[1], aside]], down: [[[1], aside]] }],
  [
    'makes a dictionary of a list',
    { older: { p: 'int[]' }, newer: { p: 'int{}' }, up: [[[1], aside]], down: [[{ a: 1 }, aside]] },
  ],
  [
    'makes a dictionary of a set',
    { older: { p: 'int<>' }, newer: { p: 'int{}' }, up: [[[1], { 1: 1 }]], down: [[{ a: 1 }, aside]] },
  ],
  [
    'makes a set of a dictionary',
    { older: { p: 'int{}' }, newer: { p: 'int<>' }, up: [[{ a: 1 }, aside]], down: [[[1], { 1: 1 }]] },
  ],
  ['makes a counter of an int', { older: { p: 'int' }, newer: { p: 'counter' }, up: [[1, 1]], down: [[2, 2]] }],
  [
    'makes a counter of an optional int',
    { older: { p: 'int?' }, newer: { p: 'counter' }, up: [[null, aside]], down: [[2, 2]] },
  ],
  [
    'retypes the elements of a list',
    { older: { p: 'int[]' }, newer: { p: 'string[]' }, up: [[[1], aside]], down: [[['a'], aside]] },
  ],
  [
    'makes the elements of a list optional',
    { older: { p: 'int[]' }, newer: { p: 'int?[]' }, up: [[[1], [1]]], down: [[[null], aside]] },
  ],
];

const object = (written: unknown) => (written === nothing ? { id: 'a' } : { id: 'a', p: written });

/** Writes with one app and reads with another, which connects before or after. */
const passed = async (writes: Properties, reads: Properties, written: unknown, first: 'reader' | 'writer') => {
  const { app } = createTeam();
  const [one, other] = first === 'reader' ? [reads, writes] : [writes, reads];
  const early = await app(schemaOf(one));
  if (first === 'reader') await waitUntilInStep(early);
  const late = first === 'reader' ? await app(schemaOf(other)) : null;
  const writer = late ?? early;
  await upsertTask(writer, object(written));
  await waitUntilInStep(writer);
  const reader = late ? early : await app(schemaOf(other));
  await waitUntilInStep(writer, reader);
  return { writer, reader };
};

const works = async ({ realm, session }: App) => {
  expect(session.syncState).toBe('active');
  await realm.write((tx) => tx.delete('Task', 'a'));
};

describe('field report B-1: versions of an app on one realm, when a newer one', () => {
  describe.each(rows)('%s', (_, { older, newer, up, down }) => {
    const cases = [
      ...up.map(([written, shown]) => ['newer', older, newer, written, shown] as const),
      ...down.map(([written, shown]) => ['older', newer, older, written, shown] as const),
    ];
    it.each(cases)(
      'the %s app gets what is documented, connected before or after',
      async (_to, writes, reads, written, shown) => {
        for (const first of ['reader', 'writer'] as const) {
          const { writer, reader } = await passed(writes, reads, written, first);
          expect(await shownValueOf(reader, 'p')).toEqual(shown);
          expect(reader.errors.map(({ level }) => level)).toEqual(shown === aside ? ['object'] : []);
          await works(reader);
          await waitUntilInStep(reader, writer);
          expect(writer.realm.get('Task', 'a')).toBeUndefined();
          expect(writer.errors).toEqual([]);
        }
      },
    );
  });

  it('changes an int to a counter: the older app sets the object aside once it was incremented', async () => {
    const { app } = createTeam();
    const [older, newer] = [await app(schemaOf({ p: 'int' })), await app(schemaOf({ p: 'counter' }))];
    await upsertTask(older, { id: 'a', p: 1 });
    await waitUntilInStep(older, newer);
    await newer.realm.write((tx) => {
      tx.increment('Task', 'a', 'p');
    });
    await waitUntilInStep(newer, older);
    expect([await shownValueOf(older, 'p'), await shownValueOf(newer, 'p')]).toEqual([aside, 2]);
  });

  it('adds or removes a type: its objects are kept, and hidden from the other version', async () => {
    const { app } = createTeam();
    const tasks = await app(schemaOf({}));
    const both = await app({ ...schemaOf({}), Person: { primaryKey: 'id', properties: { id: 'int' } } });
    await both.realm.write((tx) => tx.create('Person', { id: 1 }));
    await waitUntilInStep(both, tasks);
    expect(() => tasks.realm.get('Person', 1)).toThrow('one of Task');
    expect(tasks.realm.stats().objects).toEqual({ Task: 0, Person: 1 });
    expect(tasks.errors).toEqual([]);
    await upsertTask(tasks, { id: 'a' });
    await works(tasks);
  });

  it('changes the type of the primary key: each version shows the objects whose key has its type', async () => {
    const { app } = createTeam();
    const older = await app(schemaOf({ p: 'int' }));
    const newer = await app(schemaOf({ p: 'int' }, 'int'));
    await upsertTask(older, { id: 'a', p: 1 });
    await upsertTask(newer, { id: 7, p: 2 });
    await waitUntilInStep(older, newer);
    expect([await shownValueOf(older, 'p'), await shownValueOf(older, 'p', 7)]).toEqual([1, aside]);
    expect([await shownValueOf(newer, 'p'), await shownValueOf(newer, 'p', 7)]).toEqual([aside, 2]);
    await newer.realm.write((tx) => tx.delete('Task', 'a'));
    await waitUntilInStep(newer, older);
    expect(older.realm.get('Task', 'a')).toBeUndefined();
  });
});
