import fc from 'fast-check';
import { firstValueFrom, lastValueFrom, of, toArray } from 'rxjs';
import { exportRealm, importRealm } from '../../lib/client/transfer-realm.js';
import { createSyncClient, memoryStorage, openRealm, type Schema } from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { runOptions } from '../merge/arbitrary-operations.js';
import {
  anyBytes,
  anyDate,
  anyDouble,
  anyEntryKey,
  anyInteger,
  anyMixed,
  anyName,
  anyTextKey,
  textOf,
} from '../model/arbitrary-values.js';
import { createKeptStorage } from './app-versions-kit.js';

const anyOf = {
  string: textOf(0, 3_000),
  int: anyInteger,
  double: anyDouble,
  bool: fc.boolean(),
  date: anyDate,
  data: anyBytes,
  uuid: fc.uuid(),
  mixed: anyMixed,
};
type Kind = keyof typeof anyOf;
const kinds = Object.keys(anyOf) as Kind[];

interface Scene {
  readonly schema: Schema;
  readonly type: string;
  readonly objects: readonly Record<string, unknown>[];
}

const collected = (suffix: string, one: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => {
  if (suffix === '{}') return fc.dictionary(anyEntryKey, one, { maxKeys: 3, noNullPrototype: true });
  return suffix === '' ? one : fc.array(one, { maxLength: 3 });
};

const sizeOf = (element: unknown): number => JSON.stringify(element ?? null).length;
/** Creates values for elements of a set: they are part of a key, so they must be shorter than other texts. */
const elementOf = (kind: Kind): fc.Arbitrary<unknown> =>
  kind === 'data'
    ? fc.uint8Array({ maxLength: 20 })
    : kind === 'mixed'
      ? fc.oneof(textOf(0, 300), anyDouble, fc.constantFrom(null, true, [1, { a: null }]))
      : (anyOf[kind] as fc.Arbitrary<unknown>).filter((element) => sizeOf(element) < 4_000);

/**
 * Creates a type with up to six properties of any kind, in any collection and with any names, and some objects of it.
 */
const scene: fc.Arbitrary<Scene> = fc
  .record({
    type: anyName.filter((name) => !['counter', ...kinds].includes(name)),
    isInt: fc.boolean(),
    names: fc.uniqueArray(anyName, { minLength: 2, maxLength: 7 }),
    kinds: fc.array(fc.constantFrom(...kinds), { minLength: 7, maxLength: 7 }),
    suffixes: fc.array(fc.constantFrom('', '?', '[]', '<>', '{}', '?[]'), { minLength: 7, maxLength: 7 }),
  })
  .chain(({ type, isInt, names, ...chosen }) => {
    const [primaryKey = 'id', ...others] = names;
    const properties = others.map((name, at) => {
      const [kind, suffix] = [chosen.kinds[at] ?? 'string', chosen.suffixes[at] ?? ''];
      const one = suffix === '<>' ? elementOf(kind) : anyOf[kind];
      const held = collected(suffix.replace('?', ''), suffix.startsWith('?') ? fc.option(one) : one);
      return { name, text: `${kind}${suffix}`, held };
    });
    const schema: Schema = {
      [type]: {
        primaryKey,
        properties: {
          [primaryKey]: isInt ? 'int' : 'string',
          ...Object.fromEntries(properties.map(({ name, text }) => [name, text])),
        },
      },
    };
    const key = isInt ? anyInteger : anyTextKey;
    const values = fc.record({
      ...Object.fromEntries(properties.map(({ name, held }) => [name, held])),
      [primaryKey]: key,
    });
    const objects = fc.uniqueArray(values, { minLength: 1, maxLength: 4, selector: (object) => object[primaryKey] });
    return objects.map((all): Scene => ({ schema, type, objects: all }));
  });

/** Returns equal texts for objects that are equal to an app. */
const plainly = (objects: readonly unknown[]): string =>
  JSON.stringify(objects, (_, each: unknown) =>
    each instanceof Uint8Array ? { bytes: Buffer.from(each).toString('hex') } : Object.is(each, -0) ? 0 : each,
  );

interface AnyTx {
  readonly create: (type: string, values: object) => void;
  readonly put: (type: string, values: object) => void;
}

describe('field report H-2: values, names and keys at their limits', () => {
  it('are unchanged: at once, on another device, after a restart, and in an export', async () => {
    await fc.assert(
      fc.asyncProperty(scene, async ({ schema, type, objects }) => {
        const server = createSyncServer({
          storage: memoryStorage(),
          authenticate: allowAnyone,
          authorize: () => 'write',
        });
        const device = async (storage = createKeptStorage()) => {
          const client = createSyncClient({ dial: of(server.wire) });
          const realm = await openRealm({ schema, storage, sync: { client, realm: 'team' } });
          return { client, realm, storage };
        };
        const [one, other] = [await device(), await device()];
        await one.realm.write((tx) => {
          for (const object of objects) (tx as unknown as AnyTx).create(type, object);
        });
        await firstValueFrom(one.realm.session.uploadComplete$);
        await firstValueFrom(other.realm.session.downloadComplete$);
        const shown = plainly(one.realm.objects(type));
        expect(one.realm.objects(type)).toHaveLength(objects.length);
        expect(plainly(other.realm.objects(type))).toBe(shown);
        for (const [name, text] of Object.entries(schema[type]?.properties ?? {})) {
          if ((text as string).endsWith('<>') || (text as string).endsWith('{}')) continue; // Sets and dictionaries have an order of their own.
          for (const object of objects) {
            const stored = one.realm.get(type, object[schema[type]?.primaryKey ?? ''] as never) as Record<
              string,
              unknown
            >;
            expect(plainly([stored[name]])).toBe(plainly([object[name] ?? null]));
          }
        }
        const { version } = await one.realm.write((tx) => {
          for (const object of objects) (tx as unknown as AnyTx).put(type, object);
        });
        expect(version).toBe(1); // A version of 1 means that no object was changed.
        const lines = await lastValueFrom(exportRealm(one.realm).pipe(toArray()));
        const copy = await openRealm({ schema, storage: memoryStorage() });
        await importRealm(copy, lines);
        expect(plainly(copy.objects(type))).toBe(shown);
        for (const { realm, client } of [one, other]) {
          await realm.close();
          await client.close();
        }
        const again = await device(one.storage);
        expect(plainly(again.realm.objects(type))).toBe(shown);
        await again.client.close();
        await server.close();
      }),
      runOptions(60),
    );
  });
});
