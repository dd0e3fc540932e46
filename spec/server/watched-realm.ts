import { lastValueFrom, of, Subscription, type Observable } from 'rxjs';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import type { Operation } from '../../lib/merge/operation.js';
import type { Changeset } from '../../lib/model/changeset.js';
import type { Values } from '../../lib/model/value.js';
import { limits as sharedLimits } from '../../lib/model/limits.js';
import type { History } from '../../lib/server/history/history.js';
import type { HistoryRecord } from '../../lib/server/history/history-record.js';
import type { Permit } from '../../lib/server/index.js';
import { createRealms } from '../../lib/server/realms/realms.js';
import type { Replica } from '../../lib/server/realms/replicas.js';
import { OpenRealm } from '../../lib/server/realms/server-realm.js';
import { serverLimits } from '../../lib/server/server-limits.js';
import type { ServerLimits } from '../../lib/server/server-options.js';
import { incomingOf } from '../../lib/server/uploads/incoming-changeset.js';
import type { Storage } from '../../lib/storage/storage.js';
import { createCountingClock } from './realms/timer-count.js';

const limits = { ...sharedLimits, ...serverLimits } as unknown as ServerLimits;

/** The work that a stream has begun: how it ended, and what it emitted. */
export interface Running {
  readonly emitted: readonly unknown[];
  readonly end: () => string;
}

/** Subscribes to work that may wait for the storage. */
export const run = (work$: Observable<unknown>): Running => {
  const emitted: unknown[] = [];
  let end = 'open';
  work$.subscribe({
    next: (value) => emitted.push(value),
    error: (thrown: unknown) => (end = thrown instanceof Error ? thrown.message : String(thrown)),
    complete: () => (end = 'complete'),
  });
  return { emitted, end: () => end };
};

/** A realm of a server without sessions, so that a spec can watch properties of it. */
export interface WatchedRealm {
  readonly realm: OpenRealm;
  readonly history: History;
  /** Uploads a changeset for each list of operations. The stamps begin at a time. */
  readonly upload: (replica: string, time: number, ...changesets: readonly (readonly Operation[])[]) => Running;
  readonly watch: (type: string, ...properties: readonly string[]) => Running;
  /** Brings the stored objects to the head. */
  readonly project: () => Running;
  /** All changesets that are not trimmed. */
  readonly records: () => Promise<readonly HistoryRecord[]>;
  readonly pass: (ms: number) => void;
  readonly close: () => void;
}

/** Opens the realm `team` on a storage. */
export const openWatchedRealm = async (storage: Storage, permit: Permit | null = null): Promise<WatchedRealm> => {
  const { clock, pass } = createCountingClock();
  const realms = createRealms({
    ...{ clock, limits, permit, isScoped: false, schemaOf: () => null, log: () => undefined },
    storage$: of(storage),
  });
  const teardown = new Subscription();
  const realm = await lastValueFrom(realms.open('team', { create: true, teardown, makeRoom: () => null }));
  if (!(realm instanceof OpenRealm)) throw new Error('the realm has another class');
  const { history } = realm;
  const holder = { teardown: new Subscription(), failed: () => undefined };
  const read = (changeset: Changeset, needsOperations: boolean) => incomingOf(changeset, limits, needsOperations);
  const bound = new Map<string, Replica>();
  const versions = new Map<string, number>();
  return {
    ...{ realm, history, pass },
    upload: (id, time, ...all) => {
      if (!bound.has(id)) realm.replicas.bind(id, 'u', holder).subscribe((replica) => bound.set(id, replica));
      const replica = bound.get(id);
      if (replica === undefined) throw new Error('the replica is not bound');
      const from = (versions.get(id) ?? replica.accepted) + 1;
      versions.set(id, from + all.length - 1);
      const changesets = all.map((operations, at): Changeset => ({
        ...{ version: from + at, time: time + at, count: 0 },
        body: encodeOperations(operations),
      }));
      return run(realm.uploadQueue.append(replica, { id: 'u' }, { changesets, read, scope: () => null }));
    },
    watch: (type, ...properties) => run(realm.uploadQueue.watch(type, properties)),
    project: () => run(realm.startWorks().projector.catchUpTo(history.log.head)),
    records: async () => {
      const all: HistoryRecord[] = [];
      for (let at = history.log.floor; at < history.log.head; at = all.at(-1)?.version ?? Infinity)
        all.push(...(await lastValueFrom(history.log.page(at))).entries);
      return all;
    },
    close: () => teardown.unsubscribe(),
  };
};

export const create = (key: string, values: Values, type = 'Task'): Operation => ({
  kind: 'create',
  ...{ type, key, values },
});
export const update = (key: string, values: Values, type = 'Task'): Operation => ({
  kind: 'update',
  ...{ type, key, values },
});
export const remove = (key: string, type = 'Task'): Operation => ({ kind: 'delete', type, key });
