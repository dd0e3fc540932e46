import { firstValueFrom } from 'rxjs';
import { CompensatingWriteError, InvalidArgumentError, memoryStorage } from '../../../lib/index.js';
import { allowAnyone, createSyncServer, type ServerOptions } from '../../../lib/server/index.js';
import {
  type App,
  waitUntilInStep,
  upsertTask,
  schemaOf,
  shownValueOf,
  createTeam,
} from '../../client/app-versions-kit.js';

const strict = schemaOf({ p: 'int', list: 'int[]' });
const other = schemaOf({ p: 'string?', list: 'mixed[]', more: 'string?' });

const reasonsIn = async ({ realm }: App) => {
  const [first] = await firstValueFrom(realm.rejectedWrites$);
  expect(first?.reasonCode).toBe(first?.objects[0]?.reason === 'not b' ? 'not-permitted' : 'schema');
  return first?.objects.map(({ type, key, reason }) => ({ type, key, reason }));
};

describe('field report B-1: a server with schemas', () => {
  it('rejects a write that contradicts the schema of its realm, names the property, and continues', async () => {
    const { app } = createTeam({ schemas: { 'task*': strict } });
    const [own, second] = [await app(other), await app(strict)];
    await own.realm.write((tx) => {
      tx.create('Task', { id: 'a', p: 'text' });
      tx.create('Task', { id: 'b', p: null, list: ['x'] });
    });
    await upsertTask(own, { id: 'c', p: null });
    await waitUntilInStep(own);
    expect(own.errors.filter((error) => error instanceof CompensatingWriteError)).toHaveLength(2);
    expect(await reasonsIn(own)).toEqual([
      {
        type: 'Task',
        key: 'a',
        reason: expect.stringMatching(/^p must be a whole number.*, received "text"\.$/) as string,
      },
      {
        type: 'Task',
        key: 'b',
        reason: expect.stringMatching(/^p must be a whole number.*, received null\.$/) as string,
      },
    ]);
    expect(own.realm.get('Task', 'a')).toBeUndefined();
    await upsertTask(second, { id: 'd', p: 1 });
    await waitUntilInStep(second, own);
    expect([own.session.syncState, second.session.syncState]).toEqual(['active', 'active']);
    expect(await shownValueOf(second, 'p', 'd')).toBe(1);
    expect(second.errors).toEqual([]);
  });

  it('accepts properties that the schema does not name, and every delete', async () => {
    const { app } = createTeam({ schemas: { '*': strict } });
    const own = await app({
      Task: { primaryKey: 'id', properties: { id: 'string', more: 'string' } },
      Note: { primaryKey: 'id', properties: { id: 'int' } },
    });
    await own.realm.write((tx) => {
      tx.create('Task', { id: 'a', more: 'x' });
      tx.create('Note', { id: 1 });
    });
    await own.realm.write((tx) => tx.delete('Task', 'a'));
    await waitUntilInStep(own);
    expect(own.errors).toEqual([]);
  });

  it('checks the elements of lists, increments, and other containers', async () => {
    const { app } = createTeam({ schemas: { tasks: strict } });
    const counting = await app(schemaOf({ p: 'counter', list: 'string<>' }));
    await upsertTask(counting, { id: 'a', p: 0 });
    await waitUntilInStep(counting);
    expect(counting.errors).toEqual([]);
    await counting.realm.write((tx) => {
      tx.increment('Task', 'a', 'p');
    });
    await waitUntilInStep(counting);
    expect(await reasonsIn(counting)).toMatchObject([{ reason: expect.stringContaining('(increment)') as string }]);
    await counting.realm.write((tx) => {
      tx.set('Task', 'a', 'list').add('x');
    });
    await waitUntilInStep(counting);
    expect(counting.errors).toHaveLength(2);
  });

  it('uses the first schema whose pattern matches the realm, and none without a match', async () => {
    const { app } = createTeam({ schemas: { 'team-1.*': strict, 'team-*': schemaOf({ p: 'mixed' }) } });
    const written = async (name: string) => {
      const one = await app(other, memoryStorage(), name);
      await upsertTask(one, { id: 'a', p: 'text' });
      await waitUntilInStep(one);
      return one.errors.length;
    };
    expect(await written('team-1.a')).toBe(1);
    expect(await written('team-1xa')).toBe(0);
    expect(await written('else')).toBe(0);
  });

  it('calls permit for writes that fit', async () => {
    const asked: unknown[] = [];
    const permit: ServerOptions['permit'] = (_user, _realm, { key }) => {
      asked.push(key);
      return key === 'b' ? 'not b' : true;
    };
    const { app } = createTeam({ schemas: { '*': strict }, permit });
    const own = await app(other);
    await upsertTask(own, { id: 'a', p: 'text' });
    await own.realm.write((tx) => tx.create('Task', { id: 'b', p: null, list: [] }));
    await waitUntilInStep(own);
    const fitting = await app(strict);
    await upsertTask(fitting, { id: 'b', p: 1 });
    await upsertTask(fitting, { id: 'c', p: 1 });
    await waitUntilInStep(fitting);
    expect(asked).toEqual(['b', 'c']);
    expect(own.errors).toHaveLength(3);
    expect(await reasonsIn(fitting)).toMatchObject([{ key: 'b', reason: 'not b' }]);
  });

  it.each([
    ['no record', [], 'schemas must be a record of schemas by patterns, received an array of 0.'],
    ['a pattern of other characters', { 'team/1': strict }, /schemas must be patterns of realm names/],
    ['an empty pattern', { '': strict }, /schemas must be patterns of realm names/],
    [
      'an invalid schema',
      { 'a*': { Task: { primaryKey: 'id', properties: { id: 'strng' } } } },
      /schemas\["a\*"\] must be a valid schema \(Task\.id must be/,
    ],
  ])('rejects %s', (_, schemas, text) => {
    const make = () =>
      createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, schemas: schemas as never });
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(text);
  });
});
