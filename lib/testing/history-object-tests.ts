import { firstValueFrom } from 'rxjs';
import { openHistory, reopenHistory, type HistoryTests } from './history-case.js';
import {
  advanceProjection,
  appendOperations,
  historyStart,
  changesetsOf,
  createTask,
  waitUntilDone,
  createReplicaRecord,
  createTasks,
  contentsOf,
  createRejection,
  deleteTask,
  rowsOf,
} from './history-fixtures.js';
import { allOf, assertSame, assertStorageError, errorOf } from './suite-assertions.js';

/** The tests of the objects of a history, and of trimming the history behind them. */
export const objectTests: HistoryTests = {
  'has the objects of its history, however its pages are cut': async (one) => {
    const history = await openHistory(one);
    await appendOperations(history, [
      createTask('b'),
      createTask('a', 'x'),
      createTask('c'),
      deleteTask('c'),
      createTask('a', 'y'),
    ]);
    await advanceProjection(history, 2);
    const rows = await rowsOf(history);
    const { version, total, objects: count } = history.projection.cursor;
    assertSame('cursor', [version, total, count], [5, history.bytes, rows.length]);
    const texts = rows.map(([text]) => text);
    assertSame('the order of the rows', texts, [...texts].sort());
    const states = await firstValueFrom(history.projection.readStates([...texts, 'nothing']));
    assertSame('the keys of the states', [...states.keys()].sort(), texts);
    const alive = [...states.values()].filter(({ born }) => born !== null);
    assertSame('the number of living objects', alive.length, 2);
    assertSame('isMoving', history.projection.isMoving, false);
    assertSame('rows after the first', (await firstValueFrom(history.projection.readRows(texts[0] ?? ''))).length, 2);
    assertSame('rows up to the second', (await allOf(history.projection.readAllRows(texts[1] ?? ''))).flat().length, 2);
  },

  'has the living objects of watched types in the index, by the values of watched properties': async (one) => {
    const history = await openHistory(one);
    const { index } = history.projection;
    await appendOperations(history, [createTask('a', 'x'), createTask('b', 'y'), createTask('c', 'x')]);
    await advanceProjection(history);
    assertSame('the first pass', index.createPass(), null);
    await waitUntilDone('watch', history.watchedProperties.watch('Task', ['title'], history.log.head));
    let pass = index.createPass();
    for (let pages = 0; pass !== null; pages += 1) {
      if (pages > 10) throw new Error('The pass over three objects does not end.');
      pass = await firstValueFrom(index.build(pass));
    }
    assertSame('the pass after the last one', index.createPass(), null);
    await appendOperations(history, [deleteTask('a'), createTask('d', 'x'), createTask('b', 'x')]);
    await advanceProjection(history);
    for (const each of [history, await reopenHistory(one, history)]) {
      const read = async (from: string, to: string, limit: number) =>
        (await firstValueFrom(each.projection.index.readRows('Task', 'title', { from, to }, limit))).map(
          ({ text }) => text,
        );
      assertSame('all rows', await read('', '~', 10), ['Task/sb', 'Task/sc', 'Task/sd']);
      assertSame('the rows of a value', await read('sx/', 'sx0', 2), ['Task/sb', 'Task/sc']);
      assertSame('the rows of another value', await read('sy/', 'sy0', 10), []);
      assertSame('what is indexed', each.projection.index.createPass(), null);
    }
  },

  'removes the tombstones before a time, and nothing else': async (one) => {
    const history = await openHistory(one);
    const { projection } = history;
    await appendOperations(history, [createTask('a'), createTask('b'), deleteTask('a')]);
    await advanceProjection(history);
    assertSame('the tombstone before the delete', await allOf(projection.readLastTombstone(historyStart + 3)), [null]);
    assertSame(
      'the tombstone before the next millisecond',
      await allOf(projection.readLastTombstone(historyStart + 4)),
      [historyStart + 3],
    );
    let pieces = 0;
    while (await firstValueFrom(projection.sweep(historyStart + 4)))
      if ((pieces += 1) > 10) throw new Error('The sweep of one object does not end.');
    assertSame('the tombstone after the sweep', await allOf(projection.readLastTombstone(historyStart + 4)), [null]);
    const rows = await rowsOf(history);
    assertSame('the numbers of rows and of objects by the cursor', [rows.length, projection.cursor.objects], [1, 1]);
    assertSame('version of the objects', projection.cursor.version, 3);
  },

  'trims changesets that its objects include, and keeps the rest': async (one) => {
    const history = await openHistory(one);
    await appendOperations(history, createTasks(10));
    await advanceProjection(history);
    const [changesets, { bytes }] = [await changesetsOf(history), history];
    await waitUntilDone('trim', history.trim(4));
    for (const each of [history, await reopenHistory(one, history)]) {
      assertSame('head, floor, bytes', [each.log.head, each.log.floor, each.bytes], [10, 4, bytes]);
      assertSame('changesets', await changesetsOf(each), changesets.slice(4));
      await assertStorageError('a page before the floor', () => each.log.page(3));
      assertSame('objects', (await rowsOf(each)).length, 10);
    }
  },

  'continues its versions after all changesets were trimmed': async (one) => {
    const history = await openHistory(one);
    await appendOperations(history, createTasks(3));
    await advanceProjection(history);
    await waitUntilDone('trim', history.trim(3));
    const next = await reopenHistory(one, history);
    assertSame('head, floor, bytes', [next.log.head, next.log.floor, next.bytes], [3, 3, history.bytes]);
    await appendOperations(next, [createTask('more')]);
    assertSame(
      'changesets',
      (await changesetsOf(next)).map(({ version }) => version),
      [4],
    );
    await advanceProjection(next);
    assertSame('objects', (await rowsOf(next)).length, 4);
  },

  'does not trim changesets that its objects do not include': async (one) => {
    const history = await openHistory(one);
    await appendOperations(history, createTasks(3));
    await errorOf('a trim past the objects', () => history.trim(1));
    assertSame('changesets', (await changesetsOf(history)).length, 3);
  },

  'is the same when it is opened again': async (one) => {
    const history = await openHistory(one);
    const ids = ['one', 'two', 'three'];
    const more = { replicas: new Map([['one', createReplicaRecord(4, true)]]), rejected: [createRejection('one', 3)] };
    await appendOperations(history, [createTask('a'), createTask('b'), deleteTask('a')], more);
    await advanceProjection(history, 2);
    await appendOperations(history, [createTask('c')]);
    await waitUntilDone('tie', history.createReplica('two', 'bert'));
    await waitUntilDone(
      'write cursors',
      history.writeCursors(new Map([['two', { downloadedTo: 2, confirmedAt: historyStart }]])),
    );
    await waitUntilDone('raise', history.raiseRetentionCutoff(historyStart - 5));
    const before = await contentsOf(history, ids);
    assertSame('the content', await contentsOf(await reopenHistory(one, history), ids), before);
  },
};
