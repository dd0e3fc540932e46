import { type Observable, ReplaySubject, Subject } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Version } from '../../model/version.js';
import type { Bound, ClientMessage } from '../../protocol/messages.js';
import type { ReceiveProgress } from './receive-progress.js';
import type { SnapshotBuffer } from './snapshot-buffer.js';
import type { ReplacedLimit } from '../binding/replaced-limit.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import { createReceipts, type Receipts } from './receipts.js';
import { createUploadWindow, type UploadWindow } from './upload-window.js';
import type { UploadPart } from './upload-parts.js';
import type { Greeting, SyncedRealm } from '../../model/sync-port.js';

export interface ConversationPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  readonly token: string | null;
  /** The number of each mark to request: the current unanswered one on subscription, then each new one. */
  readonly mark$: Observable<number>;
  readonly replacedLimit: ReplacedLimit;
  /** The received pages of a snapshot. */
  readonly snapshotBuffer: SnapshotBuffer;
  /** Counts of the messages that the session has received, over all its connections. */
  readonly receiveProgress: ReceiveProgress;
  /** Whether the session has left this connection. Then nothing more is sent on it. */
  readonly hasLeft: () => boolean;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
}

/** The state of one conversation: a session on one channel. */
export interface Conversation extends ConversationPorts {
  readonly session: number;
  readonly greeting: Greeting;
  readonly bound: Subject<Bound>;
  readonly accepted: ReplaySubject<Version>;
  /** Messages that answer messages of the server. */
  readonly answers: Subject<ClientMessage>;
  readonly uploadWindow: UploadWindow;
  readonly receipts: Receipts;
  /** Events about messages that were sent. */
  readonly events: Subject<SessionEvent>;
  /**
   * Cursors that the messages of the server are checked against.
   *
   * `sent`: the last client version uploaded on this channel. `downloadedTo`: the last server version stored.
   * `rejected`: the last rejected client version. `lastMark`: the last mark requested.
   */
  readonly cursors: {
    isBound: boolean;
    sent: Version;
    downloadedTo: Version;
    rejected: Version;
    /** Reasons of withdrawn changesets, by their versions. `null`: none was withdrawn. */
    withdrawn: Map<Version, string> | null;
    /** The parts of a page that are not sent yet. */
    rest: readonly UploadPart[] | null;
    lastMark: number;
    /** The head of the history, as `bound` reported it. */
    head: Pick<Bound, 'head' | 'headBytes'>;
    /** The version of the snapshot that is being fetched. */
    fetching: Version | null;
  };
  /** Time of the bind, by this device's clock. */
  readonly bindSentAt: number;
}

export const createConversation = (session: number, greeting: Greeting, ports: ConversationPorts): Conversation => {
  const answers = new Subject<ClientMessage>();
  return {
    ...ports,
    session,
    greeting,
    bound: new Subject(),
    accepted: new ReplaySubject(1),
    answers,
    events: new Subject(),
    uploadWindow: createUploadWindow(ports.clock),
    receipts: createReceipts(ports.clock, (version) => answers.next({ type: 'received', session, version })),
    cursors: {
      isBound: false,
      sent: greeting.acknowledged,
      downloadedTo: greeting.downloadedTo,
      rejected: greeting.acknowledged,
      withdrawn: null,
      rest: null,
      lastMark: 0,
      head: { head: 0, headBytes: 0 },
      fetching: null,
    },
    bindSentAt: ports.clock.now(),
  };
};
