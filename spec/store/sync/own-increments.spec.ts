import { firstValueFrom, NEVER } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { sumOf } from '../../../lib/merge/counter.js';
import { collectionStateOf } from '../../../lib/merge/collection-state.js';
import { applyOperation, type ObjectState } from '../../../lib/merge/object-state.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import type { Changeset } from '../../../lib/model/changeset.js';
import type { Schema } from '../../../lib/model/schema.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { decodeStoredOperations } from '../../../lib/store/commit/outbox.js';
import type { Store } from '../../../lib/store/store.js';
import { openStoreWith, waitUntilDone } from '../test-kit.js';

const schema = {
  Poll: { primaryKey: 'id', properties: { id: 'string', votes: 'counter' } },
} as const satisfies Schema;

const increment = (store: Store) => firstValueFrom(store.write((tx) => tx.increment('Poll' as never, 'p', 'votes')));

/** The poll on a server that has received these changesets, in this order. */
const stateAfter = (replica: string, changesets: readonly Changeset[]): ObjectState =>
  changesets.reduce<ObjectState | undefined>(
    (before, changeset) =>
      decodeStoredOperations(changeset).reduce(
        (state: ObjectState | undefined, operation, index) =>
          applyOperation(state, operation, operationStampOf(changeset, replica, index)),
        before,
      ),
    undefined,
  )!;

const votesIn = (state: ObjectState): number => sumOf(collectionStateOf(state.collections, 'votes').counter);

/** A poll and three votes by a device whose clock stands still or advances. The server has acknowledged all of them. */
const voted = async (isStill: boolean) => {
  let time = 1_000_000;
  const clock = { ...systemClock, now: () => (isStill ? time : (time += 1_000)) };
  const storage = memoryStorage();
  const store = openStoreWith(schema, storage, clock);
  await firstValueFrom(store.write((tx) => tx.create('Poll' as never, { id: 'p', votes: 0 })));
  for (let vote = 0; vote < 3; vote += 1) await increment(store);
  const { replica } = await firstValueFrom(store.greeting$);
  const uploaded = await firstValueFrom(store.uploads(0, NEVER));
  await waitUntilDone(store.acknowledge(4));
  return { store, storage, clock, replica, uploaded };
};

/** The first page of unsent changesets. */
const unsentOf = (store: Store, after: number) => firstValueFrom(store.uploads(after, NEVER));

const snapshotOf = (state: ObjectState, version: number) => ({
  version,
  objects: [{ type: 'Poll', key: 'p', state: encodeState(state) }],
  bytes: 100,
  remainingBytes: 0,
});

describe('an increment of a replica that lacks some of its own increments', () => {
  describe.each([
    ['whose clock advances', false],
    ['whose clock stands still', true],
  ])('%s', (_, isStill) => {
    it('is added to those that a snapshot has removed', async () => {
      const { store, replica, uploaded } = await voted(isStill);
      // The snapshot has a version before the second vote, like one that was started before that vote was uploaded.
      await waitUntilDone(store.replace(snapshotOf(stateAfter(replica, uploaded.slice(0, 2)), 2)));
      await increment(store);
      await increment(store);
      const written = await unsentOf(store, 4);
      expect(votesIn(stateAfter(replica, [...uploaded, ...written]))).toBe(5);
      const own = uploaded.slice(2).map((each) => ({ ...each, origin: replica }));
      await waitUntilDone(store.integrate({ changesets: own, upTo: 4, bytes: 200, remainingBytes: 0, remaining: 0 }));
      expect(store.get('Poll', 'p')).toMatchObject({ votes: 5 });
    });

    it('continues the last one when all are downloaded again', async () => {
      const { store, replica, uploaded } = await voted(isStill);
      await waitUntilDone(store.replace(snapshotOf(stateAfter(replica, uploaded.slice(0, 2)), 2)));
      const own = uploaded.slice(2).map((each) => ({ ...each, origin: replica }));
      await waitUntilDone(store.integrate({ changesets: own, upTo: 4, bytes: 200, remainingBytes: 0, remaining: 0 }));
      await increment(store);
      const written = await unsentOf(store, 4);
      const { counter } = collectionStateOf(stateAfter(replica, [...uploaded, ...written]).collections, 'votes');
      expect(counter.map(({ chains }) => chains.length)).toEqual([1]);
    });

    it('is added to those that a client reset has removed', async () => {
      const { store, replica, uploaded } = await voted(isStill);
      await waitUntilDone(store.adopt('history'));
      await waitUntilDone(store.reset('keepReplica'));
      const first = uploaded.slice(0, 2).map((each) => ({ ...each, origin: replica }));
      await waitUntilDone(
        store.integrate({ changesets: first, upTo: 2, bytes: 200, remainingBytes: 100, remaining: 2 }),
      );
      await increment(store);
      const written = await unsentOf(store, 4);
      expect(votesIn(stateAfter(replica, [...uploaded, ...written]))).toBe(4);
    });

    it('is added to them after a restart too', async () => {
      const { store, storage, clock, replica, uploaded } = await voted(isStill);
      await waitUntilDone(store.replace(snapshotOf(stateAfter(replica, uploaded.slice(0, 2)), 2)));
      const again = openStoreWith(schema, storage, clock);
      await increment(again);
      const written = await unsentOf(again, 4);
      expect(votesIn(stateAfter(replica, [...uploaded, ...written]))).toBe(4);
    });
  });
});
