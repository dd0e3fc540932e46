import { filter, firstValueFrom, tap } from 'rxjs';
import { limits } from '../model/limits.js';
import { openHistory, reopenHistory, type HistoryCase, type HistoryTests } from './history-case.js';
import { objectTests } from './history-object-tests.js';
import { allOf, assertSame, assertStorageError, findGlobalRunner, type SuiteRunner } from './suite-assertions.js';
import {
  additionOf,
  appendOperations,
  historyStart,
  changesetsOf,
  createTask,
  waitUntilDone,
  createChangesets,
  createReplicaRecord,
  createTasks,
  contentsOf,
  createRejection,
  deleteTask,
  rowsOf,
} from './history-fixtures.js';

const additionTests: HistoryTests = {
  'is empty at first': async (one) => {
    const history = await openHistory(one);
    const { id, log, bytes, projection } = history;
    assertSame('an id', typeof id === 'string' && id.length > 0, true);
    assertSame('head, floor, bytes', [log.head, log.floor, bytes], [0, 0, 0]);
    assertSame('the page after 0', await allOf(log.page(0)), [{ entries: [], upTo: 0 }]);
    assertSame('a replica', await allOf(history.readReplica('one')), [null]);
    assertSame('rejections', await allOf(history.readRejected('one')), [[]]);
    assertSame('cursors', (await allOf(history.cursors$)).flat(), []);
    assertSame('version of the objects', projection.cursor.version, 0);
    assertSame('objects', await rowsOf(history), []);
  },

  'appends changesets unchanged, together with the records of their replicas': async (one) => {
    const history = await openHistory(one);
    const changesets = createChangesets(history, [createTask('a', 'ä'), deleteTask('a')], 'r/1');
    await appendOperations(history, [], { changesets, replicas: new Map([['r/1', createReplicaRecord(7)]]) });
    assertSame('head', history.log.head, 2);
    assertSame('bytes', history.bytes, changesets[1]?.total);
    assertSame('changesets', await changesetsOf(history), changesets);
    assertSame('replica', await allOf(history.readReplica('r/1')), [createReplicaRecord(7)]);
    await appendOperations(history, [createTask('b')], { replicas: new Map([['r/1', createReplicaRecord(8, true)]]) });
    assertSame('head', history.log.head, 3);
    assertSame('replica', await allOf(history.readReplica('r/1')), [createReplicaRecord(8, true)]);
  },

  'stores the records of replicas without a changeset': async (one) => {
    const history = await openHistory(one);
    await appendOperations(history, [], {
      replicas: new Map([['one', createReplicaRecord(1, true)]]),
      rejected: [createRejection('one', 1)],
    });
    assertSame('head', history.log.head, 0);
    assertSame('replica', await allOf(history.readReplica('one')), [createReplicaRecord(1, true)]);
    assertSame('rejections', await allOf(history.readRejected('one')), [[createRejection('one', 1)]]);
  },

  'rejects an append that does not continue its head, and changes nothing': async (one) => {
    const history = await openHistory(one);
    await appendOperations(history, [createTask('a')]);
    const before = await contentsOf(history, ['one']);
    for (const after of [0, 2]) {
      const more = {
        after,
        replicas: new Map([['one', createReplicaRecord(9)]]),
        rejected: [createRejection('one', 9)],
      };
      await assertStorageError(`an append after ${after}`, () =>
        history.append(additionOf(history, [createTask('b')], more)),
      );
      assertSame('the content', await contentsOf(history, ['one']), before);
    }
  },

  'does nothing until subscribed, and runs once for each subscription': async (one) => {
    const history = await openHistory(one);
    const append$ = history.append(additionOf(history, [createTask('a')]));
    assertSame('head before', history.log.head, 0);
    await waitUntilDone('append', append$);
    assertSame('head after', history.log.head, 1);
    await assertStorageError('the same append again', () => append$);
    assertSame('head after an error', history.log.head, 1);
  },

  'keeps the touches of changesets, and has none where there are none': async (one) => {
    const history = await openHistory(one);
    const changesets = createChangesets(history, [createTask('a'), createTask('b'), createTask('c')]).map((each, at) =>
      at === 0 ? each : { ...each, touches: new Uint8Array(at - 1) },
    );
    await appendOperations(history, [], { changesets });
    assertSame('changesets', await changesetsOf(history), changesets);
    assertSame('changesets of the reopened history', await changesetsOf(await reopenHistory(one, history)), changesets);
  },

  'watches each type and property once, and keeps them in this order': async (one) => {
    const history = await openHistory(one);
    assertSame('the number of watched types', history.watchedProperties.types.size, 0);
    const { watchedProperties: watched } = history;
    await waitUntilDone('watch', watched.watch('Task', ['b', 'a'], 0));
    await appendOperations(history, [createTask('a')]);
    await waitUntilDone('watch', watched.watch('Task', ['a', 'c'], 1));
    await waitUntilDone('watch', watched.watch('Note', [], 1));
    await appendOperations(history, [createTask('b')]);
    const fresh = await reopenHistory(one, history);
    for (const { watchedProperties } of [history, fresh]) {
      const task = watchedProperties.types.get('Task');
      assertSame('the version of the type', task?.since, 0);
      assertSame(
        'the properties',
        task?.properties.map(({ name, since }) => [name, since]),
        [
          ['b', 0],
          ['a', 0],
          ['c', 1],
        ],
      );
      assertSame('the other type', watchedProperties.types.get('Note'), { since: 1, properties: [] });
    }
    await waitUntilDone('raise', fresh.watchedProperties.raiseSince(['Task', 'Other'], 2));
    const raised = (await reopenHistory(one, fresh)).watchedProperties.types;
    assertSame('the version of the type', raised.get('Task')?.since, 2);
    assertSame('the version of the other type', raised.get('Note')?.since, 1);
  },

  'emits its head to followers when the changesets can be read, not earlier': async (one) => {
    const history = await openHistory(one);
    const heads: number[] = [];
    const reached = firstValueFrom(
      history.log.head$.pipe(
        tap((head) => heads.push(head)),
        filter((head) => head === 3),
      ),
    );
    await appendOperations(history, [createTask('a')]);
    assertSame('"each head has its changeset"', Math.max(...heads) <= 1, true);
    await appendOperations(history, [createTask('b'), createTask('c')]);
    await reached;
    assertSame('changesets', (await changesetsOf(history)).length, 3);
  },

  'is read page by page, without a gap, from any version': async (one) => {
    const history = await openHistory(one);
    const many = createTasks(3_000);
    for (let at = 0; at < many.length; at += 500) await appendOperations(history, many.slice(at, at + 500));
    const fresh = await reopenHistory(one, history);
    for (const after of [0, 1, 999, 1_000, 2_999, 3_000])
      assertSame(`changesets after ${after}`, (await changesetsOf(fresh, after)).length, 3_000 - after);
    const { entries } = await firstValueFrom(fresh.log.page(0));
    assertSame('"the page is within its limit"', entries.length <= limits.pageChangesetsMax, true);
    assertSame('the page after the head', await allOf(fresh.log.page(3_000)), [{ entries: [], upTo: 3_000 }]);
  },
};

const replicaTests: HistoryTests = {
  'ties a replica to its user before its first changeset': async (one) => {
    const history = await openHistory(one);
    await waitUntilDone('tie', history.createReplica('one', 'anna'));
    assertSame('replica', await allOf(history.readReplica('one')), [createReplicaRecord(0)]);
    assertSame('the other replica', await allOf(history.readReplica('on')), [null]);
  },

  'has the rejections of each replica in the order of their versions': async (one) => {
    const history = await openHistory(one);
    const all = [
      createRejection('a', 100),
      createRejection('a/b', 1),
      createRejection('a', 9),
      createRejection('a', 36 ** 3),
      createRejection('ä', 2),
    ];
    await appendOperations(history, [], { rejected: all });
    const versions = async (id: string) =>
      (await firstValueFrom(history.readRejected(id))).map(({ version }) => version);
    assertSame('the list of a', await versions('a'), [9, 100, 36 ** 3]);
    assertSame('the list of a/b', await allOf(history.readRejected('a/b')), [[createRejection('a/b', 1)]]);
    assertSame('the list of ä', await versions('ä'), [2]);
    await waitUntilDone('forget', history.forgetRejected('a', [9, 36 ** 3, 5]));
    assertSame('the list of a without the forgotten ones', await versions('a'), [100]);
    assertSame('the list of a/b after that', await versions('a/b'), [1]);
  },

  'has the latest runs of each replica in their order': async (one) => {
    const history = await openHistory(one);
    const runs = createTasks(limits.runsMax + 2).map((_, at) => ({ id: `r${at}`, from: at * 3 + 1, number: at + 1 }));
    await appendOperations(history, [], { runs: runs.map((run) => ({ replica: 'a/b', run })) });
    assertSame('the list of a/b', await firstValueFrom(history.readRuns('a/b')), runs.slice(2));
    assertSame('the list of a', await firstValueFrom(history.readRuns('a')), []);
  },

  'keeps the cursors of replicas until they are deleted': async (one) => {
    const history = await openHistory(one);
    const readCursors = async () => (await allOf(history.cursors$)).flat();
    await waitUntilDone('tie', history.createReplica('a', 'anna'));
    await waitUntilDone(
      'write cursors',
      history.writeCursors(
        new Map([
          ['a', { downloadedTo: 1, confirmedAt: historyStart }],
          ['b', { downloadedTo: 2, confirmedAt: historyStart }],
        ]),
      ),
    );
    await waitUntilDone(
      'write cursors',
      history.writeCursors(new Map([['a', { downloadedTo: 3, confirmedAt: historyStart + 1 }]])),
    );
    assertSame('cursors', new Map(await readCursors()).get('a'), { downloadedTo: 3, confirmedAt: historyStart + 1 });
    assertSame('number of cursors', (await readCursors()).length, 2);
    await waitUntilDone('forget cursors', history.forgetCursors(['a', 'nobody']));
    assertSame('remaining cursors', await readCursors(), [['b', { downloadedTo: 2, confirmedAt: historyStart }]]);
    assertSame('the replica', await allOf(history.readReplica('a')), [createReplicaRecord(0)]);
  },

  'has all replica cursors, however many': async (one) => {
    const history = await openHistory(one);
    const all = Array.from(
      { length: 2_500 },
      (_, n) => [`r${n}`, { downloadedTo: n, confirmedAt: historyStart }] as const,
    );
    await waitUntilDone('write cursors', history.writeCursors(new Map(all)));
    const found = (await allOf(history.cursors$)).flat();
    assertSame('cursors', found.length, 2_500);
    assertSame('replicas', new Set(found.map(([id]) => id)).size, 2_500);
  },

  'raises its retention cutoff at the call, and never lowers it': async (one) => {
    const history = await openHistory(one);
    await appendOperations(history, [createTask('a')]);
    const raising = waitUntilDone('raise', history.raiseRetentionCutoff(historyStart));
    assertSame('cutoff immediately', history.retentionCutoff, historyStart);
    await raising;
    assertSame('first version after the cutoff', history.retentionCutoffFrom, 1);
    await waitUntilDone('raise', history.raiseRetentionCutoff(historyStart - 1));
    assertSame('cutoff', history.retentionCutoff, historyStart);
  },
};

/** The tests of the suite by title, for another runner. */
export const historyTests: HistoryTests = { ...additionTests, ...replicaTests, ...objectTests };

/**
 * Tests a history: the port behind which a server keeps its realms. Every history must pass this suite.
 *
 * @param name - The title of the suite.
 * @param make - Creates a new location for each test. The suite closes it after the test.
 * @param runner - `describe`, `it` and `afterEach`; by default the global ones.
 * @throws InvalidArgumentError without a runner.
 *
 * @example
 * ```ts
 * historySuite('my history', () => createMyHistoryCase());
 * ```
 */
export const historySuite = (
  name: string,
  make: () => Promise<HistoryCase>,
  { describe, it }: SuiteRunner = findGlobalRunner(),
): void => {
  describe(name, () => {
    for (const [title, test] of Object.entries(historyTests))
      it(title, async () => {
        const one = await make();
        try {
          await test(one);
        } finally {
          await one.close();
        }
      });
  });
};
