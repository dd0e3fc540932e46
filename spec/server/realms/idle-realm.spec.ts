import { concat, defer, EMPTY, ignoreElements, lastValueFrom, NEVER, of, Subject, Subscription, take } from 'rxjs';
import { limits as bounds } from '../../../lib/model/limits.js';
import { objectPrefix } from '../../../lib/server/history/stored-objects.js';
import { createRealms, type Realms } from '../../../lib/server/realms/realms.js';
import { OpenRealm } from '../../../lib/server/realms/server-realm.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import type { ServerLimits } from '../../../lib/server/server-options.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createChangeset } from '../test-kit.js';
import { create, openWatchedRealm } from '../watched-realm.js';
import { createCountingClock } from './timer-count.js';

const createWorld = () => {
  const { clock, timers, pass } = createCountingClock();
  const limits = { ...bounds, ...serverLimits } as unknown as ServerLimits;
  const realms = createRealms({
    ...{ clock, limits, permit: null, isScoped: false, schemaOf: () => null, log: () => undefined },
    storage$: of(memoryStorage()),
  });
  return { realms, timers, pass };
};

const openOne = async (realms: Realms, name: string) => {
  const teardown = new Subscription();
  const realm = await lastValueFrom(realms.open(name, { create: true, teardown, makeRoom: () => null }));
  if (!(realm instanceof OpenRealm)) throw new Error('the realm has another class');
  return { realm, teardown };
};

describe('an idle realm of a server', () => {
  it('has neither a timer nor a projector, also after rounds of compaction', async () => {
    const { realms, timers, pass } = createWorld();
    const opened: OpenRealm[] = [];
    for (let index = 0; index < 100; index += 1) {
      const { realm } = await openOne(realms, `realm-${index}`);
      await lastValueFrom(realm.replicas.bind('a', 'u', { teardown: new Subscription(), failed: () => undefined }));
      realm.replicaCursors.begin('a', 0, 0);
      expect(await lastValueFrom(realm.offerSnapshot('a', 0))).toBeNull();
      realm.postponeProjection();
      realm.endLease('a');
      opened.push(realm);
    }
    expect(timers()).toBe(1); // One for the rounds of all realms.
    pass(3 * serverLimits.compactionMs + 1);
    expect(timers()).toBe(1);
    expect(opened.filter(({ presentWorks }) => presentWorks !== null)).toEqual([]);
  });

  it('creates its queue and projector with the first upload, and has a timer only until it is quiet', async () => {
    const { realms, timers, pass } = createWorld();
    const { realm, teardown } = await openOne(realms, 'team');
    const holder = { teardown: new Subscription(), failed: () => undefined };
    const replica = await lastValueFrom(realm.replicas.bind('a', 'u', holder));
    const read = () => ({ changeset: createChangeset(1), operationCount: 0, operations: [] });
    const page = { changesets: [createChangeset(1)], read, scope: () => null };
    const outcomes = await lastValueFrom(realm.uploadQueue.append(replica, { id: 'u' }, page));
    expect(outcomes).toEqual({ accepted: 1 });
    expect(realm.presentWorks).not.toBeNull();
    expect(timers()).toBe(3); // For the rounds, for the quiet time, and until the works are dropped.
    pass(serverLimits.projectionQuietMs + 1);
    expect(timers()).toBe(1);
    teardown.unsubscribe();
    expect([realms.count(), timers()]).toEqual([0, 0]);
  });

  it('is closed with its last session, and not before', async () => {
    const { realms, timers } = createWorld();
    const first = await openOne(realms, 'team');
    const second = await openOne(realms, 'team');
    expect(second.realm).toBe(first.realm);
    first.teardown.unsubscribe();
    expect([realms.count(), timers()]).toEqual([1, 1]);
    second.teardown.unsubscribe();
    expect([realms.count(), timers()]).toEqual([0, 0]);
    expect((await openOne(realms, 'team')).realm).not.toBe(first.realm);
  });

  it('stores its objects before it is closed, if filters watch it and many changes are not stored yet', async () => {
    const large = create('1', { title: 'x'.repeat(serverLimits.worksLagBytesMax) });
    for (const isWatched of [true, false]) {
      const { history, watch, upload, close, pass } = await openWatchedRealm(memoryStorage());
      if (isWatched) watch('Task', 'list');
      expect(upload('a', 1, [large], [create('2', {})]).end()).toBe('complete');
      pass(1);
      expect(history.projection.cursor.version).toBe(0);
      close();
      pass(1);
      expect(history.projection.cursor.version).toBe(isWatched ? 2 : 0);
    }
  });

  it('is closed after a while also if its objects take longer to be stored, and goes on from there later', async () => {
    const released = new Subject<void>();
    const isHeld = { value: false };
    const memory = memoryStorage();
    const batch: typeof memory.batch = (changes, options) => {
      const isOfObjects = changes.some(({ key }) => key.includes(`/${objectPrefix}`));
      const held$ = defer(() => (isOfObjects && isHeld.value ? released.pipe(take(1), ignoreElements()) : EMPTY));
      return concat(held$, memory.batch(changes, options));
    };
    const storage = { ...memory, batch };
    const { history, watch, upload, close, pass } = await openWatchedRealm(storage);
    watch('Task', 'list');
    const text = 'x'.repeat(bounds.pageBytesMax);
    for (let key = 1; key <= 9; key += 1) upload('a', key, [create(`${key}`, { text })]);
    pass(1);
    isHeld.value = true; // The first piece of the objects takes as long as the spec wants.
    close();
    pass(serverLimits.catchUpMsMax + 1);
    expect(history.projection.cursor.version).toBe(0);
    isHeld.value = false;
    released.next();
    pass(serverLimits.catchUpMsMax);
    const { version } = history.projection.cursor;
    expect([version > 0, version < 9]).toEqual([true, true]);
    const again = await openWatchedRealm(storage);
    expect(again.history.projection.cursor.version).toBe(version);
    again.close();
    again.pass(1);
    expect(again.history.projection.cursor.version).toBe(9);
  });

  it('is not left open by a session that ends while the realm is being opened', () => {
    const { clock, timers } = createCountingClock();
    const limits = { ...bounds, ...serverLimits } as unknown as ServerLimits;
    const silent = { ...memoryStorage(), range: () => NEVER };
    const realms = createRealms({
      ...{ clock, limits, permit: null, isScoped: false, schemaOf: () => null, log: () => undefined },
      storage$: of(silent),
    });
    const teardown = new Subscription();
    teardown.add(realms.open('team', { create: true, teardown, makeRoom: () => null }).subscribe());
    expect(realms.count()).toBe(1);
    teardown.unsubscribe();
    expect([realms.count(), timers()]).toEqual([0, 0]);
  });
});
