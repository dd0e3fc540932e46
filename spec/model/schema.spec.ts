import { InvalidArgumentError, SchemaError } from '../../lib/model/errors.js';
import { valueTypes } from '../../lib/model/value-types.js';
import { checkSchema } from '../../lib/model/schema.js';
import { schema } from './test-kit.js';

const withProperties = (properties: unknown, primaryKey: unknown = 'id'): unknown => ({
  Task: { primaryKey, properties },
});

describe('a schema', () => {
  it('is checked and returned as types with their properties', () => {
    const { Task } = Object.fromEntries(checkSchema(schema));
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

  it.each(valueTypes.flatMap((kind) => [[kind], [`${kind}?`]]))('may have properties that are %s', (type) => {
    expect(() => checkSchema(withProperties({ id: 'int', value: type }))).not.toThrow();
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
    const shape = checkSchema(withProperties({ id: 'int', value: type })).get('Task');
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
    const wrong = () => checkSchema(withProperties({ id: 'int', value: type }));
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(/^Task\.value must be "counter", or one of string, int.*, received /);
  });

  it('accepts defaults that fit, as values or functions', () => {
    const made = { type: 'string[]', default: () => ['a'] };
    const shape = checkSchema(
      withProperties({ id: 'int', one: { type: 'int', default: 1 }, none: { type: 'date?', default: null }, made }),
    ).get('Task');
    expect(['one', 'none', 'made'].map((name) => shape?.properties.get(name)?.fallback?.())).toEqual([1, null, ['a']]);
  });

  it.each([
    [
      'of another kind',
      { type: 'int', default: 'a' },
      'Task.value must be a property whose default is a int or a function, received "a".',
    ],
    [
      'of a counter that is a fraction',
      { type: 'counter', default: 0.5 },
      'a property whose default is a whole number or a function',
    ],
    ['of a list that is shared', { type: 'int[]', default: [] }, 'a collection whose default is a function'],
    [
      'with a misspelt option',
      { type: 'int', defualt: 1 },
      'Task.value must be a record with only type and default, received "defualt".',
    ],
  ])('rejects a default %s', (_, value, text) => {
    const wrong = () => checkSchema(withProperties({ id: 'int', value }));
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(text);
  });

  it.each([
    ['a kind with two question marks', { id: 'int', a: 'int??' }, 'Task.a must be "counter", or one of string'],
    ['no kind', { id: 'int', a: 7 }, 'received 7.'],
    ['an empty kind', { id: 'int', a: '' }, 'received "".'],
    ['a kind in capitals', { id: 'int', a: 'Int' }, 'received "Int".'],
    ['a name without characters', { id: 'int', '': 'int' }, 'Task. must be a name of 1 to 64 letters'],
    ['a name with a space', { id: 'int', 'a b': 'int' }, 'received "a b".'],
    ['a name that begins with a digit', { id: 'int', '1a': 'int' }, 'received "1a".'],
    ['a name that is too long', { id: 'int', ['a'.repeat(65)]: 'int' }, 'received a string of 65 characters'],
    ['the name of the prototype', JSON.parse('{"id":"int","__proto__":"int"}'), 'received "__proto__".'],
    ['properties that are not a record', ['int'], 'Task must be a record of properties, received an array of 1'],
    ['no properties', undefined, 'Task must be a record of properties, received undefined.'],
  ])('is rejected for %s', (_, properties, text) => {
    const wrong = () => checkSchema(withProperties(properties));
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(text);
  });

  it.each([
    ['none', undefined],
    ['no name', 7],
    ['that is not a property', 'key'],
    ['that is inherited by every object', 'constructor'],
    ['that may be null', 'maybe'],
    ['that is a double', 'weight'],
    ['that is a bool', 'flag'],
    ['that is a date', 'at'],
    ['that is data', 'bytes'],
  ])('is rejected for a primary key %s', (_, primaryKey) => {
    const properties = { id: 'int', maybe: 'int?', weight: 'double', flag: 'bool', at: 'date', bytes: 'data' };
    const wrong = () => checkSchema({ Task: { primaryKey, properties } });
    expect(wrong).toThrow(SchemaError);
    expect(wrong).toThrow(/^Task\.\w+ is .* A primary key must be string, uuid or int, and not nullable\.$/);
  });

  it.each([[''], ['a b'], ['1a'], ['a/b'], ['_a'], ['a'.repeat(65)], ['ключ']])(
    'is rejected for a type called %j',
    (name) => {
      expect(() => checkSchema({ [name]: { primaryKey: 'id', properties: { id: 'int' } } })).toThrow(SchemaError);
    },
  );

  it.each([[null], [undefined], [7], ['Task'], [{}], [[]]])('is not %j', (given) => {
    expect(() => checkSchema(given)).toThrow(InvalidArgumentError);
  });

  it.each([[null], [7], ['a'], [[]]])('has no type that is %j', (given) => {
    expect(() => checkSchema({ Task: given })).toThrow(SchemaError);
  });

  it('may have names that every JavaScript object has', () => {
    const properties = { id: 'int', constructor: 'string', toString: 'int?', hasOwnProperty: 'bool' };
    expect(checkSchema({ constructor: { primaryKey: 'id', properties } }).get('constructor')?.properties.size).toBe(4);
  });
});
