import { lastValueFrom, NEVER, of, Subscription, toArray, type Observable } from 'rxjs';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { Changeset } from '../../../lib/model/changeset.js';
import { limits as bounds } from '../../../lib/model/limits.js';
import type { Values } from '../../../lib/model/value.js';
import type { Permit } from '../../../lib/server/index.js';
import { createRealms } from '../../../lib/server/realms/realms.js';
import { OpenRealm } from '../../../lib/server/realms/server-realm.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import type { ServerLimits } from '../../../lib/server/server-options.js';
import { incomingOf } from '../../../lib/server/uploads/incoming-changeset.js';
import { createFaultyStorage } from '../test-kit.js';
import { createCountingClock } from './timer-count.js';

const { worksQuietMs, snapshotLeaseMs, compactionMs, worksLagBytesMax } = serverLimits;
const day = 24 * 3_600_000;
const objectBytesMax = 8 * serverLimits.largeObjectBytes; // Below this each write is checked.

const update = (key: number, values: Values): Operation => ({ kind: 'update', type: 'Note', key, values });

/** Creates an open realm, with a replica that appends to it. */
const createWorld = async (permit: Permit | null = null) => {
  const { clock, timers, pass } = createCountingClock();
  const storage = createFaultyStorage();
  const limits = { ...bounds, ...serverLimits, retentionMs: day, objectBytesMax } as unknown as ServerLimits;
  const failures: unknown[] = [];
  const realms = createRealms({
    ...{ clock, limits, permit, isScoped: false, schemaOf: () => null, log: (event: unknown) => failures.push(event) },
    storage$: of(storage),
  });
  const teardown = new Subscription();
  const realm = await lastValueFrom(realms.open('team', { create: true, teardown, makeRoom: () => null }));
  if (!(realm instanceof OpenRealm)) throw new Error('the realm has another class');
  const holder = { teardown: new Subscription(), failed: () => undefined };
  const replica = await lastValueFrom(realm.replicas.bind('a', 'u', holder));
  const read = (changeset: Changeset, needsOperations: boolean) => incomingOf(changeset, limits, needsOperations);
  const append = (version: number, ...operations: readonly Operation[]) =>
    realm.uploadQueue.append(
      replica,
      { id: 'u' },
      {
        changesets: [{ version, time: clock.now(), count: version, body: encodeOperations(operations) }],
        read,
        scope: () => null,
      },
    );
  /** Appends, and returns `accepted`, or the code of each rejection before. */
  const write = async (version: number, ...operations: readonly Operation[]) => {
    const outcomes = await lastValueFrom(append(version, ...operations).pipe(toArray()));
    return outcomes.map((outcome) => ('accepted' in outcome ? `accepted ${outcome.accepted}` : outcome.rejected.code));
  };
  const hasWorks = (): boolean => realm.presentWorks !== null;
  /** Lets the realm be quiet until its works are dropped. */
  const drop = (): void => {
    pass(2 * worksQuietMs + 1);
    expect(hasWorks()).toBe(false);
  };
  return { realm, storage, teardown, clock, timers, pass, append, write, hasWorks, drop, failures };
};

/** Records what a stream emits, and how it ends. */
const recordOf = (stream: Observable<unknown>): unknown[] => {
  const record: unknown[] = [];
  stream.subscribe({
    next: (value) => record.push(value),
    error: (thrown: unknown) => record.push(thrown),
    complete: () => record.push('complete'),
  });
  return record;
};

describe('a realm that is not used', () => {
  it('drops its works and their timers after a while, and creates new ones at the next use', async () => {
    const { realm, write, hasWorks, pass, timers } = await createWorld();
    await write(1, update(1, { n: 1 }));
    const first = realm.presentWorks;
    pass(worksQuietMs + 1);
    expect(hasWorks()).toBe(true); // Used in this time.
    pass(worksQuietMs);
    expect([hasWorks(), timers()]).toEqual([false, 1]); // The timer of the rounds.
    expect(await write(2, update(1, { n: 2 }))).toEqual(['accepted 2']);
    expect([realm.presentWorks === first, realm.history.log.head]).toEqual([false, 2]);
  });

  it('keeps them while a client writes from time to time', async () => {
    const { realm, write, pass } = await createWorld();
    await write(1, update(1, { n: 1 }));
    const first = realm.presentWorks;
    for (let version = 2; version < 20; version += 1) {
      pass(worksQuietMs * 0.9);
      await write(version, update(1, { n: version }));
    }
    expect(realm.presentWorks).toBe(first);
  });

  it('keeps them while an upload is being written, which is neither lost nor written twice', async () => {
    const { realm, storage, append, hasWorks, pass, write, drop } = await createWorld();
    storage.hold();
    const outcomes = recordOf(append(1, update(1, { n: 1 })));
    pass(20 * worksQuietMs);
    expect([hasWorks(), outcomes]).toEqual([true, []]);
    storage.release();
    expect(outcomes).toEqual([{ accepted: 1 }, 'complete']);
    drop();
    expect(await write(1, update(1, { n: 1 }))).toEqual(['accepted 1']);
    expect(realm.history.log.head).toBe(1);
  });

  it('keeps them while permit thinks', async () => {
    const { append, hasWorks, pass } = await createWorld(() => NEVER);
    const outcomes = recordOf(append(1, update(1, { n: 1 })));
    pass(serverLimits.permitMsMax - 1);
    expect([hasWorks(), outcomes]).toEqual([true, []]);
  });

  it('shows permit the same objects afterwards, and repeats its rejections', async () => {
    const seen: unknown[] = [];
    const { write, drop, pass, failures } = await createWorld((_, __, { before, after }) => {
      seen.push(before?.['text']);
      return after?.['text'] !== 'three' || 'not three';
    });
    await write(1, { kind: 'create', type: 'Note', key: 1, values: { text: 'one' } });
    drop();
    await write(2, update(1, { text: 'two' }));
    drop();
    expect(await write(3, update(1, { text: 'three' }))).toEqual(['not-permitted', 'accepted 3']);
    drop();
    expect(await write(3, update(1, { text: 'three' }))).toEqual(['not-permitted', 'accepted 3']);
    pass(2 * compactionMs); // The stored objects catch up.
    drop();
    await write(4, update(1, { text: 'four' }));
    expect([seen, failures]).toEqual([[undefined, 'one', 'two', 'two'], []]);
  });

  it('keeps them as long as many changes are not applied to the stored objects', async () => {
    const { realm, write, hasWorks, pass } = await createWorld();
    const text = 'x'.repeat(worksLagBytesMax);
    await write(1, update(1, { text }));
    pass(10 * worksQuietMs);
    expect(hasWorks()).toBe(true);
    pass(compactionMs);
    expect([hasWorks(), realm.history.projection.cursor.version]).toEqual([false, 1]);
  });

  it('keeps them until the stored objects have caught up if a round asks for it', async () => {
    const { realm, write, hasWorks, pass, drop } = await createWorld();
    await write(1, update(1, { n: 1 }));
    drop();
    pass(compactionMs + 2 * worksQuietMs);
    expect([hasWorks(), realm.history.projection.cursor.version]).toEqual([true, 0]);
    pass(serverLimits.projectionQuietMs);
    expect([hasWorks(), realm.history.projection.cursor.version]).toEqual([false, 1]);
  });

  it('lets no object grow beyond the limit, however often they are dropped', async () => {
    const { write, pass, hasWorks } = await createWorld();
    const text = 'x'.repeat(1_000_000);
    const outcomes: string[] = [];
    for (let version = 1; version <= 10; version += 1) {
      outcomes.push(...(await write(version, update(1, { [`p${version}`]: text }))));
      pass(2 * compactionMs);
      expect(hasWorks()).toBe(false);
    }
    const accepted = outcomes.indexOf('too-large');
    expect(accepted * 1_000_000).toBeLessThanOrEqual(objectBytesMax);
    expect(accepted).toBe(8);
  });

  it('keeps them while a replica fetches a snapshot', async () => {
    const { realm, write, hasWorks, pass, drop } = await createWorld();
    await write(1, update(1, { n: 1 }));
    pass(2 * compactionMs);
    expect(hasWorks()).toBe(false);
    const fetch = realm.createSnapshotFetch('b', 1);
    expect(await lastValueFrom(fetch(null))).toMatchObject({ objects: [{ key: 1 }], remaining: 0 });
    pass(snapshotLeaseMs - 1);
    expect([hasWorks(), realm.presentWorks?.leases.isHeld()]).toEqual([true, true]);
    pass(2 * worksQuietMs);
    expect(hasWorks()).toBe(false);
    // A late client continues where it was, with a lease again.
    const after = { type: 'Note', key: 1 };
    expect(await lastValueFrom(fetch(after))).toMatchObject({ objects: [], remaining: 0 });
    expect(realm.presentWorks?.leases.isHeld()).toBe(true);
    realm.endLease('b');
    drop();
  });

  it('keeps them while a page of a snapshot is being read', async () => {
    const { realm, storage, write, hasWorks, pass } = await createWorld();
    await write(1, update(1, { n: 1 }));
    pass(2 * compactionMs);
    const { range } = storage;
    Object.assign(storage, { range: () => NEVER });
    const reading = realm.createSnapshotFetch('b', 1)(null).subscribe();
    Object.assign(storage, { range });
    pass(2 * snapshotLeaseMs);
    expect(hasWorks()).toBe(true);
    reading.unsubscribe();
    pass(2 * snapshotLeaseMs);
    expect(hasWorks()).toBe(false);
  });

  it('keeps them until a round of compaction ends', async () => {
    const { realm, storage, write, hasWorks, pass, clock } = await createWorld();
    await write(1, update(1, { n: 1 }));
    await write(2, { kind: 'delete', type: 'Note', key: 1 });
    pass(2 * compactionMs);
    expect(hasWorks()).toBe(false);
    storage.hold();
    pass(day + compactionMs); // The round that removes the tombstone stores the cutoff, and waits for that.
    const { presentWorks } = realm;
    expect([presentWorks !== null, realm.history.retentionCutoff > 0]).toEqual([true, true]);
    pass(20 * worksQuietMs);
    expect(realm.presentWorks).toBe(presentWorks);
    storage.release();
    pass(2 * compactionMs);
    expect(hasWorks()).toBe(false);
    expect(await lastValueFrom(realm.history.projection.readLastTombstone(clock.now()))).toBeNull();
  });

  it('has no timer after it is closed', async () => {
    const { write, teardown, timers } = await createWorld();
    await write(1, update(1, { n: 1 }));
    teardown.unsubscribe();
    expect(timers()).toBe(0);
  });
});
