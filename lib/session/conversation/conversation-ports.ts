import { defer, EMPTY, type Observable, ReplaySubject, Subject } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Version } from '../../model/version.js';
import type { Bound, ClientMessage } from '../../protocol/messages.js';
import type { ReceiveProgress } from './receive-progress.js';
import type { SnapshotBuffer } from './snapshot-buffer.js';
import type { ReplacedLimit } from '../binding/replaced-limit.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SyncTimeouts } from '../connection/timeouts.js';
import { createUploadWindow, type UploadWindow } from './upload-window.js';
import type { UploadPart } from './upload-parts.js';
import type { Greeting, SyncedRealm } from '../sync-port.js';

export interface ConversationPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  readonly token: string | null;
  /** The number of the mark that is wanted and not answered: the present one, then each new one. */
  readonly mark$: Observable<number>;
  readonly replacedLimit: ReplacedLimit;
  /** What has come of a snapshot. */
  readonly snapshotBuffer: SnapshotBuffer;
  /** What the session has received, over all its connections. */
  readonly receiveProgress: ReceiveProgress;
  /** Whether the session has left this line: nothing more is sent on it. */
  readonly hasLeft: () => boolean;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
}

/** What one conversation knows. It lives and dies with its lane. */
export interface Conversation extends ConversationPorts {
  readonly session: number;
  readonly greeting: Greeting;
  readonly bound: Subject<Bound>;
  readonly accepted: ReplaySubject<Version>;
  /** What we say because of what we heard. */
  readonly answers: Subject<ClientMessage>;
  readonly uploadWindow: UploadWindow;
  /** What is told because of what we said. */
  readonly events: Subject<SessionEvent>;
  /**
   * What the server's cursors are checked by: the last client version uploaded on this lane, the last server version
   * stored, the last mark asked for.
   */
  readonly cursors: {
    isBound: boolean;
    sent: Version;
    seen: Version;
    refused: Version;
    /** Why changesets were withdrawn, by their versions; `null`: none was. */
    withdrawn: Map<Version, string> | null;
    /** What is left to say of a page. */
    rest: readonly UploadPart[] | null;
    asked: number;
    /** The head of the history, as `bound` said. */
    head: Pick<Bound, 'head' | 'headBytes'>;
    /** The version of the snapshot that is being fetched. */
    fetching: Version | null;
  };
  /** When the bind was said, by this device's clock. */
  readonly bindSentAt: number;
}

export const createConversation = (session: number, greeting: Greeting, ports: ConversationPorts): Conversation => ({
  ...ports,
  session,
  greeting,
  bound: new Subject(),
  accepted: new ReplaySubject(1),
  answers: new Subject(),
  events: new Subject(),
  uploadWindow: createUploadWindow(ports.clock),
  cursors: {
    isBound: false,
    sent: greeting.acknowledged,
    seen: greeting.downloadedTo,
    refused: greeting.acknowledged,
    withdrawn: null,
    rest: null,
    asked: 0,
    head: { head: 0, headBytes: 0 },
    fetching: null,
  },
  bindSentAt: ports.clock.now(),
});

/** Says something in its turn, and nothing to the session. */
export const runAction = (say: () => void): Observable<never> =>
  defer(() => {
    say();
    return EMPTY;
  });
