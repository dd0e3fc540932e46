import { InvalidArgumentError, SchemaError } from '../../lib/model/errors.js';
import { kinds } from '../../lib/model/kinds.js';
import { checkedSchema, type Schema } from '../../lib/model/schema.js';
import type {
  Checked,
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
} from '../../lib/model/types.js';

const schema = {
  Task: {
    primaryKey: 'id',
    properties: {
      id: 'uuid',
      title: 'string',
      done: 'bool',
      votes: 'int?',
      weight: 'double',
      due: 'date?',
      photo: 'data?',
    },
  },
  Room: { primaryKey: 'number', properties: { number: 'int', name: 'string?' } },
} as const satisfies Schema;
type S = typeof schema;

// Two functions over the same T: the one comparison of types that sees `readonly` and `?`.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- T is what makes it one
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only for two types that are the same. */
const same = <A, B>(...holds: Same<A, B> extends true ? [] : [never]): void => expect(holds).toEqual([]);

// What is said here is checked by the compiler: `npm run check`.
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

  it('let a new object leave out what is optional, and nothing else', () => {
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

  it('know which types and properties there can be', () => {
    // @ts-expect-error -- there is no Shop
    const shop: TypeName<S> = 'Shop';
    const lists: Schema = { Task: { primaryKey: 'id', properties: { id: 'uuid', tags: 'string[]' } } };
    const object: ObjectOf<S, 'Room'> = { number: 1, name: null };
    // @ts-expect-error -- what readers get is theirs to read
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

  it('let a new object leave out what begins empty, at 0, as null or with a default', () => {
    const least: NewObject<R, 'Task'> = { id: 'a', room: 'b' };
    const most: NewObject<R, 'Task'> = { ...least, likes: 3, people: [1], extra: { a: [1] }, state: 'old' };
    // @ts-expect-error -- a link that may not be null has to be given
    const homeless: NewObject<R, 'Task'> = { id: 'a' };
    // @ts-expect-error -- a link is the key of what it links to
    const linked: NewObject<R, 'Task'> = { ...least, owner: 'anna' };
    // @ts-expect-error -- its elements are texts
    const stepped: NewObject<R, 'Task'> = { ...least, steps: [1] };
    // @ts-expect-error -- functions are no values
    const mixed: NewObject<R, 'Task'> = { ...least, extra: () => 1 };
    // @ts-expect-error -- a counter is incremented
    const patch: Patch<R, 'Task'> = { likes: 3 };
    const object: Pick<ObjectOf<R, 'Task'>, 'steps'> = { steps: [] };
    // @ts-expect-error -- what readers get is theirs to read
    object.steps[0] = 'a';
    expect([most, homeless, linked, stepped, mixed, patch]).toHaveLength(6);
  });

  it('refuse a schema that names what there is not', () => {
    const checked = <const S extends Schema>(given: S & Checked<S>): unknown => given;
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
    expect(checkedSchema(rich).size).toBe(3);
  });
});

const withProperties = (properties: unknown, primaryKey: unknown = 'id'): unknown => ({
  Task: { primaryKey, properties },
});

describe('a schema', () => {
  it('that makes sense is looked up once', () => {
    const { Task } = Object.fromEntries(checkedSchema(schema));
    expect(Task?.primaryKey).toEqual({
      name: 'id',
      kind: 'uuid',
      optional: false,
      link: null,
      container: 'value',
      fallback: null,
    });
    expect([...(Task?.properties.values() ?? [])].map(({ name, optional }) => (optional ? `${name}?` : name))).toEqual([
      'id',
      'title',
      'done',
      'votes?',
      'weight',
      'due?',
      'photo?',
    ]);
    expect(Task?.properties.get('due')).toEqual({
      name: 'due',
      kind: 'date',
      optional: true,
      link: null,
      container: 'value',
      fallback: null,
    });
  });

  it.each(kinds.flatMap((kind) => [[kind], [`${kind}?`]]))('may have properties that are %s', (type) => {
    expect(() => checkedSchema(withProperties({ id: 'int', value: type }))).not.toThrow();
  });

  it.each([
    ['counter', { container: 'counter', kind: 'int', optional: false, link: null }],
    ['string[]', { container: 'list', kind: 'string', optional: false, link: null }],
    ['date?[]', { container: 'list', kind: 'date', optional: true, link: null }],
    ['int<>', { container: 'set', kind: 'int', optional: false, link: null }],
    ['double{}', { container: 'dictionary', kind: 'double', optional: false, link: null }],
    ['mixed', { container: 'value', kind: 'mixed', optional: true, link: null }],
    ['Task', { container: 'value', kind: 'int', optional: false, link: 'Task' }],
    ['Task?', { container: 'value', kind: 'int', optional: true, link: 'Task' }],
    ['Task[]', { container: 'list', kind: 'int', optional: false, link: 'Task' }],
  ])('reads %s', (type, expected) => {
    const shape = checkedSchema(withProperties({ id: 'int', value: type })).get('Task');
    expect(shape?.properties.get('value')).toEqual({ name: 'value', ...expected, fallback: null });
  });

  it.each([
    ['Person'],
    ['counter?'],
    ['counter[]'],
    ['string[]?'],
    ['string[][]'],
    ['[]'],
    ['string []'],
    ['constructor'],
    ['int[]{}'],
  ])('has no %s', (type) => {
    const wrong = () => checkedSchema(withProperties({ id: 'int', value: type }));
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(/^Task\.value: expected counter, or one of string, int.* got /);
  });

  it('takes defaults that fit, as values or functions', () => {
    const made = { type: 'string[]', default: () => ['a'] };
    const shape = checkedSchema(
      withProperties({ id: 'int', one: { type: 'int', default: 1 }, none: { type: 'date?', default: null }, made }),
    ).get('Task');
    expect(['one', 'none', 'made'].map((name) => shape?.properties.get(name)?.fallback?.())).toEqual([1, null, ['a']]);
  });

  it.each([
    [
      'of another kind',
      { type: 'int', default: 'a' },
      'Task.value: expected a default that is a int, or a function, got "a"',
    ],
    ['of a counter that is half', { type: 'counter', default: 0.5 }, 'a whole number as its default'],
    ['of a list that is shared', { type: 'int[]', default: [] }, 'a function as the default of a collection'],
    ['that is misspelt', { type: 'int', defualt: 1 }, 'Task.value: expected type and default, got "defualt"'],
  ])('refuses a default %s', (_, value, text) => {
    const wrong = () => checkedSchema(withProperties({ id: 'int', value }));
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(text);
  });

  it.each([
    ['a kind with two question marks', { id: 'int', a: 'int??' }, 'Task.a: expected counter, or one of string'],
    ['no kind', { id: 'int', a: 7 }, 'got 7'],
    ['an empty kind', { id: 'int', a: '' }, 'got ""'],
    ['a kind in capitals', { id: 'int', a: 'Int' }, 'got "Int"'],
    ['a name without characters', { id: 'int', '': 'int' }, 'Task.: expected a name of 1 to 64 letters'],
    ['a name with a space', { id: 'int', 'a b': 'int' }, 'got "a b"'],
    ['a name that begins with a digit', { id: 'int', '1a': 'int' }, 'got "1a"'],
    ['a name that is too long', { id: 'int', ['a'.repeat(65)]: 'int' }, 'got a string of 65 characters'],
    ['the name of the prototype', JSON.parse('{"id":"int","__proto__":"int"}'), 'got "__proto__"'],
    ['no record of properties', ['int'], 'Task: expected a record of properties, got an array of 1'],
    ['no properties', undefined, 'Task: expected a record of properties, got undefined'],
  ])('is refused for %s', (_, properties, text) => {
    const wrong = () => checkedSchema(withProperties(properties));
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(text);
  });

  it.each([
    ['none', undefined],
    ['no name', 7],
    ['that is no property', 'key'],
    ['that is inherited by every object', 'constructor'],
    ['that may be null', 'maybe'],
    ['that is a double', 'weight'],
    ['that is a bool', 'flag'],
    ['that is a date', 'at'],
    ['that is data', 'bytes'],
  ])('is refused for a primary key %s', (_, primaryKey) => {
    const properties = { id: 'int', maybe: 'int?', weight: 'double', flag: 'bool', at: 'date', bytes: 'data' };
    const wrong = () => checkedSchema({ Task: { primaryKey, properties } });
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(/^Task: expected primaryKey to name a property of type string, uuid or int/);
  });

  it.each([[''], ['a b'], ['1a'], ['a/b'], ['_a'], ['a'.repeat(65)], ['ключ']])(
    'is refused for a type called %j',
    (name) => {
      expect(() => checkedSchema({ [name]: { primaryKey: 'id', properties: { id: 'int' } } })).toThrow(SchemaError);
    },
  );

  it.each([[null], [undefined], [7], ['Task'], [{}], [[]]])('is no %j', (given) => {
    expect(() => checkedSchema(given)).toThrow(InvalidArgumentError);
  });

  it.each([[null], [7], ['a'], [[]]])('has no type that is %j', (given) => {
    expect(() => checkedSchema({ Task: given })).toThrow(SchemaError);
  });

  it('may have names that every JavaScript object has', () => {
    const properties = { id: 'int', constructor: 'string', toString: 'int?', hasOwnProperty: 'bool' };
    expect(checkedSchema({ constructor: { primaryKey: 'id', properties } }).get('constructor')?.properties.size).toBe(
      4,
    );
  });
});
