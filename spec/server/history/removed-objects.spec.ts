import fc from 'fast-check';
import { defer, firstValueFrom, lastValueFrom, of, repeat } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { latestTombstoneTimeOf, type ObjectState } from '../../../lib/merge/object-state.js';
import { memoryStorage, openRealm } from '../../../lib/index.js';
import { bytesOf } from '../../../lib/model/changeset.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import type { History } from '../../../lib/server/history/history.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import { rowBytesOf } from '../../../lib/server/history/stored-objects.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { viewOf } from '../../../lib/store/objects/object-view.js';
import { isAlive } from '../../../lib/merge/object-state.js';
import { open, nextTurn, waitUntil } from '../../client/test-kit.js';
import { anyStep, applyStep } from '../../merge/random-edits.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { receive, expectEqual, shapes, type World, worldOf } from '../../merge/replica-world.js';

const nothing = { defaultValue: undefined };

/** Appends new changesets to the history and advances the projection. */
const advanced = async (history: History, world: World): Promise<void> => {
  let total = history.bytes;
  const changesets = world.posted.slice(history.log.head).map(({ origin, time, count, body }, index): HistoryRecord => {
    total += bytesOf({ body });
    return { version: history.log.head + index + 1, origin, time, count, body, total };
  });
  if (changesets.length === 0) return;
  const addition = { after: history.log.head, changesets, replicas: new Map(), rejected: [], runs: [] };
  await lastValueFrom(history.append(addition), nothing);
  const page = await firstValueFrom(history.log.page(history.projection.cursor.version));
  await lastValueFrom(history.projection.advance(page), nothing);
};

const swept = async ({ projection }: History, before: number): Promise<void> => {
  while (await firstValueFrom(projection.sweep(before)));
};

const statesOf = async ({ projection }: History): Promise<ReadonlyMap<string, ObjectState>> =>
  firstValueFrom(projection.readStates([1, 2].map((key) => objectTextOf('T', key))));

const shape = shapes.get('T')!;
const plainViewOf = (state: ObjectState | undefined, key: number): unknown =>
  state && isAlive(state) ? viewOf(shape, state, key) : null;

const early = fc.array(anyStep, { minLength: 5, maxLength: 40 });
/** An increment of a counter is kept for ever, even when its object is deleted. */
const late = early.map((steps) =>
  steps.map((each) =>
    each.does === 'write'
      ? { ...each, now: each.now + 1_000, acts: each.acts.filter(({ kind }) => kind !== 'increment') }
      : each,
  ),
);

describe('a tombstone on a server', () => {
  it('field report B-4: is removed when no older changeset can arrive, and later changesets give equal objects on all replicas', async () => {
    await fc.assert(
      fc.asyncProperty(early, late, fc.boolean(), async (first, second, isTwice) => {
        const history = await firstValueFrom(openHistory(memoryStorage(), 'team', { random: () => 0 }));
        const world = worldOf(3);
        for (const each of first) applyStep(world, each);
        await advanced(history, world);
        await swept(history, 1_000);
        for (const state of (await statesOf(history)).values()) {
          expect(latestTombstoneTimeOf({ ...state, died: null }) ?? 1_000).toBeGreaterThanOrEqual(1_000);
        }
        for (const each of second) applyStep(world, each);
        if (isTwice) await swept(history, 1_000);
        await advanced(history, world);
        if (isTwice) await swept(history, 1_002);
        const [device] = world.devices as readonly [World['devices'][0]];
        world.posted.forEach((posted) => receive(device, posted));
        const states = await statesOf(history);
        for (const key of [1, 2]) {
          expectEqual(
            plainViewOf(states.get(objectTextOf('T', key)), key),
            plainViewOf(device.objects.latestState('T', key), key),
          );
        }
        const rows = await firstValueFrom(history.projection.readRows(null));
        expect(history.projection.cursor).toMatchObject({
          objects: rows.length,
          bytes: rows.reduce((sum, [, state]) => sum + rowBytesOf(state), 0),
        });
        // In the end all tombstones can be removed.
        await swept(history, Number.MAX_SAFE_INTEGER);
        for (const state of (await statesOf(history)).values()) {
          if (isAlive(state)) expect(latestTombstoneTimeOf(state)).toBeNull();
        }
      }),
      runOptions(300),
    );
  }, 120_000);

  it('field report B-4: does not make an object grow for ever that is changed every day', async () => {
    const schema = {
      Page: { primaryKey: 'id', properties: { id: 'string', steps: 'string[]', sizes: 'int{}' } },
    } as const;
    let now = Date.parse('2026-03-01T12:00Z');
    const clock = { ...systemClock, now: () => now };
    const disk = memoryStorage();
    const server = open.server({ storage: disk, clock, limits: { compactionMs: 5, snapshotLeaseMs: 1 } });
    const client = open.client({ dial: of(server.wire), clock });
    const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'pages' } });
    if (realm.syncSession._tag === 'None') throw new Error('no session');
    const session = realm.syncSession.value;
    await realm.write((tx) => tx.create('Page', { id: 'p', steps: ['stays'] }));
    for (let day = 0; day < 40; day += 1) {
      now += 24 * 60 * 60 * 1000;
      await realm.write((tx) => {
        const steps = tx.list('Page', 'p', 'steps');
        for (let n = 0; n < 20; n += 1) {
          steps.push(`${day} ${n}`);
          steps.remove(1);
          tx.dictionary('Page', 'p', 'sizes').set(`${day} ${n}`, n);
          tx.dictionary('Page', 'p', 'sizes').remove(`${day} ${n}`);
        }
      });
      await firstValueFrom(session.uploadComplete$);
    }
    now += 60 * 24 * 60 * 60 * 1000;
    const rows$ = defer(() => disk.range({ from: 'realm/', to: 'realm/~', limit: Infinity, bytesMax: Infinity }));
    const sizes$ = rows$.pipe(repeat({ delay: nextTurn }));
    await waitUntil(sizes$, (rows) => rows.some(([key, state]) => key.includes('object/') && state.byteLength < 200));
    const other = open.client({ dial: of(server.wire), clock });
    const late = await openRealm({ schema, storage: memoryStorage(), sync: { client: other, realm: 'pages' } });
    if (late.syncSession._tag === 'None') throw new Error('no session');
    await firstValueFrom(late.syncSession.value.downloadComplete$);
    expect(late.get('Page', 'p')).toEqual({ id: 'p', steps: ['stays'], sizes: {} });
  });
});
