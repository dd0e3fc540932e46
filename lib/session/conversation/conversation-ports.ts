import { type Observable, Subject, Subscription } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { RetentionCutoff } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Bound } from '../../protocol/messages.js';
import type { Channel, ChannelReader, RoundTrip } from '../connection/mux.js';
import type { ReceiveProgress } from './receive-progress.js';
import type { SnapshotBuffer } from './snapshot-buffer.js';
import type { MembersBuffer } from './members-buffer.js';
import { ViewExchange } from './view-exchange.js';
import type { ReplacedLimit } from '../binding/replaced-limit.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SessionState } from '../state/session-state.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import { createReceipts, type Receipts } from './receipts.js';
import { createUploadWindow, type UploadWindow } from './upload-window.js';
import type { UploadPart } from './upload-parts.js';
import type { Greeting, SyncedRealm } from '../../model/sync-port.js';

/** The parts of a session that its conversations share. */
export interface SessionPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  /** Applies an event of the current connection. */
  readonly dispatch: (event: SessionEvent) => void;
  /** Returns the last state that the session has shown. */
  readonly getShown: () => SessionState;
  /** The received pages of a snapshot. */
  readonly snapshotBuffer: SnapshotBuffer;
  /** The received members of a view. */
  readonly membersBuffer: MembersBuffer;
  /** Counts of the messages that the session has received, over all its connections. */
  readonly receiveProgress: ReceiveProgress;
  /** Whether the session has left this connection. Then nothing more is sent on it. */
  readonly hasLeft: () => boolean;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
}

/** The session on its connection, as a conversation sees it. */
export interface ConversationOwner {
  readonly token: string | null;
  readonly replacedLimit: ReplacedLimit;
  /** Is called when a page was stored or a mark was answered, before its event. */
  onProgress(type: 'downloaded' | 'marked'): void;
  /** The conversation ends with an error after it was bound. */
  onFailure(conversation: Conversation, thrown: unknown): void;
}

/** The functions of a conversation, which other files have. */
export interface ConversationHandlers {
  /** Handles the next message of the inbox. Throws a `Disconnect` for an invalid one. */
  readonly handleMessage: (conversation: Conversation) => void;
  /** Handles the messages that wait in the inbox. */
  readonly handleWaiting: (conversation: Conversation) => void;
  readonly sendReceived: (conversation: Conversation, version: Version) => void;
  /** Requests a mark, if the session waits for one that was not requested yet. */
  readonly requestMark: (conversation: Conversation) => void;
}

/**
 * Cursors that the messages of the server are checked against.
 *
 * `sent`: the last client version uploaded on this channel. `downloadedTo`: the last server version stored. `rejected`:
 * the last rejected client version. `lastMark`: the last mark requested.
 */
interface Cursors {
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
}

/**
 * The state of one conversation: a session on one channel. A record for plain functions, because each message passes
 * through it and each idle session has one.
 */
export class Conversation implements ChannelReader {
  /** The answer to the bind. `null` until it was received. */
  bound: Bound | null = null;
  readonly #accepted = new Subject<Version>();
  /** Everything that runs until the conversation ends. */
  readonly running = new Subscription();
  readonly cursors: Cursors;
  /** Whether a message is being handled, or is scheduled to be. */
  isBusy = false;
  /** Time of the bind, by this device's clock. */
  readonly bindSentAt: number;
  /** The view of a realm with subscriptions; `null` in any other realm. */
  readonly view: ViewExchange | null;
  #receipts: Receipts | null = null;
  #uploadWindow: UploadWindow | null = null;

  constructor(
    readonly channel: Channel,
    readonly greeting: Greeting,
    readonly ports: SessionPorts,
    readonly owner: ConversationOwner,
    readonly handlers: ConversationHandlers,
  ) {
    this.bindSentAt = ports.clock.now();
    this.view = greeting.view ? new ViewExchange(greeting.view) : null;
    this.cursors = {
      sent: greeting.acknowledged,
      downloadedTo: greeting.downloadedTo,
      rejected: greeting.acknowledged,
      withdrawn: null,
      rest: null,
      lastMark: 0,
      fetching: null,
      forgetAt: null,
    };
  }

  /** Emits the versions up to which the server has answered, for the uploads. */
  get accepted$(): Observable<Version> {
    return this.#accepted;
  }
  get realm(): SyncedRealm {
    return this.ports.realm;
  }
  get clock(): Clock {
    return this.ports.clock;
  }
  get session(): number {
    return this.channel.session;
  }
  get dispatch(): (event: SessionEvent) => void {
    return this.ports.dispatch;
  }
  get snapshotBuffer(): SnapshotBuffer {
    return this.ports.snapshotBuffer;
  }
  get receiveProgress(): ReceiveProgress {
    return this.ports.receiveProgress;
  }
  /** Created for the first page. */
  get receipts(): Receipts {
    return (this.#receipts ??= createReceipts(this.clock, (version) => this.handlers.sendReceived(this, version)));
  }
  /** Created for the first upload. */
  get uploadWindow(): UploadWindow {
    return (this.#uploadWindow ??= createUploadWindow(this.clock));
  }

  /** Everything up to this version is answered. */
  recordAnswer(version: Version): void {
    this.#accepted.next(version);
  }

  onMessage(): void {
    this.handlers.handleWaiting(this);
  }

  onRoundTrip(roundTrip: RoundTrip): void {
    this.ports.dispatch(roundTrip);
  }

  /** Ends the conversation with an error. */
  fail(thrown: unknown): void {
    if (!this.running.closed) this.owner.onFailure(this, thrown);
  }

  /** Ends everything that the conversation runs, and unbinds the session. */
  end(): void {
    this.running.unsubscribe();
    this.channel.close();
    this.#receipts?.stop();
  }
}
