import { encodeOperations } from '../../lib/merge/body.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object.js';
import type { Operation } from '../../lib/merge/operation.js';
import { insertingAs, placesBetween } from '../../lib/merge/place.js';
import { stampAt } from '../../lib/merge/stamp.js';
import { limits } from '../../lib/model/limits.js';
import { checkedSchema } from '../../lib/model/schema.js';
import { sameValue, type Value } from '../../lib/model/value.js';
import { remade } from '../../lib/store/remade.js';
import { viewOf } from '../../lib/store/views.js';

const shape = checkedSchema({
  Page: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      a: 'data',
      b: 'data',
      c: 'data',
      title: 'string',
      steps: 'string[]',
      notes: 'string{}',
    },
  },
}).get('Page');

const performed = (all: readonly Operation[]): ObjectState =>
  all.reduce<ObjectState | undefined>(
    (state, operation, at) => applyOperation(state, operation, stampAt({ time: 1, count: 0 }, 'one', at)),
    undefined,
  )!;

const page = { type: 'Page', key: 'p' } as const;
const { run, keys } = placesBetween(null, null, insertingAs('one'), 120);
const large = 'x'.repeat(100_000);

/** What no single transaction could have written: 9 MB of values, 12 MB of elements, 12 MB of entries. */
const state = performed([
  { kind: 'create', ...page, values: { a: new Uint8Array(3_000_000), id: 'p', title: 'large' } },
  { kind: 'update', ...page, values: { b: new Uint8Array(3_000_000), c: new Uint8Array(3_000_000) } },
  ...keys.map((at, n): Operation => ({
    ...{ kind: 'insert', ...page, property: 'steps', run, keys: [at] },
    values: [`${n} ${large}`],
  })),
  ...keys.map((_, n): Operation => ({ kind: 'put', ...page, property: 'notes', entries: [[`n${n}`, large]] })),
]);

describe('an object that is made from nothing', () => {
  it('is what it was, in operations that each fit a changeset, however large it has become', () => {
    const operations = remade('Page', 'p', state, 'two');
    const sizes = operations.map((operation) => encodeOperations([operation]).byteLength);
    expect(Math.max(...sizes)).toBeLessThan(limits.changesetBytesMax);
    if (!shape) throw new Error('no shape');
    const [again, before] = [viewOf(shape, performed(operations), 'p'), viewOf(shape, state, 'p')];
    expect(Object.keys(again)).toEqual(Object.keys(before));
    expect(Object.keys(again).filter((name) => !sameValue(again[name] as Value, before[name] as Value))).toEqual([]);
  });

  it('says its primary key where it is created', () => {
    const [created, ...rest] = remade('Page', 'p', state, 'two');
    expect(created).toMatchObject({ kind: 'create', values: { id: 'p', title: 'large' } });
    expect(rest.filter((each) => each.kind === 'update' && 'id' in each.values)).toEqual([]);
  });
});
