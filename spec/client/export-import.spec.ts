import fc from 'fast-check';
import { lastValueFrom, of, take, tap, toArray } from 'rxjs';
import { exportRealm, importRealm } from '../../lib/client/transfer-realm.js';
import { InvalidArgumentError, memoryStorage, RealmClosedError, type Schema, type Storage } from '../../lib/index.js';
import { runOptions } from '../merge/arbitrary-operations.js';
import {
  anyDate,
  anyDouble,
  anyEntryKey,
  anyInteger,
  anyMixed,
  anyTextKey,
  textOf,
} from '../model/arbitrary-values.js';
import {
  readAll,
  header,
  exportLines,
  toPlainRealm,
  openTestRealm,
  createTask,
  openTasks,
} from './import-lines-kit.js';

const kinds = ['string', 'int', 'double', 'bool', 'date', 'data', 'uuid', 'mixed'] as const;
type Kind = (typeof kinds)[number];

/** A type with a property of every kind in every collection, optional and required. */
const everything = {
  All: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      votes: 'counter',
      boss: 'All?',
      team: 'Other[]',
      ...Object.fromEntries(
        kinds.flatMap((kind) =>
          [kind, `${kind}?`].flatMap((type) =>
            Object.entries({ '': 'value', '[]': 'list', '<>': 'set', '{}': 'dictionary' }).map(([suffix, name]) => [
              `${kind}_${type.endsWith('?') ? 'maybe_' : ''}${name}`,
              `${type}${suffix}`,
            ]),
          ),
        ),
      ),
    },
  },
  Other: { primaryKey: 'at', properties: { at: 'int' } },
} satisfies Schema;

const values: Readonly<Record<Kind, fc.Arbitrary<unknown>>> = {
  string: fc.oneof(textOf(0, 300), fc.constantFrom('\u2029\r\n', '2024-05-01')),
  int: anyInteger,
  double: anyDouble,
  bool: fc.boolean(),
  date: anyDate,
  data: fc.uint8Array({ maxLength: 20 }),
  uuid: fc.uuid(),
  mixed: anyMixed.filter((each) => JSON.stringify(each).length < 4_000), // The value may be an element of a set.
};

const valueOf = (type: string): fc.Arbitrary<unknown> => {
  const one = values[(/^[a-z]+/.exec(type)?.[0] ?? 'string') as Kind];
  return type.includes('?') ? fc.option(one, { nil: null }) : one;
};
const heldBy = (name: string, type: string): fc.Arbitrary<unknown> => {
  if (type === 'counter') return anyInteger;
  if (name === 'boss') return fc.option(anyTextKey, { nil: null });
  if (name === 'team') return fc.array(anyInteger, { maxLength: 3 });
  if (type.endsWith('{}')) {
    return fc.dictionary(anyEntryKey, valueOf(type), { maxKeys: 3, noNullPrototype: true });
  }
  return /(\[\]|<>)$/.test(type) ? fc.array(valueOf(type), { maxLength: 3 }) : valueOf(type);
};
const { id: _, ...properties } = everything.All.properties;
const object = fc.record({
  ...Object.fromEntries(
    Object.entries(properties as Record<string, string>).map(([name, type]) => [name, heldBy(name, type)]),
  ),
  id: anyTextKey,
});

describe('export and import', () => {
  it('make a fresh realm the same, whatever its objects hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(object, { selector: ({ id }) => id, maxLength: 3 }), async (objects) => {
        const [before, after] = [await openTestRealm(everything as Schema), await openTestRealm(everything as Schema)];
        await before.write((tx) => {
          for (const each of objects) tx.create('All', each);
          tx.create('Other', { at: -7 });
        });
        const lines = await exportLines(before);
        expect(lines.every((text) => !/[\r\n\u2028\u2029]/.test(text))).toBe(true);
        expect(await importRealm(after, lines)).toEqual({ created: objects.length + 1, updated: 0, skipped: 0 });
        for (const type of ['All', 'Other']) expect(await readAll(after, type)).toEqual(await readAll(before, type));
        expect(await exportLines(after)).toEqual(lines);
      }),
      runOptions(100),
    );
  }, 60_000);

  it('begin with the types, and have an object a line, in the order of types and keys, without its end', async () => {
    const realm = await openTasks(
      createTask('b', { due: new Date(5), raw: Uint8Array.of(255) }),
      createTask('a', { votes: 3 }),
    );
    expect(await exportLines(toPlainRealm(realm))).toEqual([
      `${header.slice(0, -1)},"objects":2}`,
      '{"type":"Task","object":{"id":"a","title":"a","due":null,"raw":null,"votes":3}}',
      '{"type":"Task","object":{"id":"b","title":"b","due":"1970-01-01T00:00:00.005Z","raw":"/w==","votes":0}}',
    ]);
  });

  it('take a snapshot: writes during the export are not in it', async () => {
    const realm = await openTasks(...Array.from({ length: 1_200 }, (_, at) => createTask(`k${at}`)));
    const before = await exportLines(toPlainRealm(realm));
    let isChanged = false;
    const change = () => {
      if (isChanged) return;
      isChanged = true;
      void realm.write((tx) => {
        for (let at = 0; at < 1_200; at += 1) {
          if (at % 2 === 0) tx.update('Task', `k${at}`, { title: 'changed' });
          else tx.delete('Task', `k${at}`);
        }
        tx.create('Task', createTask('new'));
      });
    };
    expect(await lastValueFrom(exportRealm(realm).pipe(tap(change), toArray()))).toEqual(before);
    expect(await exportLines(toPlainRealm(realm))).toHaveLength(602);
  });

  it('is cold, yields between turns, and stops without a subscriber', async () => {
    const realm = await openTasks(...Array.from({ length: 2_000 }, (_, at) => createTask(`k${at}`)));
    const lines = exportRealm(realm);
    await realm.write((tx) => tx.create('Task', createTask('later')));
    let count = 0;
    const all = lastValueFrom(lines.pipe(tap(() => (count += 1))));
    const atOnce = count;
    expect(atOnce).toBeLessThan(1_000);
    await all;
    expect(count).toBe(2_002);
    expect(await lastValueFrom(lines.pipe(take(3), toArray()))).toHaveLength(3);
    await realm.close();
    expect(() => exportRealm(realm)).toThrow(RealmClosedError);
    await expect(lastValueFrom(lines)).rejects.toThrow(RealmClosedError);
    await expect(importRealm(realm, [])).rejects.toThrow(RealmClosedError);
  });

  it('accept only handles that openRealm made', async () => {
    const realm = await openTestRealm({ Task: { primaryKey: 'id', properties: { id: 'string' } } } as const);
    for (const wrong of [undefined, null, 'realm', {}, { ...realm }]) {
      expect(() => exportRealm(wrong as never)).toThrow(/realm must be a realm that openRealm opened/);
      await expect(importRealm(wrong as never, [])).rejects.toThrow(InvalidArgumentError);
    }
  });

  it('leave out unwritten properties of a newer schema, so that the default is used', async () => {
    const storage = memoryStorage();
    const old = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;
    const kept: Storage = { ...storage, close: () => of() };
    const before = await openTestRealm(old, kept);
    await before.write((tx) => tx.create('Task', { id: 'milk' }));
    await before.close();
    const newer = await openTestRealm(
      { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const,
      kept,
    );
    const lines = await exportLines(newer);
    expect(lines[1]).toBe('{"type":"Task","object":{"id":"milk"}}');
    const withDefault = { id: 'string', title: { type: 'string', default: 'none' } } as const;
    const after = await openTestRealm({ Task: { primaryKey: 'id', properties: withDefault } } as const);
    await importRealm(after, lines);
    expect(after.get('Task', 'milk')).toEqual({ id: 'milk', title: 'none' });
  });
});
