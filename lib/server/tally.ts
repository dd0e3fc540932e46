import { bytesOf } from '../model/changeset.js';
import { wireErrorCodes, type ClientMessage, type ServerMessage } from '../protocol/messages.js';

interface Amount {
  changesets: number;
  bytes: number;
}

/**
 * What a server has done since it was made, and how much is open now: plain numbers, because they are counted where it is hot
 * and looked at every fifteen seconds. Counts of changesets' bytes are those of the history.
 */
export interface Tally {
  connections: number;
  sessions: number;
  connected: number;
  uploads: Amount;
  downloads: Amount;
  /** Changesets that were refused. */
  refused: number;
  frameBytesIn: number;
  frameBytesOut: number;
  /** `bound`, or the code of the error; what is none of ours is `other`. */
  readonly binds: Map<string, number>;
  /** By the status of HTTP that a call was refused with. */
  readonly turnedAway: Map<number, number>;
  /** By close code; one that is neither ours nor common is `other`: a client may close with any. */
  readonly closed: Map<number | 'other', number>;
}

export const createTally = (): Tally => ({
  ...{ connections: 0, sessions: 0, connected: 0, refused: 0, frameBytesIn: 0, frameBytesOut: 0 },
  uploads: { changesets: 0, bytes: 0 },
  downloads: { changesets: 0, bytes: 0 },
  binds: new Map(),
  turnedAway: new Map(),
  closed: new Map(),
});

export const count = <Key>(counts: Map<Key, number>, key: Key): void =>
  void counts.set(key, (counts.get(key) ?? 0) + 1);

const add = (amount: Amount, changesets: readonly { readonly body: Uint8Array }[]): void => {
  amount.changesets += changesets.length;
  for (const changeset of changesets) amount.bytes += bytesOf(changeset);
};

const known: ReadonlySet<string> = new Set<string>([...wireErrorCodes, 'too-many-refused', 'snapshot-gone']);

/** Counts what is said on one connection. */
export interface ConnectionTally {
  readonly heard: (message: ClientMessage) => void;
  readonly said: (message: ServerMessage) => void;
  readonly ended: () => void;
}

export const tallied = (tally: Tally): ConnectionTally => {
  const sessions = new Map<number, 'binding' | 'open'>();
  tally.connections += 1;
  tally.connected += 1;

  /** Forgets a session; how it was. */
  const ended = (session: number | null): 'binding' | 'open' | undefined => {
    if (session === null) return undefined;
    const was = sessions.get(session);
    sessions.delete(session);
    if (was === 'open') tally.sessions -= 1;
    return was;
  };
  return {
    heard: (message) => {
      if (message.type === 'upload') add(tally.uploads, message.changesets);
      else if (message.type === 'bind' && !sessions.has(message.session)) sessions.set(message.session, 'binding');
    },
    said: (message) => {
      switch (message.type) {
        case 'bound':
          sessions.set(message.session, 'open');
          tally.sessions += 1;
          count(tally.binds, 'bound');
          break;
        case 'download':
          add(tally.downloads, message.changesets);
          break;
        case 'refused':
          tally.refused += 1;
          break;
        case 'unbound':
          ended(message.session);
          break;
        case 'error':
          if (ended(message.session) === 'binding')
            count(tally.binds, known.has(message.code) ? message.code : 'other');
          break;
        default:
      }
    },
    ended: () => {
      tally.connections -= 1;
      for (const state of sessions.values()) if (state === 'open') tally.sessions -= 1;
      sessions.clear();
    },
  };
};
