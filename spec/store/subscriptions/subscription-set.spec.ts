import fc from 'fast-check';
import { canonicalFilterOf } from '../../../lib/filter/canonical-filter.js';
import { compileFilter } from '../../../lib/filter/compile-filter.js';
import { StorageError } from '../../../lib/model/errors.js';
import { encodeValue } from '../../../lib/model/msgpack.js';
import {
  decodeSet,
  emptySet,
  encodeSet,
  filtersByTypeOf,
  type SubscriptionSet,
} from '../../../lib/store/subscriptions/subscription-set.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { edit, shapes } from './task-subscriptions.js';

const anyChange = fc.array(
  fc.record({
    call: fc.constantFrom('set', 'set', 'set', 'remove', 'clear'),
    type: fc.constantFrom('Task' as const, 'Note' as const),
    value: fc.nat(3),
    name: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  }),
  { maxLength: 8 },
);

/** Applies changes to a plain list of rows, by the sentences of the documents. */
const oracleOf = (
  rows: readonly string[][],
  changes: typeof anyChange extends fc.Arbitrary<infer A> ? A : never,
): string[][] =>
  changes.reduce<string[][]>((all, { call, type, value, name }) => {
    if (call === 'clear') return all.filter((row) => row[1] !== type);
    if (call === 'remove') return all.filter((row) => name === undefined || row[0] !== name);
    const row = [name ?? '', type, String(value)];
    const at = all.findIndex((each) => (name === undefined ? each.join() === row.join() : each[0] === name));
    return at < 0 ? [...all, row] : all.map((each, index) => (index === at ? row : each));
  }, rows as string[][]);

describe('changes of the subscriptions, compared with a plain list', () => {
  it('have its content and its order, and a new version exactly when the content is another', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 4 }), (updates) => {
        let set: SubscriptionSet = emptySet;
        let rows: string[][] = [];
        for (const changes of updates) {
          const after = edit(set, (subs) => {
            for (const { call, type, value, name } of changes) {
              if (call === 'clear') subs.clear(type);
              else if (call === 'remove' && name !== undefined) subs.remove(name);
              else if (call === 'set' && type === 'Task')
                subs.set(type, { where: { votes: value } }, name === undefined ? {} : { name });
              else if (call === 'set') subs.set('Note', { where: { id: value } }, name === undefined ? {} : { name });
            }
          });
          const expected = oracleOf(rows, changes);
          const shown = after.subscriptions.map(({ name, type, filter }) => {
            const wanted = [0, 1, 2, 3].find((votes) => {
              const property = type === 'Task' ? 'votes' : 'id';
              const compiled = compileFilter(shapes.get(type)!, { [property]: votes });
              return JSON.stringify(compiled) === JSON.stringify(filter);
            });
            return [name ?? '', type, String(wanted)];
          });
          const isSame = [...expected].map(String).sort().join(';') === [...rows].map(String).sort().join(';');
          expect(after === set).toBe(isSame);
          expect(after.version).toBe(set.version + (isSame ? 0 : 1));
          if (!isSame) {
            expect(shown).toEqual(expected);
            rows = expected;
          }
          const ids = after.subscriptions.map(({ id }) => id);
          expect(new Set(ids).size).toBe(ids.length);
          set = after;
          expect(decodeSet('subscriptions', encodeSet(set))).toEqual(set);
        }
      }),
      runOptions(1_000),
    );
  });
});

describe('the filters of a set', () => {
  it('are one for each type, the same for every order, name and repetition', () => {
    const one = edit(emptySet, (subs) => {
      subs.set('Task', { where: { votes: 1 } });
      subs.set('Task', { where: { votes: 2 } }, { name: 'two' });
      subs.set('Note');
      subs.set('Note', { where: { id: 1 } });
    });
    const other = edit(emptySet, (subs) => {
      subs.set('Note', {}, { name: 'notes' });
      subs.set('Task', { where: { votes: { $in: [2, 1, 2] } } }, { name: 'both' });
    });
    expect(filtersByTypeOf(one)).toEqual(filtersByTypeOf(other));
    expect([...filtersByTypeOf(one)]).toEqual([
      ['Note', true],
      ['Task', canonicalFilterOf(['in', 'votes', 1, 2])],
    ]);
    expect(filtersByTypeOf(emptySet).size).toBe(0);
  });
});

describe('a stored set', () => {
  it.each<[string, unknown[]]>([
    ['a text in place of its version', ['a', 0, []]],
    ['a text in place of its list', [1, 1, 'a']],
    ['a subscription without a type', [1, 1, [[1, null, 5, true, 0, 0]]]],
    ['a filter with an unknown operator', [1, 1, [[1, null, 'Task', ['x'], 0, 0]]]],
    ['a text in place of a time', [1, 1, [[1, null, 'Task', true, 'a', 0]]]],
  ])('with %s is an error that names the record', (_, given) => {
    expect(() => decodeSet('subscriptions', encodeValue(given))).toThrow(StorageError);
    expect(() => decodeSet('subscriptions', encodeValue(given))).toThrow('subscriptions');
  });
});
