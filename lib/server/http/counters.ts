import { bytesOf } from '../../model/changeset.js';
import { wireErrorCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';

interface ChangesetAmount {
  changesets: number;
  bytes: number;
}

/**
 * What a server has done since it was made, and how much is open now: plain numbers, because they are counted where it
 * is hot and looked at every fifteen seconds. Counts of changesets' bytes are those of the history.
 */
export interface ServerCounters {
  connections: number;
  sessions: number;
  connectionsOpened: number;
  uploads: ChangesetAmount;
  downloads: ChangesetAmount;
  /** Changesets that were refused. */
  rejectedChangesets: number;
  frameBytesIn: number;
  frameBytesOut: number;
  /** `bound`, or the code of the error; what is none of ours is `other`. */
  readonly binds: Map<string, number>;
  /** By the status of HTTP that a call was refused with. */
  readonly rejectedConnections: Map<number, number>;
  /** By close code; one that is neither ours nor common is `other`: a client may close with any. */
  readonly connectionsClosed: Map<number | 'other', number>;
}

export const createServerCounters = (): ServerCounters => ({
  ...{ connections: 0, sessions: 0, connectionsOpened: 0, rejectedChangesets: 0, frameBytesIn: 0, frameBytesOut: 0 },
  uploads: { changesets: 0, bytes: 0 },
  downloads: { changesets: 0, bytes: 0 },
  binds: new Map(),
  rejectedConnections: new Map(),
  connectionsClosed: new Map(),
});

export const increment = <Key>(counts: Map<Key, number>, key: Key): void =>
  void counts.set(key, (counts.get(key) ?? 0) + 1);

const addChangesets = (amount: ChangesetAmount, changesets: readonly { readonly body: Uint8Array }[]): void => {
  amount.changesets += changesets.length;
  for (const changeset of changesets) amount.bytes += bytesOf(changeset);
};

const knownErrorCodes: ReadonlySet<string> = new Set<string>([...wireErrorCodes, 'too-many-refused', 'snapshot-gone']);

/** Counts what is said on one connection. */
export interface ConnectionCounters {
  readonly received: (message: ClientMessage) => void;
  readonly sent: (message: ServerMessage) => void;
  readonly ended: () => void;
}

export const createConnectionCounters = (serverCounters: ServerCounters): ConnectionCounters => {
  const sessions = new Map<number, 'binding' | 'open'>();
  serverCounters.connections += 1;
  serverCounters.connectionsOpened += 1;

  /** Forgets a session; how it was. */
  const ended = (session: number | null): 'binding' | 'open' | undefined => {
    if (session === null) return undefined;
    const was = sessions.get(session);
    sessions.delete(session);
    if (was === 'open') serverCounters.sessions -= 1;
    return was;
  };
  return {
    received: (message) => {
      if (message.type === 'upload') addChangesets(serverCounters.uploads, message.changesets);
      else if (message.type === 'bind' && !sessions.has(message.session)) sessions.set(message.session, 'binding');
    },
    sent: (message) => {
      switch (message.type) {
        case 'bound':
          sessions.set(message.session, 'open');
          serverCounters.sessions += 1;
          increment(serverCounters.binds, 'bound');
          break;
        case 'download':
          addChangesets(serverCounters.downloads, message.changesets);
          break;
        case 'refused':
          serverCounters.rejectedChangesets += 1;
          break;
        case 'unbound':
          ended(message.session);
          break;
        case 'error':
          if (ended(message.session) === 'binding')
            increment(serverCounters.binds, knownErrorCodes.has(message.code) ? message.code : 'other');
          break;
        default:
      }
    },
    ended: () => {
      serverCounters.connections -= 1;
      for (const state of sessions.values()) if (state === 'open') serverCounters.sessions -= 1;
      sessions.clear();
    },
  };
};
