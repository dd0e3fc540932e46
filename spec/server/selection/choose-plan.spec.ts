import { EMPTY, firstValueFrom, Subject, switchMap, take } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { canonicalFilterOf } from '../../../lib/filter/canonical-filter.js';
import { keyName, type StoredFilter } from '../../../lib/filter/stored-filter.js';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { createHeadState } from '../../../lib/server/history/head-state.js';
import type { History } from '../../../lib/server/history/history.js';
import { noTouches } from '../../../lib/server/history/touches.js';
import { createSelection, type Selection, type SelectionPage } from '../../../lib/server/selection/read-matching.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { propertyValueOf } from '../../../lib/merge/object-state.js';
import { decodeObjectState, type Row } from '../../../lib/server/history/stored-objects.js';
import { advance, buildAll, openTeam, run, watch } from '../history/indexed-history.js';

const appendAll = async (history: History, operations: readonly Operation[]): Promise<void> => {
  const after = history.log.head;
  const body = encodeOperations(operations);
  const record = { version: after + 1, origin: 'a', time: after + 1, count: 0, body, total: history.bytes + 100 };
  const changesets = [{ ...record, touches: noTouches }];
  await run(history.append({ after, changesets, replicas: new Map(), rejected: [], runs: [] }));
};

const objectsCount = 6_000;

/** Creates tasks: 60 a list, 500 an owner, half of them done. The property `note` is not watched. */
const createTasks = async (): Promise<{ readonly history: History; readonly selection: Selection }> => {
  const history = await openTeam(memoryStorage());
  const all = Array.from({ length: objectsCount }, (_, key): Operation => {
    const values = { list: `l${key % 100}`, owner: key % 12, done: key % 2 === 0, due: key, note: 'x' };
    return { kind: 'create', type: 'Task', key, values };
  });
  await appendAll(history, all);
  await advance(history);
  await watch(history, 'Task', ['list', 'owner', 'done', 'due']);
  await buildAll(history);
  const projector = { lag: () => 0, catchUpTo: () => EMPTY };
  const headState = createHeadState({ history, projector, clock: systemClock, lagBytesMax: Infinity });
  return { history, selection: createSelection({ history, headState }) };
};

describe('the plan of a selection', () => {
  const list: StoredFilter = ['in', 'list', 'l7'];
  const owner: StoredFilter = ['in', 'owner', 3];
  const done: StoredFilter = ['in', 'done', true];
  const note: StoredFilter = ['in', 'note', 'x'];
  const late: StoredFilter = ['gte', 'due', objectsCount - 20];
  const cases: readonly (readonly [string, StoredFilter, readonly StoredFilter[]])[] = [
    ['one condition that selects little', list, [list]],
    ['the condition that selects least', ['and', done, owner, list, note], [list]],
    ['the condition that selects least, above the first count', ['and', done, owner, note], [owner]],
    ['a range of values', ['and', done, late], [late]],
    ['one condition of each alternative', ['or', ['and', done, list], ['and', late, owner]], [late, list]],
    ['a group of alternatives within others', ['and', done, ['or', list, late]], [late, list]],
    ['the primary keys', ['and', done, ['in', keyName, 3, 4]], [['in', keyName, 3, 4]]],
    [
      'the opposite of a condition',
      ['and', done, ['not', ['lt', 'due', objectsCount - 9]]],
      [['not', ['lt', 'due', objectsCount - 9]]],
    ],
    ['all objects for a property that is not indexed', note, [true]],
    ['all objects where one alternative is not indexed', ['or', list, note], [true]],
    ['all objects for half of them', done, [true]],
    ['all objects for a filter without conditions', true, [true]],
    ['nothing for a filter that matches nothing', false, []],
  ];

  let history: History;
  let selection: Selection;
  beforeAll(async () => {
    ({ history, selection } = await createTasks());
  });

  it.each(cases)('reads %s', async (_, filter, covers) => {
    const plan = await firstValueFrom(selection.choosePlan('Task', canonicalFilterOf(filter)));
    const byText = (all: readonly StoredFilter[]) => all.map((each) => JSON.stringify(each)).sort();
    expect(byText(plan.scans.map((scan) => scan.covers))).toEqual(byText(covers));
  });

  it('reads only the objects of the scans', async () => {
    let rowsRead = 0;
    const { projection, watchedProperties } = history;
    const counted = {
      watchedProperties,
      projection: Object.assign(Object.create(projection) as typeof projection, {
        readSomeRows: (texts: readonly string[]) => {
          rowsRead += texts.length;
          return projection.readSomeRows(texts);
        },
      }),
    };
    const headState = { readRows: <A>(rows$: A): A => rows$ };
    const reader = createSelection({ history: counted, headState });
    const plan = await firstValueFrom(reader.choosePlan('Task', canonicalFilterOf(['and', list, owner])));
    let matching = 0;
    for (let position: string | null = null, isFirst = true; isFirst || position !== null; isFirst = false) {
      const page: SelectionPage = await firstValueFrom(reader.readMatching(plan, position));
      matching += page.rows.length;
      ({ position } = page);
    }
    expect([matching, rowsRead]).toEqual([20, 60]);
  });

  it('is not made from a position that does not belong to the filter', () => {
    const filter = canonicalFilterOf(['or', list, ['and', note, owner]]);
    const isTaken = (position: string): boolean => selection.resumePlan('Task', filter, position) !== null;
    const choices = ['0', '1', '2', '0.1', '0.2', '1.2', '0.1.2', '01.2', '1.2.', '9', '', '-1', '1e0', 'all'];
    expect(choices.filter((choice) => isTaken(`${choice}/0/`))).toEqual(['1.2', 'all']);
    for (const position of ['', 'all', 'all/0', 'all/1/', '1.2/2/', '1.2/-1/', '1.2/0/é', `all/0/${'x'.repeat(2_001)}`])
      expect([position, isTaken(position)]).toEqual([position, false]);
    expect(isTaken('1.2/1/anything')).toBe(true);
    expect(selection.resumePlan('Other', filter, '1.2/0/')).toBeNull();
  });
});

describe('objects at the head that are read while changes are appended', () => {
  it('are as of one time for two readers who come while the changes are being read', async () => {
    const { history } = await createTasks();
    const update = (value: string): Operation => ({ kind: 'update', type: 'Task', key: 1, values: { note: value } });
    await appendAll(history, [update('first')]);
    const gate = new Subject<void>();
    const page: History['log']['page'] = (after) =>
      gate.pipe(
        take(1),
        switchMap(() => history.log.page(after)),
      );
    const log = Object.assign(Object.create(history.log) as History['log'], { page });
    const headState = createHeadState({
      history: { log, projection: history.projection, watchedProperties: history.watchedProperties },
      projector: { lag: () => 0, catchUpTo: () => EMPTY },
      clock: systemClock,
      lagBytesMax: Infinity,
    });
    const read = (): Promise<readonly Row[]> =>
      firstValueFrom(headState.readRows(history.projection.readSomeRows(['Task/n1'])));
    const reads = [read(), read()];
    const later = [update('second')];
    await appendAll(history, later);
    const { entries } = await firstValueFrom(history.log.page(history.log.head - 1));
    headState.appended(entries, [{ operations: later }]);
    const reading = { isOver: false };
    const all = Promise.all(reads).finally(() => (reading.isOver = true));
    while (!reading.isOver) {
      gate.next();
      await new Promise(setImmediate); // A slow machine reads the next page later.
    }
    const rows = (await all).flat();
    expect(rows.map(([text, bytes]) => propertyValueOf(decodeObjectState(text, bytes), 'note'))).toEqual([
      'second',
      'second',
    ]);
  });
});
