import { filter, firstValueFrom, tap, type Observable } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { History } from '../server/history.js';
import { allOf, errorOf, globalRunner, same, type SuiteRunner } from './assertions.js';
import { additionOf, advance, append, began, changesetsOf, create, done, following } from './records.js';
import { known, numbered, pictureOf, refusal, remove, rowsOf } from './records.js';

/** A place for a history, for one test. */
export interface HistoryCase {
  /** Opens the history of this place, and makes it when there is none: the same one for each subscription. Emits once and completes. */
  readonly open: Observable<History>;
  /** Resolves when the place is gone. */
  readonly close: () => Promise<void>;
}

/** One test of the suite, on a new place. Rejects with what is wrong. */
export type HistoryTest = (one: HistoryCase) => Promise<void>;

type Tests = Readonly<Record<string, HistoryTest>>;

const opened = ({ open }: HistoryCase): Promise<History> => firstValueFrom(open);

const reopened = async (one: HistoryCase, before: History): Promise<History> => {
  before.close();
  return opened(one);
};

const isRefused = async (what: string, described: () => Observable<unknown>): Promise<void> =>
  same(`${what} errors with a StorageError`, (await errorOf(what, described)) instanceof StorageError, true);

const additions: Tests = {
  'is empty at first': async (one) => {
    const history = await opened(one);
    const { id, log, bytes, projection } = history;
    same('an id', typeof id === 'string' && id.length > 0, true);
    same('head, floor, bytes', [log.head, log.floor, bytes], [0, 0, 0]);
    same('the page after 0', await allOf(log.page(0)), [{ entries: [], upTo: 0 }]);
    same('a replica', await allOf(history.replica('one')), [null]);
    same('refusals', await allOf(history.refused('one')), [[]]);
    same('sightings', (await allOf(history.sightings$)).flat(), []);
    same('version of the objects', projection.cursor.version, 0);
    same('objects', await rowsOf(history), []);
  },

  'appends changesets as they are, with what becomes of their replicas': async (one) => {
    const history = await opened(one);
    const changesets = following(history, [create('a', 'ä'), remove('a')], 'r/1');
    await append(history, [], { changesets, replicas: new Map([['r/1', known(7)]]) });
    same('head', history.log.head, 2);
    same('bytes', history.bytes, changesets[1]?.total);
    same('changesets', await changesetsOf(history), changesets);
    same('replica', await allOf(history.replica('r/1')), [known(7)]);
    await append(history, [create('b')], { replicas: new Map([['r/1', known(8, true)]]) });
    same('head', history.log.head, 3);
    same('replica', await allOf(history.replica('r/1')), [known(8, true)]);
  },

  'takes what becomes of replicas without a changeset': async (one) => {
    const history = await opened(one);
    await append(history, [], { replicas: new Map([['one', known(1, true)]]), refused: [refusal('one', 1)] });
    same('head', history.log.head, 0);
    same('replica', await allOf(history.replica('one')), [known(1, true)]);
    same('refusals', await allOf(history.refused('one')), [[refusal('one', 1)]]);
  },

  'adds nothing where it does not end, and changes nothing': async (one) => {
    const history = await opened(one);
    await append(history, [create('a')]);
    const before = await pictureOf(history, ['one']);
    for (const after of [0, 2]) {
      const more = { after, replicas: new Map([['one', known(9)]]), refused: [refusal('one', 9)] };
      await isRefused(`an append after ${after}`, () => history.append(additionOf(history, [create('b')], more)));
      same('all of it', await pictureOf(history, ['one']), before);
    }
  },

  'does nothing until subscribed, and works once for every subscription': async (one) => {
    const history = await opened(one);
    const append$ = history.append(additionOf(history, [create('a')]));
    same('head before', history.log.head, 0);
    await done('append', append$);
    same('head after', history.log.head, 1);
    await isRefused('the same once more', () => append$);
    same('head after an error', history.log.head, 1);
  },

  'tells its head to those who follow, and shows nothing earlier': async (one) => {
    const history = await opened(one);
    const heads: number[] = [];
    const reached = firstValueFrom(
      history.log.head$.pipe(
        tap((head) => heads.push(head)),
        filter((head) => head === 3),
      ),
    );
    await append(history, [create('a')]);
    same('heads, none that is not there', Math.max(...heads) <= 1, true);
    await append(history, [create('b'), create('c')]);
    await reached;
    same('changesets', (await changesetsOf(history)).length, 3);
  },

  'is read page by page, without a gap, from any place': async (one) => {
    const history = await opened(one);
    const many = numbered(3_000);
    for (let at = 0; at < many.length; at += 500) await append(history, many.slice(at, at + 500));
    const fresh = await reopened(one, history);
    for (const after of [0, 1, 999, 1_000, 2_999, 3_000])
      same(`changesets after ${after}`, (await changesetsOf(fresh, after)).length, 3_000 - after);
    const { entries } = await firstValueFrom(fresh.log.page(0));
    same('a page is bounded', entries.length <= limits.pageChangesetsMax, true);
    same('the page after the head', await allOf(fresh.log.page(3_000)), [{ entries: [], upTo: 3_000 }]);
  },
};

const replicas: Tests = {
  'ties a replica to its user, with nothing in the history yet': async (one) => {
    const history = await opened(one);
    await done('tie', history.tie('one', 'anna'));
    same('replica', await allOf(history.replica('one')), [known(0)]);
    same('another', await allOf(history.replica('on')), [null]);
  },

  'has refusals of each replica in the order of their versions': async (one) => {
    const history = await opened(one);
    const all = [refusal('a', 100), refusal('a/b', 1), refusal('a', 9), refusal('a', 36 ** 3), refusal('ä', 2)];
    await append(history, [], { refused: all });
    const versions = async (id: string) => (await firstValueFrom(history.refused(id))).map(({ version }) => version);
    same('of a', await versions('a'), [9, 100, 36 ** 3]);
    same('of a/b', await allOf(history.refused('a/b')), [[refusal('a/b', 1)]]);
    same('of ä', await versions('ä'), [2]);
    await done('forget', history.forget('a', [9, 36 ** 3, 5]));
    same('of a, some forgotten', await versions('a'), [100]);
    same('of a/b, after that', await versions('a/b'), [1]);
  },

  'has the latest runs of each replica in their order': async (one) => {
    const history = await opened(one);
    const runs = numbered(limits.runsMax + 2).map((_, at) => ({ id: `r${at}`, from: at * 3 + 1, place: at + 1 }));
    await append(history, [], { runs: runs.map((run) => ({ replica: 'a/b', run })) });
    same('of a/b', await firstValueFrom(history.runs('a/b')), runs.slice(2));
    same('of a', await firstValueFrom(history.runs('a')), []);
  },

  'remembers what replicas have seen until it is told to forget': async (one) => {
    const history = await opened(one);
    const seen = async () => (await allOf(history.sightings$)).flat();
    await done('tie', history.tie('a', 'anna'));
    await done(
      'sight',
      history.sight(
        new Map([
          ['a', { seen: 1, at: began }],
          ['b', { seen: 2, at: began }],
        ]),
      ),
    );
    await done('sight', history.sight(new Map([['a', { seen: 3, at: began + 1 }]])));
    same('sightings', new Map(await seen()).get('a'), { seen: 3, at: began + 1 });
    same('sightings, counted', (await seen()).length, 2);
    await done('unsight', history.unsight(['a', 'nobody']));
    same('what is left', await seen(), [['b', { seen: 2, at: began }]]);
    same('the replica itself', await allOf(history.replica('a')), [known(0)]);
  },

  'has all sightings, however many': async (one) => {
    const history = await opened(one);
    const all = Array.from({ length: 2_500 }, (_, n) => [`r${n}`, { seen: n, at: began }] as const);
    await done('sight', history.sight(new Map(all)));
    const found = (await allOf(history.sightings$)).flat();
    same('sightings', found.length, 2_500);
    same('replicas', new Set(found.map(([id]) => id)).size, 2_500);
  },

  'raises its horizon from the call on, and never lowers it': async (one) => {
    const history = await opened(one);
    await append(history, [create('a')]);
    const raising = done('raise', history.raise(began));
    same('horizon at once', history.horizon, began);
    await raising;
    same('what comes now keeps to it', history.horizonFrom, 1);
    await done('raise', history.raise(began - 1));
    same('horizon', history.horizon, began);
  },
};

const objects: Tests = {
  'has objects as its history makes them, however it is cut': async (one) => {
    const history = await opened(one);
    await append(history, [create('b'), create('a', 'x'), create('c'), remove('c'), create('a', 'y')]);
    await advance(history, 2);
    const rows = await rowsOf(history);
    const { version, total, objects: count } = history.projection.cursor;
    same('cursor', [version, total, count], [5, history.bytes, rows.length]);
    const texts = rows.map(([text]) => text);
    same('in order', texts, [...texts].sort());
    const states = await firstValueFrom(history.projection.states([...texts, 'nothing']));
    same('states', [...states.keys()].sort(), texts);
    const alive = [...states.values()].filter(({ born }) => born !== null);
    same('alive', alive.length, 2);
    same('nothing moves', history.projection.isMoving, false);
    same('rows after the first', (await firstValueFrom(history.projection.rows(texts[0] ?? ''))).length, 2);
    same('rows up to the second', (await allOf(history.projection.allRows(texts[1] ?? ''))).flat().length, 2);
  },

  'forgets what was deleted before a time, and nothing else': async (one) => {
    const history = await opened(one);
    const { projection } = history;
    await append(history, [create('a'), create('b'), remove('a')]);
    await advance(history);
    same('deleted before the delete', await allOf(projection.lastDead(began + 3)), [null]);
    same('deleted before the next millisecond', await allOf(projection.lastDead(began + 4)), [began + 3]);
    let pieces = 0;
    while (await firstValueFrom(projection.sweep(began + 4)))
      if ((pieces += 1) > 10) throw new Error('a sweep of one object has no end');
    same('deleted, after the sweep', await allOf(projection.lastDead(began + 4)), [null]);
    const rows = await rowsOf(history);
    same('rows, and as many by the cursor', [rows.length, projection.cursor.objects], [1, 1]);
    same('version of the objects', projection.cursor.version, 3);
  },

  'trims what its objects stand for, and keeps the rest': async (one) => {
    const history = await opened(one);
    await append(history, numbered(10));
    await advance(history);
    const [changesets, { bytes }] = [await changesetsOf(history), history];
    await done('trim', history.trim(4));
    for (const each of [history, await reopened(one, history)]) {
      same('head, floor, bytes', [each.log.head, each.log.floor, each.bytes], [10, 4, bytes]);
      same('changesets', await changesetsOf(each), changesets.slice(4));
      await isRefused('a page that begins with what is gone', () => each.log.page(3));
      same('objects', (await rowsOf(each)).length, 10);
    }
  },

  'goes on where all of it was trimmed': async (one) => {
    const history = await opened(one);
    await append(history, numbered(3));
    await advance(history);
    await done('trim', history.trim(3));
    const next = await reopened(one, history);
    same('head, floor, bytes', [next.log.head, next.log.floor, next.bytes], [3, 3, history.bytes]);
    await append(next, [create('more')]);
    same(
      'changesets',
      (await changesetsOf(next)).map(({ version }) => version),
      [4],
    );
    await advance(next);
    same('objects', (await rowsOf(next)).length, 4);
  },

  'does not trim what its objects do not stand for': async (one) => {
    const history = await opened(one);
    await append(history, numbered(3));
    await errorOf('a trim past the objects', () => history.trim(1));
    same('changesets', (await changesetsOf(history)).length, 3);
  },

  'is the same when it is opened again': async (one) => {
    const history = await opened(one);
    const ids = ['one', 'two', 'three'];
    const more = { replicas: new Map([['one', known(4, true)]]), refused: [refusal('one', 3)] };
    await append(history, [create('a'), create('b'), remove('a')], more);
    await advance(history, 2);
    await append(history, [create('c')]);
    await done('tie', history.tie('two', 'bert'));
    await done('sight', history.sight(new Map([['two', { seen: 2, at: began }]])));
    await done('raise', history.raise(began - 5));
    const before = await pictureOf(history, ids);
    same('all of it', await pictureOf(await reopened(one, history), ids), before);
  },
};

/** The suite as data, each by its title: for a runner that is elsewhere. */
export const historyTests: Tests = { ...additions, ...replicas, ...objects };

/**
 * What every history must do, behind which a server keeps its realms. Call it in a spec of your own with a function that makes a new place for each test; it is closed
 * when the test is over. `runner` is given where `describe` and `it` are no globals.
 */
export const historySuite = (
  name: string,
  make: () => Promise<HistoryCase>,
  { describe, it }: SuiteRunner = globalRunner(),
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
