import {
  transitions,
  type ConnectionChange,
  type ConnectionState,
  type SyncSession,
  type SyncState,
} from '../lib/index.js';

/** A promise that was broken. */
export class InvariantError extends Error {
  override readonly name = 'Broken';
  constructor(
    readonly promise: string,
    detail: string,
    /** The objects that are concerned, by their names: `Board b`. */
    readonly about: readonly string[] = [],
  ) {
    super(`${promise}: ${detail}`);
  }
}

/** What one write did, in words, and to which objects. */
export interface EditNote {
  readonly what: string;
  readonly about: readonly string[];
}

/** The name of the entry that a write makes. */
export const entryNameOf = (id: string): string => `Entry ${id}`;

/** What is known of all that was written, whoever wrote it. */
export interface Ledger {
  /** A write is about to happen: from now on it may come true. */
  readonly recordAttempt: (id: string) => void;
  /** It was thrown away where it was, before the server surely had it: it may be there, or not. */
  readonly excuse: (ids: Iterable<string>) => void;
  /** What a write does, once that is known; and what was noted of it. */
  readonly recordEdit: (id: string, edited: EditNote) => void;
  readonly editOf: (id: string) => EditNote;
  /** Its promise has resolved: it has to come true. */
  readonly recordResolved: (id: string) => void;
  /** It was refused by the server: it must not be there. */
  readonly recordRejected: (id: string) => void;
  readonly wasRejected: (id: string) => boolean;
  /** The server has it, surely. */
  readonly recordDurable: (id: string) => void;
  readonly isDurable: (id: string) => boolean;
  /** How many the server has. The first so many of `inOrder`. */
  readonly durableCount: () => number;
  readonly idsInOrder: (count: number) => readonly string[];
  /** A backup is made of what the server has. */
  readonly recordBackup: () => void;
  /** It was restored: what the server has acknowledged since is gone, and with it the promise. */
  readonly recordRestore: () => void;
  /** Whether the server has it, or had it and was lost with it. */
  readonly wasDurable: (id: string) => boolean;
  readonly restoreCount: () => number;
  /** The server has the object that counts. */
  readonly recordTallyLoss: () => void;
  /**
   * A restored server may never have had it: who increments it has not heard that it is gone, and an increment of
   * nothing is none.
   */
  readonly isTallyLost: () => boolean;
  /** Throws when what is there at the end is not what has to be. */
  readonly check: (ids: ReadonlySet<string>) => void;
}

export const createLedger = (): Ledger => {
  const tried = new Set<string>();
  const notes = new Map<string, EditNote>();
  let resolved = new Set<string>();
  const refused = new Set<string>();
  let durable = new Set<string>();
  let backup: ReadonlySet<string> = new Set<string>();
  const lost = new Set<string>();
  const forgiven = new Set<string>();
  let restores = 0;
  let tally = { isThere: false, isSaved: false, isLost: false };
  return {
    recordAttempt: (id) => void tried.add(id),
    recordEdit: (id, edited) => void notes.set(id, edited),
    editOf: (id) => notes.get(id) ?? { what: id, about: [entryNameOf(id)] },
    recordResolved: (id) => {
      if (!forgiven.has(id)) resolved.add(id);
    },
    excuse: (ids) => {
      for (const id of ids) {
        if (durable.has(id)) continue;
        forgiven.add(id);
        resolved.delete(id);
      }
      // What counts may have been made by one of them, and be nowhere else.
      tally = { ...tally, isLost: tally.isLost || !tally.isThere };
    },
    recordRejected: (id) => void refused.add(id),
    wasRejected: (id) => refused.has(id),
    recordDurable: (id) => void durable.add(id),
    isDurable: (id) => durable.has(id),
    durableCount: () => durable.size,
    idsInOrder: (count) => [...durable].slice(0, count),
    recordRestore: () => {
      restores += 1;
      tally = { ...tally, isThere: tally.isSaved, isLost: tally.isLost || !tally.isSaved };
      // What was not acknowledged has to be recovered by its device.
      for (const id of durable) if (!backup.has(id)) lost.add(id);
      resolved = new Set([...resolved].filter((id) => !lost.has(id)));
      durable = new Set(backup);
    },
    recordBackup: () => {
      backup = new Set(durable);
      tally = { ...tally, isSaved: tally.isThere };
    },
    wasDurable: (id) => durable.has(id) || lost.has(id),
    restoreCount: () => restores,
    recordTallyLoss: () => {
      tally = { ...tally, isThere: true };
    },
    isTallyLost: () => tally.isLost,
    check: (ids) => {
      for (const id of resolved) {
        if (!ids.has(id) && !refused.has(id))
          throw new InvariantError(
            'every resolved write is there',
            `${id} is not (durable on the server: ${durable.has(id)})`,
            [entryNameOf(id)],
          );
      }
      for (const id of ids) {
        if (!tried.has(id)) throw new InvariantError('nothing is there that nobody wrote', id, [entryNameOf(id)]);
        if (refused.has(id)) throw new InvariantError('a refused write is nowhere', id, [entryNameOf(id)]);
      }
    },
  };
};

/**
 * Calls that a device may make in so many milliseconds: its first waits are a second and more, and some are cut short
 * by hand. Up to 8 and 31 are seen, with processes that are killed again and again; who begins anew with each line that
 * opens makes some 60 in a minute.
 */
const connectionLimits = [
  { most: 12, within: 10_000 },
  { most: 42, within: 60_000 },
] as const;

/** Watches how often somebody calls: a server that is away must not be hammered. */
export const createConnectionWatch = (now: () => number) => {
  const times = new Map<number, number[]>();
  return (device: number): void => {
    const [, { within: longest }] = connectionLimits;
    const recent = [...(times.get(device) ?? []).filter((at) => at > now() - longest), now()];
    times.set(device, recent);
    for (const { most, within } of connectionLimits) {
      const count = recent.filter((at) => at > now() - within).length;
      if (count > most)
        throw new InvariantError('nobody is hammered', `device ${device} called ${count} times within ${within} ms`);
    }
  };
};

const allowedTransitions: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  disconnected: ['connecting'],
  connecting: ['connected', 'disconnected'],
  connected: ['disconnected', 'connecting'],
};

/** Watches the states of one session: each has to follow the one before by the table. */
export const createStateWatch = (who: string, session: Pick<SyncSession, 'status'>, mayStartOver: () => boolean) => {
  let downloaded = 0;
  let sync: SyncState | null = null;
  let connection: ConnectionState | null = null;
  let last: ConnectionState | null = null; // What `connectionChanges$` said.
  /** Who does not want a line has none. */
  const settled = (): void => {
    const { sync: wanted, connection: has } = session.status; // Of one moment: streams of views are told one after the other.
    if ((wanted === 'paused' || wanted === 'inactive') && has.state !== 'disconnected')
      throw new InvariantError('states follow the table', `${who}: ${has.state} while ${wanted}`);
  };
  return {
    downloaded: (version: number): void => {
      if (version < downloaded && !mayStartOver())
        throw new InvariantError('nobody starts over without need', `${who}: version ${version} after ${downloaded}`);
      downloaded = version;
    },
    sync: (next: SyncState): void => {
      // Where active is meant and nobody is logged in, `logOut` follows at once.
      const isOnceMore = sync !== null && transitions[sync].resume === 'active' && next === transitions.active.logOut;
      if (sync !== null && !isOnceMore && !Object.values(transitions[sync]).includes(next))
        throw new InvariantError('states follow the table', `${who}: ${next} after ${sync}`);
      sync = next;
      settled();
    },
    changed: ({ previous, current }: ConnectionChange): void => {
      if (previous === current || (last !== null && previous !== last))
        throw new InvariantError(
          'changes are of one connection',
          `${who}: from ${previous} to ${current} after ${last}`,
        );
      last = current;
    },
    connection: (next: ConnectionState): void => {
      if (connection !== null && !allowedTransitions[connection].includes(next))
        throw new InvariantError('states follow the table', `${who}: ${next} after ${connection}`);
      connection = next;
      settled();
    },
  };
};
