import { concat, defer, EMPTY, map, NEVER, of, throwError } from 'rxjs';
import type { History, ReplicaRecord } from '../../lib/server/history/history.js';
import type { Projection } from '../../lib/server/history/projection.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { historySuite, type HistoryCase } from '../../lib/testing/index.js';
import { openHistoryCase } from '../server/history/history-case.js';
import { failureTextOf, failureTextsOf, hangsText, titlesOf, type Suite } from './suite-complaints.js';

/** The members that a defect replaces in a history. */
type Wrong = (history: History) => Partial<History>;
/** A defect, and the title of the test that finds it. */
type Row = readonly [what: string, wrong: Wrong, title: string];

const memory = defer(() => of(memoryStorage()));

/** A replica that no user has bound yet. */
const unknown: ReplicaRecord = { user: '', accepted: 0, hasRejected: false, stamp: null, run: null };

/** Returns an object in which some members are replaced. All others are those of the original. */
const changed = <A extends object>(whole: A, parts: Partial<A>): A =>
  new Proxy(whole, {
    get: (_, name) => {
      if (Object.hasOwn(parts, name)) return Reflect.get(parts, name, parts) as unknown;
      const found = Reflect.get(whole, name, whole) as unknown;
      // A method must change the whole, and not what stands for it.
      return typeof found === 'function' ? (found.bind(whole) as unknown) : found;
    },
  });

const suiteOf =
  (wrong: Wrong): Suite =>
  (runner) =>
    historySuite(
      'mine',
      async (): Promise<HistoryCase> => {
        const one = await openHistoryCase(memory);
        return { ...one, open: one.open.pipe(map((history) => changed(history, wrong(history)))) };
      },
      runner,
    );

const onLog =
  (change: (log: History['log']) => Partial<History['log']>): Wrong =>
  ({ log }) => ({ log: changed(log, change(log)) });

const onObjects =
  (change: (projection: Projection) => Partial<Projection>): Wrong =>
  ({ projection }) => ({ projection: changed(projection, change(projection)) });

const wrongs: readonly Row[] = [
  [
    'has no index',
    onObjects(({ index }) => ({
      index: changed(index, { readRows: (type, name, range) => index.readRows(type, name, range, 0) }),
    })),
    'has the living objects of watched types in the index, by the values of watched properties',
  ],
  [
    'does not store touches',
    (history) => ({
      append: (addition) =>
        history.append({ ...addition, changesets: addition.changesets.map(({ touches: _, ...each }) => each) }),
    }),
    'keeps the touches of changesets, and has none where there are none',
  ],
  [
    'watches properties in their alphabetic order',
    (history) => ({
      watchedProperties: changed(history.watchedProperties, {
        watch: (type, properties, since) => history.watchedProperties.watch(type, [...properties].sort(), since),
      }),
    }),
    'watches each type and property once, and keeps them in this order',
  ],
  [
    'never watches again',
    (history) => ({ watchedProperties: changed(history.watchedProperties, { raiseSince: () => EMPTY }) }),
    'watches each type and property once, and keeps them in this order',
  ],
  [
    'appends without checking its head',
    (history) => ({ append: (addition) => defer(() => history.append({ ...addition, after: history.log.head })) }),
    'rejects an append that does not continue its head, and changes nothing',
  ],
  [
    'does not store rejections',
    (history) => ({ append: (addition) => history.append({ ...addition, rejected: [] }) }),
    'has the rejections of each replica in the order of their versions',
  ],
  [
    'does not store the records of replicas',
    (history) => ({ append: (addition) => history.append({ ...addition, replicas: new Map() }) }),
    'appends changesets unchanged, together with the records of their replicas',
  ],
  ['has no bytes', () => ({ bytes: 0 }), 'appends changesets unchanged, together with the records of their replicas'],
  ['has another id each time', () => ({ id: String(Math.random()) }), 'is the same when it is opened again'],
  [
    'omits a changeset of a page',
    ({ log }) => ({
      log: Object.create(log, {
        page: {
          value: (after: number) =>
            log.page(after).pipe(map(({ entries, upTo }) => ({ entries: entries.slice(1), upTo }))),
        },
      }) as History['log'],
    }),
    'is read page by page, without a gap, from any version',
  ],
  [
    'removes no rejection',
    () => ({ forgetRejected: () => EMPTY }),
    'has the rejections of each replica in the order of their versions',
  ],
  [
    'removes all rejections of a replica',
    (history) => ({
      forgetRejected: (id) =>
        history.forgetRejected(
          id,
          Array.from({ length: 200 }, (_, n) => n),
        ),
    }),
    'has the rejections of each replica in the order of their versions',
  ],
  [
    'does not store the runs of replicas',
    (history) => ({ append: (addition) => history.append({ ...addition, runs: [] }) }),
    'has the latest runs of each replica in their order',
  ],
  [
    'does not store the user of a new replica',
    () => ({ createReplica: () => EMPTY }),
    'ties a replica to its user before its first changeset',
  ],
  [
    'emits only one page of replica cursors',
    ({ cursors$ }) => ({ cursors$: cursors$.pipe(map((page, index) => (index === 0 ? page : []))) }),
    'has all replica cursors, however many',
  ],
  [
    'removes replicas without a cursor',
    (history) => ({
      forgetCursors: (ids) =>
        concat(history.forgetCursors(ids), ...ids.map((id) => history.createReplica(id, 'nobody'))),
    }),
    'keeps the cursors of replicas until they are deleted',
  ],
  [
    'trims changesets that its objects do not include',
    (history) => ({ trim: () => defer(() => (history.log.head === 3 ? EMPTY : throwError(() => new Error('no')))) }),
    'does not trim changesets that its objects do not include',
  ],
  ['trims nothing', () => ({ trim: () => EMPTY }), 'trims changesets that its objects include, and keeps the rest'],
  [
    'lowers its retention cutoff',
    (history) => ({ retentionCutoff: history.retentionCutoff }),
    'raises its retention cutoff at the call, and never lowers it',
  ],
  [
    'appends before it is subscribed',
    (history) => ({
      append: (addition) => {
        history.append(addition).subscribe({ error: () => undefined });
        return EMPTY;
      },
    }),
    'does nothing until subscribed, and runs once for each subscription',
  ],
  [
    'has a record of an unknown replica',
    ({ readReplica }) => ({
      readReplica: (id) => readReplica(id).pipe(map((known) => known ?? unknown)),
    }),
    'is empty at first',
  ],
  [
    'stores nothing when there is no changeset',
    (history) => ({ append: (addition) => (addition.changesets.length > 0 ? history.append(addition) : EMPTY) }),
    'stores the records of replicas without a changeset',
  ],
  [
    'emits a head before its changeset exists',
    onLog(({ head$ }) => ({ head$: head$.pipe(map((head) => head + 1)) })),
    'emits its head to followers when the changesets can be read, not earlier',
  ],
  [
    'has no states of its objects',
    onObjects(() => ({ readStates: () => of(new Map()) })),
    'has the objects of its history, however its pages are cut',
  ],
  [
    'has its objects in another order',
    onObjects(({ readRows }) => ({ readRows: (after) => readRows(after).pipe(map((page) => [...page].reverse())) })),
    'has the objects of its history, however its pages are cut',
  ],
  [
    'returns all objects where a part is requested',
    onObjects(({ readAllRows }) => ({ readAllRows: () => readAllRows('~') })),
    'has the objects of its history, however its pages are cut',
  ],
  [
    'sweeps nothing, and never finishes',
    onObjects(() => ({ sweep: () => of(true) })),
    'removes the tombstones before a time, and nothing else',
  ],
  [
    'reports an old tombstone at all times',
    onObjects(() => ({ readLastTombstone: (before) => of(before - 1) })),
    'removes the tombstones before a time, and nothing else',
  ],
  [
    'begins at version 0 again after all of it was trimmed',
    onLog((log) => ({
      get head() {
        return log.head === log.floor ? 0 : log.head;
      },
    })),
    'continues its versions after all changesets were trimmed',
  ],
];

describe('the suite of histories', () => {
  const right = suiteOf(() => ({}));

  it('finds nothing wrong with a correct history', async () => {
    expect(await failureTextsOf(right)).toEqual({});
  });

  it.each(wrongs)('finds one that %s', async (_, wrong, title) => {
    expect(await failureTextOf(suiteOf(wrong), title)).toMatch(/^(?!hangs$)./);
  });

  it('finds one that emits its head to no follower', async () => {
    const title = 'emits its head to followers when the changesets can be read, not earlier';
    expect(await failureTextOf(suiteOf(onLog(() => ({ head$: NEVER }))), title, 500)).toBe(hangsText);
  });

  it('has no test without a defect that it finds', () => {
    expect(new Set(wrongs.map(([, , title]) => title))).toEqual(new Set(titlesOf(right)));
  });
});
