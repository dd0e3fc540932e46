import {
  transitions,
  type ConnectionChange,
  type ConnectionState,
  type SyncSession,
  type SyncState,
} from '../lib/index.js';

/** A broken invariant. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
  constructor(
    readonly promise: string,
    detail: string,
    /** Names of the objects concerned, such as `Board b`. */
    readonly about: readonly string[] = [],
  ) {
    super(`${promise}: ${detail}`);
  }
}

/** Text about one write, and the objects that it changed. */
export interface EditNote {
  readonly what: string;
  readonly about: readonly string[];
}

/** Returns the name of the entry that a write creates. */
export const entryNameOf = (id: string): string => `Entry ${id}`;

/** Records every write of every device. */
export interface Ledger {
  /** Records that a write starts: from now on it may be applied. */
  readonly recordAttempt: (id: string) => void;
  /** Records that the device lost writes before the server had them durably: they may exist at the end or not. */
  readonly excuse: (ids: Iterable<string>) => void;
  /** Records the changes of a write, as soon as they are known. */
  readonly recordEdit: (id: string, edited: EditNote) => void;
  readonly editOf: (id: string) => EditNote;
  /** Records that the promise of a write resolved: its entry must exist at the end. */
  readonly recordResolved: (id: string) => void;
  /** Records that the server rejected a write: its entry must not exist at the end. */
  readonly recordRejected: (id: string) => void;
  readonly wasRejected: (id: string) => boolean;
  /** Records that the server has rejected a write because its user may not see an object of it. */
  readonly recordHidden: (id: string) => void;
  readonly wasHidden: (id: string) => boolean;
  /** Records that the promise of a write rejected: nothing of it may have been stored. */
  readonly recordFailed: (id: string, reason: string) => void;
  /** Records that the server has a write durably. */
  readonly recordDurable: (id: string) => void;
  readonly isDurable: (id: string) => boolean;
  /** The number of durable writes, and the first `count` of them in order. */
  readonly durableCount: () => number;
  readonly idsInOrder: (count: number) => readonly string[];
  /** Records a backup of the durable writes. */
  readonly recordBackup: () => void;
  /** Records a restore: writes since the backup are lost, and with them the guarantee. */
  readonly recordRestore: () => void;
  /** Whether the server has a write durably, or had it before a restore. */
  readonly wasDurable: (id: string) => boolean;
  /** Whether the server has or had a write durably, or nothing of it was stored on the device. */
  readonly wasSettled: (id: string) => boolean;
  readonly restoreCount: () => number;
  /** Records that the server has the `Tally` object. */
  readonly recordCounterStored: () => void;
  /**
   * Whether a restored server may never have had the `Tally` object. A device that has not learned of that loss
   * increments an object that does not exist, and such an increment has no effect.
   */
  readonly isCounterLost: () => boolean;
  /** Throws when the entries at the end are not the expected ones. */
  readonly check: (ids: ReadonlySet<string>) => void;
}

export const createLedger = (): Ledger => {
  const tried = new Set<string>();
  const notes = new Map<string, EditNote>();
  let resolved = new Set<string>();
  const rejected = new Set<string>();
  const hidden = new Set<string>();
  const failed = new Map<string, string>();
  let durable = new Set<string>();
  let backup: ReadonlySet<string> = new Set<string>();
  const lost = new Set<string>();
  const excused = new Set<string>();
  let restores = 0;
  let counter = { isThere: false, isSaved: false, isLost: false };
  return {
    recordAttempt: (id) => void tried.add(id),
    recordEdit: (id, edited) => void notes.set(id, edited),
    editOf: (id) => notes.get(id) ?? { what: id, about: [entryNameOf(id)] },
    recordResolved: (id) => {
      if (!excused.has(id)) resolved.add(id);
    },
    excuse: (ids) => {
      for (const id of ids) {
        if (durable.has(id)) continue;
        excused.add(id);
        resolved.delete(id);
      }
      // One of these writes may have created the `Tally` object, and no other replica has it then.
      counter = { ...counter, isLost: counter.isLost || !counter.isThere };
    },
    recordRejected: (id) => void rejected.add(id),
    wasRejected: (id) => rejected.has(id),
    recordHidden: (id) => void hidden.add(id),
    wasHidden: (id) => hidden.has(id),
    recordFailed: (id, reason) => void failed.set(id, reason),
    recordDurable: (id) => void durable.add(id),
    isDurable: (id) => durable.has(id),
    durableCount: () => durable.size,
    idsInOrder: (count) => [...durable].slice(0, count),
    recordRestore: () => {
      restores += 1;
      counter = { ...counter, isThere: counter.isSaved, isLost: counter.isLost || !counter.isSaved };
      // A device has to recover the writes that were not acknowledged.
      for (const id of durable) if (!backup.has(id)) lost.add(id);
      resolved = new Set([...resolved].filter((id) => !lost.has(id)));
      durable = new Set(backup);
    },
    recordBackup: () => {
      backup = new Set(durable);
      counter = { ...counter, isSaved: counter.isThere };
    },
    wasDurable: (id) => durable.has(id) || lost.has(id),
    wasSettled: (id) => durable.has(id) || lost.has(id) || failed.has(id),
    restoreCount: () => restores,
    recordCounterStored: () => {
      counter = { ...counter, isThere: true };
    },
    isCounterLost: () => counter.isLost,
    check: (ids) => {
      for (const id of resolved) {
        if (!ids.has(id) && !rejected.has(id))
          throw new InvariantError(
            'every resolved write exists at the end',
            `${id} is not (durable on the server: ${durable.has(id)})`,
            [entryNameOf(id)],
          );
      }
      for (const id of ids) {
        if (!tried.has(id)) throw new InvariantError('every entry was written by a device', id, [entryNameOf(id)]);
        if (rejected.has(id)) throw new InvariantError('a rejected write is not applied', id, [entryNameOf(id)]);
        const reason = failed.get(id);
        if (reason !== undefined)
          throw new InvariantError('a write that failed is not applied', `${id}: ${reason}`, [entryNameOf(id)]);
      }
    },
  };
};

/**
 * Returns an error if the retention cutoff is after all changesets of the history; otherwise `null`. A server whose
 * clock was ahead for a while would otherwise reject what devices write after its correction.
 */
export const cutoffErrorOf = (cutoff: number, latestStamp: number): InvariantError | null =>
  cutoff > latestStamp + 1
    ? new InvariantError(
        'the retention cutoff is not after the history',
        `it is ${cutoff - latestStamp} ms after the latest changeset`,
      )
    : null;

/**
 * Connection attempts that a device may make within a number of milliseconds. Its first backoffs take a second and
 * more, and some are cut short by the app. Runs show up to 8 and 31, with processes that are killed repeatedly. A
 * client that resets its backoff at each open connection makes about 60 in a minute.
 */
const connectionLimits = [
  { most: 12, within: 10_000, quickPhases: 2 },
  { most: 42, within: 60_000, quickPhases: 6 },
] as const;

/** Quick retries after one connection broke: the first one and 30 in three seconds, with up to a quarter more. */
const quickRetriesMax = 41;

/**
 * Checks the rate of connection attempts: a client must not overload an unavailable server. A process that was killed
 * does not know its quick retries any more, so that it may begin them again at once. Nor does a tab know those of
 * another.
 */
export const createConnectionWatch = (now: () => number, isQuick: boolean) => {
  const times = new Map<string, number[]>();
  return (device: number, tab = 0): void => {
    const [, { within: longest }] = connectionLimits;
    const key = `${device} ${tab}`;
    const recent = [...(times.get(key) ?? []).filter((at) => at > now() - longest), now()];
    times.set(key, recent);
    for (const { most, within, quickPhases } of connectionLimits) {
      const count = recent.filter((at) => at > now() - within).length;
      if (count > most + (isQuick ? quickPhases * quickRetriesMax : 0))
        throw new InvariantError(
          'a client does not reconnect too often',
          `device ${device} connected ${count} times within ${within} ms`,
        );
    }
  };
};

const allowedTransitions: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  disconnected: ['connecting'],
  connecting: ['connected', 'disconnected'],
  connected: ['disconnected', 'connecting'],
};

/** Checks each state of one session against the table of transitions. */
export const createStateWatch = (
  name: string,
  session: Pick<SyncSession, 'status'>,
  mayReset: () => boolean,
  /** Whether states of the leader's session that last for a moment may be missing. */
  maySkip = false,
) => {
  let downloaded = 0;
  let sync: SyncState | null = null;
  let connection: ConnectionState | null = null;
  let last: ConnectionState | null = null; // The last state that `connectionChanges$` emitted.
  /** Checks that a paused or inactive session has no connection. */
  const settle = (): void => {
    // Both come from one status, because derived streams emit one after the other.
    const { sync: wanted, connection: has } = session.status;
    if ((wanted === 'paused' || wanted === 'inactive') && has.state !== 'disconnected')
      throw new InvariantError('states follow the table', `${name}: ${has.state} while ${wanted}`);
  };
  return {
    downloaded: (version: number): void => {
      // The next leader learns of versions without changes for it when it is connected.
      if (version < downloaded && !mayReset() && !maySkip)
        throw new InvariantError('a client reset has a reason', `${name}: version ${version} after ${downloaded}`);
      downloaded = version;
    },
    sync: (next: SyncState): void => {
      // When the target state is active and no user is logged in, `logOut` follows at once.
      const isOnceMore = sync !== null && transitions[sync].resume === 'active' && next === transitions.active.logOut;
      if (sync !== null && !isOnceMore && !maySkip && !Object.values(transitions[sync]).includes(next))
        throw new InvariantError('states follow the table', `${name}: ${next} after ${sync}`);
      sync = next;
      settle();
    },
    changed: ({ previous, current }: ConnectionChange): void => {
      if (previous === current || (last !== null && previous !== last))
        throw new InvariantError(
          'changes are of one connection',
          `${name}: from ${previous} to ${current} after ${last}`,
        );
      last = current;
    },
    connection: (next: ConnectionState): void => {
      if (connection !== null && !maySkip && !allowedTransitions[connection].includes(next))
        throw new InvariantError('states follow the table', `${name}: ${next} after ${connection}`);
      connection = next;
      settle();
    },
  };
};
