import { bytesOf, type ObjectName, type StoredObject } from '../../model/changeset.js';
import { wireErrorCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';
import type { Members, Parts, ViewStart } from '../../protocol/view-messages.js';

interface ChangesetAmount {
  changesets: number;
  bytes: number;
}

/** Counters of the sessions with a view. The first two are gauges. */
export interface ViewCounters {
  sessions: number;
  /** Views whose members are on the way: announced, but not sent up to the last page. */
  bootstraps: number;
  /** Pages of changes that concern a view, or move its cursor. */
  pages: number;
  /** Objects whose state was sent. */
  objectsSent: number;
  /** Objects that were named because they are not in a view any more. */
  objectsLeft: number;
  /** Bytes of the states. */
  bytes: number;
  /** Announced views by their modes: a `resync` sends the whole view again. */
  readonly announced: Map<string, number>;
  /** Rejected subscriptions by their codes. */
  readonly rejected: Map<string, number>;
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
  readonly views: ViewCounters;
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
  views: {
    ...{ sessions: 0, bootstraps: 0, pages: 0, objectsSent: 0, objectsLeft: 0, bytes: 0 },
    announced: new Map(),
    rejected: new Map(),
  },
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

/** `view`: open with a view. `receiving`: the members of a view are on the way, too. */
type SessionPhase = 'binding' | 'open' | 'view' | 'receiving';

const addObjects = (views: ViewCounters, states: readonly StoredObject[], leaves: readonly ObjectName[]): void => {
  views.objectsSent += states.length;
  views.objectsLeft += leaves.length;
  for (const { state } of states) views.bytes += state.byteLength;
};

/** Counts the messages of one connection. A class, because a server has one for each connection. */
export class ConnectionCounters {
  private readonly sessions = new Map<number, SessionPhase>();

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
        this.sessions.set(message.session, message.view === undefined ? 'open' : 'view');
        server.sessions += 1;
        if (message.view !== undefined) server.views.sessions += 1;
        increment(server.binds, 'bound');
        break;
      case 'view':
      case 'members':
      case 'parts':
        this.sentOfView(message);
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
    for (const session of [...this.sessions.keys()]) this.endSession(session);
  }

  private sentOfView(message: ViewStart | Members | Parts): void {
    const { views, downloads } = this.server;
    if (message.type === 'view') {
      this.setReceiving(message.session, true);
      increment(views.announced, message.mode);
      for (const { code } of message.rejections) increment(views.rejected, code);
    } else if (message.type === 'members') {
      addObjects(views, message.objects, message.leaves);
      if (message.position === null) this.setReceiving(message.session, false);
    } else {
      views.pages += 1;
      addChangesets(downloads, message.changesets);
      addObjects(views, message.states, message.leaves);
    }
  }

  private setReceiving(session: number, isReceiving: boolean): void {
    if (this.sessions.get(session) !== (isReceiving ? 'view' : 'receiving')) return;
    this.sessions.set(session, isReceiving ? 'receiving' : 'view');
    this.server.views.bootstraps += isReceiving ? 1 : -1;
  }

  /** Removes a session and returns its last state. */
  private endSession(session: number | null): SessionPhase | undefined {
    if (session === null) return undefined;
    const state = this.sessions.get(session);
    this.sessions.delete(session);
    if (state !== undefined && state !== 'binding') this.server.sessions -= 1;
    if (state === 'view' || state === 'receiving') this.server.views.sessions -= 1;
    if (state === 'receiving') this.server.views.bootstraps -= 1;
    return state;
  }
}
