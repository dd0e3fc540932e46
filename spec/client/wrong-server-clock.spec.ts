import { defer, filter, firstValueFrom, of, repeat, take } from 'rxjs';
import { memoryStorage, systemClock } from '../../lib/index.js';
import type { ServerEvent } from '../../lib/server/index.js';
import { createServerCore } from '../../lib/server/server-core.js';
import { checkServerOptions } from '../../lib/server/check-server-options.js';
import { addTask, open, sessionOf, nextTurn, waitUntil } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const day = 86_400_000;

/** Creates a server and devices with clocks that differ by given times. */
const world = () => {
  const error = { server: 0, client: 0 };
  const storage = memoryStorage();
  const log: ServerEvent[] = [];
  const clock = { ...systemClock, now: () => Date.now() + error.server };
  const limits = { compactionMs: 5, snapshotLeaseMs: 1 };
  const server = open.server({ storage, clock, limits, log: (event) => log.push(event) });
  const device = () =>
    open.realm(open.client({ dial: of(server.wire), clock: { ...systemClock, now: () => Date.now() + error.client } }));
  /** Returns the readiness of a server that starts again on the stored history. */
  const readiness = async () => {
    const events: string[] = [];
    const core = createServerCore(checkServerOptions({ storage, clock, log: ({ event }) => events.push(event) }));
    await firstValueFrom(core.opened$);
    return [await firstValueFrom(core.readiness$), ...events];
  };
  /** Emits when the server removes tombstones. */
  const forgets$ = defer(() =>
    storage.range({ from: 'realm/', to: 'realm/~', limit: Infinity, bytesMax: Infinity }),
  ).pipe(
    repeat({ delay: nextTurn }),
    filter((rows) => rows.some(([key]) => key.endsWith('/horizon'))),
    take(1),
  );
  return { error, device, log, readiness, forgets$ };
};

const synced = async (realm: Awaited<ReturnType<typeof open.realm>>): Promise<void> => {
  await waitForValue(sessionOf(realm).uploadComplete$, 'uploadComplete$');
  await waitForValue(sessionOf(realm).downloadComplete$, 'downloadComplete$');
};

/** Binds again, so that the server sends its time. */
const rebound = async (realm: Awaited<ReturnType<typeof open.realm>>): Promise<void> => {
  sessionOf(realm).pause();
  sessionOf(realm).resume();
  await synced(realm);
};

describe('a server whose clock was wrong for a while', () => {
  it('field report B-6: ahead by a year for one write affects no other write: later writes are accepted, and win', async () => {
    const { error, device, log, readiness } = world();
    error.server = 365 * day;
    const a = await device();
    await synced(a);
    await addTask(a, 'tea');
    await synced(a);
    error.server = 0;
    const b = await device();
    await synced(b);
    await rebound(a);
    await b.write((tx) => tx.update('Task', 'tea', { title: 'by b' }));
    await addTask(b, 'milk');
    await synced(b);
    await synced(a);
    expect(a.get('Task', 'tea')?.title).toBe('by b');
    await a.write((tx) => tx.update('Task', 'tea', { title: 'by a' }));
    await synced(a);
    await synced(b);
    expect(b.get('Task', 'tea')?.title).toBe('by a');
    expect(b.get('Task', 'milk')).toBeDefined();
    expect(log.filter(({ event }) => event === 'clock-behind')).toHaveLength(1);
    expect(await readiness()).toEqual(['clock-behind', 'clock-behind']);
  });

  it.each([
    ['by the true time', false],
    ['by its time', true],
  ])(
    'field report B-6: ahead by years while it forgets what was deleted, stamped %s: later writes are taken',
    async (_, isAhead) => {
      const { error, device, forgets$ } = world();
      const [a, b] = [await device(), await device()];
      await synced(a);
      await synced(b);
      error.server = 365 * day;
      if (isAhead) await rebound(a);
      await addTask(a, 'tea');
      await a.write((tx) => tx.delete('Task', 'tea'));
      await synced(a);
      error.server = 2 * 365 * day;
      await firstValueFrom(forgets$);
      error.server = 0;
      for (const [each, title] of [
        [a, 'milk'],
        [b, 'bread'],
      ] as const) {
        await rebound(each);
        await addTask(each, title);
        await synced(each);
      }
      for (const each of [a, b]) {
        await synced(each);
        expect(each.get('Task', 'milk')).toBeDefined();
        expect(each.get('Task', 'bread')).toBeDefined();
      }
    },
  );

  it.each([
    ['the server is behind by days', { server: -3 * day, client: 0 }],
    ['the device is behind by days', { server: 0, client: -3 * day }],
    ['the device is ahead by a year', { server: 0, client: 365 * day }],
  ])(
    'field report B-6: %s in the middle of a session: the session continues, and its writes arrive',
    async (_, wrong) => {
      const { error, device } = world();
      const a = await device();
      await addTask(a, 'tea');
      await synced(a);
      Object.assign(error, wrong);
      const fatal: string[] = [];
      sessionOf(a).errors$.subscribe((each) => (each.fatal ? fatal.push(each.code) : 0));
      await addTask(a, 'milk');
      await waitUntil(sessionOf(a).status$, ({ pending }) => pending.changesets === 0);
      const b = await device();
      await synced(b);
      expect(b.get('Task', 'milk')).toBeDefined();
      expect(fatal).toEqual([]);
    },
  );
});
