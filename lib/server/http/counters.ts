import { bytesOf } from '../../model/changeset.js';
import { wireErrorCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';

interface ChangesetAmount {
  changesets: number;
  bytes: number;
}

/**
 * Counters of a server since it was created, and gauges of its present state. These are plain numbers, because hot code
 * increments them and metrics read them every fifteen seconds. Bytes of changesets are counted as in the history.
 */
export interface ServerCounters {
  connections: number;
  sessions: number;
  connectionsOpened: number;
  uploads: ChangesetAmount;
  downloads: ChangesetAmount;
  /** Number of rejected changesets. */
  rejectedChangesets: number;
  frameBytesIn: number;
  frameBytesOut: number;
  /** By outcome: `bound` or an error code; unknown codes count as `other`. */
  readonly binds: Map<string, number>;
  /** By HTTP status of the rejection. */
  readonly rejectedConnections: Map<number, number>;
  /** By close code. Unknown codes count as `other`, because a client may close with any number. */
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

/** Counts the messages of one connection. A class, because a server has one for each connection. */
export class ConnectionCounters {
  private readonly sessions = new Map<number, 'binding' | 'open'>();

  constructor(private readonly server: ServerCounters) {
    server.connections += 1;
    server.connectionsOpened += 1;
  }

  received(message: ClientMessage): void {
    if (message.type === 'upload') addChangesets(this.server.uploads, message.changesets);
    else if (message.type === 'bind' && !this.sessions.has(message.session))
      this.sessions.set(message.session, 'binding');
  }

  sent(message: ServerMessage): void {
    const { server } = this;
    switch (message.type) {
      case 'bound':
        this.sessions.set(message.session, 'open');
        server.sessions += 1;
        increment(server.binds, 'bound');
        break;
      case 'download':
        addChangesets(server.downloads, message.changesets);
        break;
      case 'refused':
        server.rejectedChangesets += 1;
        break;
      case 'unbound':
        this.endSession(message.session);
        break;
      case 'error':
        if (this.endSession(message.session) === 'binding')
          increment(server.binds, knownErrorCodes.has(message.code) ? message.code : 'other');
        break;
      default:
    }
  }

  ended(): void {
    this.server.connections -= 1;
    for (const state of this.sessions.values()) if (state === 'open') this.server.sessions -= 1;
    this.sessions.clear();
  }

  /** Removes a session and returns its last state. */
  private endSession(session: number | null): 'binding' | 'open' | undefined {
    if (session === null) return undefined;
    const state = this.sessions.get(session);
    this.sessions.delete(session);
    if (state === 'open') this.server.sessions -= 1;
    return state;
  }
}
