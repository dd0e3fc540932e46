import { EMPTY, firstValueFrom, from, type Observable, switchMap } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { canonicalFilterOf } from '../../../lib/filter/canonical-filter.js';
import type { StoredFilter } from '../../../lib/filter/stored-filter.js';
import { createHeadState } from '../../../lib/server/history/head-state.js';
import type { History } from '../../../lib/server/history/history.js';
import { createSelection, type SelectionPage } from '../../../lib/server/selection/read-matching.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { advance, append, buildAll, type Change, openTeam, watch } from '../history/indexed-history.js';

const long = 'x'.repeat(24);

const changeOf = (key: number, time: number, values: Change['values']): Change => ({
  ...{ kind: time === 1 ? 'create' : 'update', type: 'A', key, values, time, origin: 'a' },
});

/** Six objects, with the values 0 to 5 of `p`. `q` is the same for all; `r` is a long text with their number. */
const openStored = async (): Promise<History> => {
  const history = await openTeam(memoryStorage());
  await watch(history, 'A', ['p', 'q', 'r']);
  await append(
    history,
    Array.from({ length: 6 }, (_, key) => changeOf(key, 1, { p: key, q: 1, r: `${long}${'y'.repeat(20)}${key}` })),
  );
  await advance(history);
  await buildAll(history);
  return history;
};

/**
 * Reads a plan with some scans. `between`: the stored objects change after the index was read, and before its objects
 * are; then only the stored objects are read.
 */
const read = async (
  history: History,
  given: StoredFilter,
  choice: string,
  between?: () => Promise<unknown>,
): Promise<readonly string[]> => {
  const { projection, watchedProperties } = history;
  const readSomeRows: typeof projection.readSomeRows = (texts) =>
    from(between?.() ?? Promise.resolve()).pipe(switchMap(() => projection.readSomeRows(texts)));
  const watched = {
    watchedProperties,
    projection: Object.assign(Object.create(projection) as typeof projection, { readSomeRows }),
  };
  const projector = { lag: () => 0, catchUpTo: (): Observable<never> => EMPTY };
  const headState = between
    ? { readRows: <A>(rows$: A): A => rows$ }
    : createHeadState({ history, projector, clock: systemClock, lagBytesMax: Infinity });
  const selection = createSelection({ history: watched, headState });
  const filter = canonicalFilterOf(given);
  const texts: string[] = [];
  for (let position: string | null = `${choice}/0/`; position !== null;) {
    const plan = selection.resumePlan('A', filter, position);
    if (plan === null) throw new Error(`There is no plan at ${position}.`);
    const page: SelectionPage = await firstValueFrom(selection.readMatching(plan, position));
    texts.push(...page.rows.map(([text]) => text));
    ({ position } = page);
  }
  return texts.sort();
};

describe('objects that are read by an index which says that they match', () => {
  it('are found', async () => {
    const history = await openStored();
    expect(await read(history, ['in', 'p', 1, 2], '0')).toEqual(['A/n1', 'A/n2']);
    expect(await read(history, ['not', ['gte', 'p', 1]], '0')).toEqual(['A/n0']);
  });

  it('are tested where the filter has another condition', async () => {
    const history = await openStored();
    const filter: StoredFilter = ['and', ['in', 'q', 1], ['lt', 'p', 2]];
    for (const choice of ['0', '1']) expect(await read(history, filter, choice)).toEqual(['A/n0', 'A/n1']);
  });

  it('are read once if they meet two alternatives', async () => {
    const history = await openStored();
    const filter: StoredFilter = ['or', ['in', 'q', 1], ['lt', 'p', 2]];
    expect(await read(history, filter, '0.1')).toEqual(['A/n0', 'A/n1', 'A/n2', 'A/n3', 'A/n4', 'A/n5']);
  });

  it('edge case 25: are tested where the index has only the start of their values', async () => {
    const history = await openStored();
    expect(await read(history, ['gt', 'r', `${long}${'y'.repeat(20)}3`], '0')).toEqual(['A/n4', 'A/n5']);
  });

  it('are tested if they have changed since they were stored', async () => {
    const history = await openStored();
    await append(history, [changeOf(1, 2, { p: 9 })]);
    expect(await read(history, ['lt', 'p', 2], '0')).toEqual(['A/n0']);
  });

  it('are tested if they are stored again after the index was read', async () => {
    const history = await openStored();
    const move = async (): Promise<void> => {
      if (history.log.head > 6) return;
      await append(history, [changeOf(1, 2, { p: 9 })]);
      await advance(history);
    };
    expect(await read(history, ['lt', 'p', 2], '0', move)).toEqual(['A/n0']);
  });
});
