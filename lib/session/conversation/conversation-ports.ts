import { ReplaySubject, type Subject, Subscription } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Version } from '../../model/version.js';
import type { RetentionCutoff } from '../../model/changeset.js';
import type { Bound } from '../../protocol/messages.js';
import type { Channel } from '../connection/mux.js';
import type { ReceiveProgress } from './receive-progress.js';
import type { SnapshotBuffer } from './snapshot-buffer.js';
import type { ReplacedLimit } from '../binding/replaced-limit.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SessionState } from '../state/session-state.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import { createReceipts, type Receipts } from './receipts.js';
import { createUploadWindow, type UploadWindow } from './upload-window.js';
import type { UploadPart } from './upload-parts.js';
import type { Greeting, SyncedRealm } from '../../model/sync-port.js';

/** Functions that are called with each state that a session shows. Operators on `state$` would cost more. */
export interface SessionObservers {
  /** Requests the marks that the session waits for. */
  onMarks: ((state: SessionState) => void) | null;
  /** Watches for stalls. */
  onWatch: ((state: SessionState) => void) | null;
}

export interface ConversationPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  readonly token: string | null;
  /** Is called with each event of a message after its effects are stored, except with `bound`. */
  readonly dispatch: (event: SessionEvent) => void;
  /** Is called when a page was stored or a mark was answered, before its event. */
  readonly onProgress: (type: 'downloaded' | 'marked') => void;
  readonly observers: SessionObservers;
  /** Returns the last state that the session has shown. */
  readonly getShown: () => SessionState;
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

/**
 * The state of one conversation: a session on one channel. A record for plain functions, because each message passes
 * through it and each idle session has one.
 */
export interface Conversation extends ConversationPorts {
  readonly channel: Channel;
  readonly session: number;
  readonly greeting: Greeting;
  /** The answer to the bind. `null` until it was received. */
  bound: Bound | null;
  /** The versions up to which the server has answered, for the uploads. */
  readonly accepted: Subject<Version>;
  readonly uploadWindow: UploadWindow;
  readonly receipts: Receipts;
  /** Everything that runs until the conversation ends. */
  readonly running: Subscription;
  /** Whether a message is being handled, or is scheduled to be. */
  isBusy: boolean;
  /** Handles the next message of the inbox. Throws a `Disconnect` for an invalid one. */
  readonly handleMessage: (conversation: Conversation) => void;
  /** Ends the conversation with an error. */
  fail: (thrown: unknown) => void;
  /**
   * Cursors that the messages of the server are checked against.
   *
   * `sent`: the last client version uploaded on this channel. `downloadedTo`: the last server version stored.
   * `rejected`: the last rejected client version. `lastMark`: the last mark requested.
   */
  readonly cursors: {
    sent: Version;
    downloadedTo: Version;
    rejected: Version;
    /** Reasons of withdrawn changesets, by their versions. `null`: none was withdrawn. */
    withdrawn: Map<Version, string> | null;
    /** The parts of a page that are not sent yet. */
    rest: readonly UploadPart[] | null;
    lastMark: number;
    /** The version of the snapshot that is being fetched. */
    fetching: Version | null;
    /** The cutoff whose tombstones are removed when everything up to its version is stored. */
    forgetAt: RetentionCutoff | null;
  };
  /** Time of the bind, by this device's clock. */
  readonly bindSentAt: number;
}

const throwError = (thrown: unknown): never => {
  throw thrown;
};

export const createConversation = (
  channel: Channel,
  greeting: Greeting,
  ports: ConversationPorts,
  {
    handleMessage,
    sendReceived,
  }: {
    readonly handleMessage: (conversation: Conversation) => void;
    readonly sendReceived: (conversation: Conversation, version: Version) => void;
  },
): Conversation => {
  const conversation: Conversation = {
    ...ports,
    channel,
    session: channel.session,
    greeting,
    bound: null,
    accepted: new ReplaySubject(1),
    uploadWindow: createUploadWindow(ports.clock),
    receipts: createReceipts(ports.clock, (version) => sendReceived(conversation, version)),
    running: new Subscription(),
    isBusy: false,
    handleMessage,
    fail: throwError,
    cursors: {
      sent: greeting.acknowledged,
      downloadedTo: greeting.downloadedTo,
      rejected: greeting.acknowledged,
      withdrawn: null,
      rest: null,
      lastMark: 0,
      fetching: null,
      forgetAt: null,
    },
    bindSentAt: ports.clock.now(),
  };
  return conversation;
};
