import { checkSchema, type Schema } from '../../lib/model/schema.js';
import type {
  ValidSchema,
  CounterOf,
  DictionaryOf,
  ElementOf,
  KeyOf,
  ListOf,
  Mixed,
  NewObject,
  ObjectOf,
  Patch,
  SetOf,
  TypeName,
} from '../../lib/model/schema-types.js';
import type { schema } from './test-kit.js';

type S = typeof schema;

// Two functions over the same T are the only comparison of types that notices `readonly` and `?`.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the comparison needs T
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only for two types that are the same. */
const same = <A, B>(...holds: Same<A, B> extends true ? [] : [never]): void => expect(holds).toEqual([]);

// The compiler checks these types: `npm run check`.
describe('the types of a schema', () => {
  it('are those of its objects, read-only, optional ones null', () => {
    same<
      ObjectOf<S, 'Task'>,
      {
        readonly id: string;
        readonly title: string;
        readonly done: boolean;
        readonly votes: number | null;
        readonly weight: number;
        readonly due: Date | null;
        readonly photo: Uint8Array | null;
      }
    >();
    same<ObjectOf<S, 'Room'>, { readonly number: number; readonly name: string | null }>();
    same<TypeName<S>, 'Task' | 'Room'>();
    same<KeyOf<S, 'Task'>, string>();
    same<KeyOf<S, 'Room'>, number>();
  });

  it('let a new object omit optional properties, and nothing else', () => {
    const least: NewObject<S, 'Task'> = { id: 'a', title: 'b', done: true, weight: 1 };
    const most: NewObject<S, 'Task'> = { ...least, votes: 1, due: null, photo: new Uint8Array() };
    // @ts-expect-error -- a title is wanted
    const untitled: NewObject<S, 'Task'> = { id: 'a', done: true, weight: 1 };
    // @ts-expect-error -- a title is a string
    const odd: NewObject<S, 'Task'> = { ...least, title: 1 };
    // @ts-expect-error -- a title is never null
    const blank: NewObject<S, 'Task'> = { ...least, title: null };
    // @ts-expect-error -- there is no price
    const priced: NewObject<S, 'Task'> = { ...least, price: 1 };
    // @ts-expect-error -- a date is a Date
    const dated: NewObject<S, 'Task'> = { ...least, due: 5 };
    expect([most, untitled, odd, blank, priced, dated]).toHaveLength(6);
  });

  it('let a patch have any property but the primary key', () => {
    const patch: Patch<S, 'Task'> = { title: 'a', due: null };
    const nothing: Patch<S, 'Task'> = {};
    // @ts-expect-error -- a primary key never changes
    const renamed: Patch<S, 'Task'> = { id: 'b' };
    // @ts-expect-error -- a value or null, but not undefined
    const vague: Patch<S, 'Task'> = { due: undefined };
    // @ts-expect-error -- a title is never null
    const blank: Patch<S, 'Task'> = { title: null };
    expect([patch, nothing, renamed, vague, blank]).toHaveLength(5);
  });

  it('know the types and properties of the schema', () => {
    // @ts-expect-error -- there is no Shop
    const shop: TypeName<S> = 'Shop';
    const lists: Schema = { Task: { primaryKey: 'id', properties: { id: 'uuid', tags: 'string[]' } } };
    const object: ObjectOf<S, 'Room'> = { number: 1, name: null };
    // @ts-expect-error -- objects are read-only
    object.name = 'a';
    expect([lists, object, shop]).toHaveLength(3);
  });
});

const rich = {
  Task: {
    primaryKey: 'id',
    properties: {
      id: 'uuid',
      owner: 'Person?',
      room: 'Room',
      likes: 'counter',
      steps: 'string[]',
      dates: 'date?[]',
      tags: 'string<>',
      sizes: 'double{}',
      people: 'Person[]',
      extra: 'mixed',
      state: { type: 'string', default: 'new' },
    },
  },
  Person: { primaryKey: 'id', properties: { id: 'int' } },
  Room: { primaryKey: 'name', properties: { name: 'string' } },
} as const satisfies Schema;
type R = typeof rich;

describe('the types of collections, counters and links', () => {
  it('are those of their elements, read-only; a link is a key', () => {
    same<
      ObjectOf<R, 'Task'>,
      {
        readonly id: string;
        readonly owner: number | null;
        readonly room: string;
        readonly likes: number;
        readonly steps: readonly string[];
        readonly dates: readonly (Date | null)[];
        readonly tags: readonly string[];
        readonly sizes: Readonly<Record<string, number>>;
        readonly people: readonly number[];
        readonly extra: Mixed;
        readonly state: string;
      }
    >();
    same<CounterOf<R, 'Task'>, 'likes'>();
    same<ListOf<R, 'Task'>, 'steps' | 'dates' | 'people'>();
    same<SetOf<R, 'Task'>, 'tags'>();
    same<DictionaryOf<R, 'Task'>, 'sizes'>();
    same<ElementOf<R, 'Task', 'dates'>, Date | null>();
    same<CounterOf<R, 'Person'>, never>();
  });

  it('let a new object omit properties that begin empty, at 0, as null or with a default', () => {
    const least: NewObject<R, 'Task'> = { id: 'a', room: 'b' };
    const most: NewObject<R, 'Task'> = { ...least, likes: 3, people: [1], extra: { a: [1] }, state: 'old' };
    // @ts-expect-error -- a link that may not be null has to be given
    const homeless: NewObject<R, 'Task'> = { id: 'a' };
    // @ts-expect-error -- a link is the key of the linked object
    const linked: NewObject<R, 'Task'> = { ...least, owner: 'anna' };
    // @ts-expect-error -- its elements are texts
    const stepped: NewObject<R, 'Task'> = { ...least, steps: [1] };
    // @ts-expect-error -- functions are not values
    const mixed: NewObject<R, 'Task'> = { ...least, extra: () => 1 };
    // @ts-expect-error -- a counter is incremented
    const patch: Patch<R, 'Task'> = { likes: 3 };
    const object: Pick<ObjectOf<R, 'Task'>, 'steps'> = { steps: [] };
    // @ts-expect-error -- objects are read-only
    object.steps[0] = 'a';
    expect([most, homeless, linked, stepped, mixed, patch]).toHaveLength(6);
  });

  it('reject a schema that names a missing type or property', () => {
    const checked = <const S extends Schema>(given: S & ValidSchema<S>): unknown => given;
    const id = 'int';
    checked({ A: { primaryKey: 'id', properties: { id, b: 'B[]', c: 'counter', d: 'mixed{}' } }, B: rich.Person });
    // @ts-expect-error -- there is no type of this name
    checked({ A: { primaryKey: 'id', properties: { id, b: 'strng' } } });
    // @ts-expect-error -- there is no type to link to
    checked({ A: { primaryKey: 'id', properties: { id, b: 'Person?' } } });
    // @ts-expect-error -- there are no counters of counters
    checked({ A: { primaryKey: 'id', properties: { id, b: 'counter[]' } } });
    // @ts-expect-error -- the primary key is one of the properties
    checked({ A: { primaryKey: 'key', properties: { id } } });
    // @ts-expect-error -- with a default, too, it has to be a type
    checked({ A: { primaryKey: 'id', properties: { id, b: { type: 'strng', default: 1 } } } });
    expect(checkSchema(rich).size).toBe(3);
  });
});
