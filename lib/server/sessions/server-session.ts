import { Subscription, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { WriteLimits } from '../../model/changeset.js';
import {
  type Bind,
  type Bound,
  type Fault,
  type Fetch,
  type MarkRequest,
  type Received,
  type ServerMessage,
  type Unbind,
  type Upload,
  type Withdraw,
} from '../../protocol/messages.js';
import type { Version } from '../../model/version.js';
import { acceptBind, type AcceptedBind, type BindPorts, type ConnectionUser } from './bind.js';
import { createProtocolViolation } from '../server-errors.js';
import type { ServerLimits } from '../server-options.js';
import { createDownloadFeed, type DownloadFeed } from './download-feed.js';
import { acceptedVersionOf } from '../uploads/rejections.js';
import type { Holder } from '../realms/replicas.js';
import { createUploadHandler } from './upload-handler.js';
import type { FaultEvent, ServerLog } from '../http/server-events.js';
import type { ConnectedUsers } from '../connections/user-limits.js';

/** Messages of a client in one bound session. */
export type SessionMessage = Upload | Received | MarkRequest | Unbind | Fault | Fetch | Withdraw;

export interface ServerSessionPorts extends Omit<BindPorts, 'holder'> {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** Called when a client cannot apply or show a change. */
  readonly logFault: (fault: Omit<FaultEvent, 'level' | 'event' | 'more'>) => void;
  readonly users: Pick<ConnectedUsers, 'addConnection' | 'noteWrite'>;
}

/** The end of a session: the client has unbound it, or it failed with an error. */
export type SessionEnd = { readonly kind: 'unbound' } | { readonly kind: 'failed'; readonly thrown: unknown };

export interface ServerSessionOptions {
  readonly bind: Bind;
  /** The user of the connection. */
  readonly user$: Observable<ConnectionUser>;
  /** Sends a message of this session. The first one answers its `bind`. */
  readonly send: (message: ServerMessage) => void;
  /**
   * Called once, unless the session was closed before: when the client unbinds it, when this session must end (a
   * `SessionFailure`), or when the whole connection must (a `ConnectionError` or an `TokenRejectedError`). The session
   * has already released everything.
   */
  readonly ended: (end: SessionEnd) => void;
}

/** One session of a connection. */
export interface ServerSession {
  readonly start: () => void;
  readonly receive: (message: SessionMessage) => void;
  /** Releases everything without sending a message. Received uploads are still written. May be called again. */
  readonly close: () => void;
}

const writeLimitsOf = ({ changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax }: WriteLimits) => ({
  ...{ changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax },
});

const acceptedOf = (
  { replica, sharedVersion }: AcceptedBind,
  acknowledged: Version,
): Pick<Bound, 'accepted' | 'stamp' | 'decided'> => {
  const decided = sharedVersion ?? replica.accepted;
  const accepted = acceptedVersionOf(decided, replica.rejected.keys(), acknowledged);
  return { accepted, decided, stamp: accepted === replica.accepted ? replica.stamp : null };
};

/**
 * Returns the retention cutoff for `bound`. `null` also while the cutoff is being raised, because changesets that are
 * pending then may be older.
 */
const retentionCutoffOf = ({
  retentionCutoff: time,
  retentionCutoffFrom: version,
}: AcceptedBind['realm']['history']): Bound['retentionCutoff'] =>
  time > 0 && version < Infinity ? { time, version } : null;

const createBoundMessage = (
  { limits, clock }: ServerSessionPorts,
  { session, acknowledged }: Bind,
  acceptedBind: AcceptedBind,
): Bound => ({
  type: 'bound',
  session,
  history: acceptedBind.realm.history.id,
  head: acceptedBind.realm.history.log.head,
  headBytes: acceptedBind.realm.history.bytes,
  ...acceptedOf(acceptedBind, acknowledged),
  serverTime: clock.now(),
  frameBytesMax: limits.frameBytesMax,
  snapshot: acceptedBind.snapshot,
  limits: writeLimitsOf(limits),
  retentionCutoff: retentionCutoffOf(acceptedBind.realm.history),
});

/** Handles the messages of a session from `bound` on. */
interface SessionHandlers {
  readonly downloadFeed: DownloadFeed;
  readonly upload: (message: Upload) => void;
  readonly withdraw: (message: Withdraw) => void;
  readonly fault: (message: Fault) => void;
}

/** Subscribes to an upload as soon as it is received. */
const createSessionHandlers = (
  ports: ServerSessionPorts,
  { bind, send }: ServerSessionOptions,
  acceptedBind: AcceptedBind,
  { teardown, failed }: Holder,
): SessionHandlers => {
  const downloadFeed = createDownloadFeed({
    ...{ bind, acceptedBind, teardown, send, failed },
    bytesInFlightMax: ports.limits.downloadBytesInFlightMax,
  });
  const { session } = bind;
  const { upload, withdraw } = createUploadHandler({
    session,
    acceptedBind,
    limits: ports.limits,
    now: ports.clock.now,
  });
  const sendAnswers = { next: send, error: failed };
  return {
    downloadFeed,
    upload: (message) => {
      ports.users.noteWrite(bind.realm);
      void upload(message).subscribe(sendAnswers);
    },
    withdraw: (message) => void withdraw(message).subscribe(sendAnswers),
    fault: (message) => {
      downloadFeed.fault(message);
      const { version, code: text } = message;
      ports.logFault({ realm: bind.realm, replica: acceptedBind.replica.id, version, text });
    },
  };
};

const handleMessage = (
  { upload, withdraw, downloadFeed, fault }: SessionHandlers,
  message: Exclude<SessionMessage, Unbind>,
): void => {
  switch (message.type) {
    case 'upload':
      upload(message);
      break;
    case 'received':
      downloadFeed.received(message);
      break;
    case 'mark':
      downloadFeed.mark(message);
      break;
    case 'fetch':
      downloadFeed.fetch(message);
      break;
    case 'withdraw':
      withdraw(message);
      break;
    case 'fault':
      fault(message);
  }
};

/**
 * Creates one session, from its `bind` to its end. It is a plain state machine instead of a stream, because a process
 * must hold ten thousand of them (docs/DECISIONS.md, D36). Only the realm that it holds and the log that it follows
 * stay subscribed.
 *
 * Subscribes to the bind, and unsubscribes when the session ends.
 */
export const createServerSession = (ports: ServerSessionPorts, options: ServerSessionOptions): ServerSession => {
  const { bind, user$, ended } = options;
  const teardown = new Subscription();
  let handlers: SessionHandlers | null = null;
  let isOver = false;

  const close = (): void => {
    isOver = true;
    handlers?.downloadFeed.stop();
    teardown.unsubscribe();
  };
  const end = (sessionEnd: SessionEnd): void => {
    if (isOver) return;
    close();
    ended(sessionEnd);
  };
  const failed = (thrown: unknown): void => end({ kind: 'failed', thrown });
  const holder: Holder = { teardown, failed };
  const send = (message: ServerMessage): void => {
    if (!isOver) options.send(message);
  };
  /** Wraps a function so that its error ends the session. */
  const guard =
    <A>(act: (given: A) => void) =>
    (given: A): void => {
      if (isOver) return;
      try {
        act(given);
      } catch (thrown) {
        failed(thrown);
      }
    };
  const begin = (acceptedBind: AcceptedBind): void => {
    // Before `bound` is sent, because the client may answer synchronously.
    handlers = createSessionHandlers(ports, { ...options, send }, acceptedBind, holder);
    send(createBoundMessage(ports, bind, acceptedBind));
    if (!isOver && acceptedBind.sharedVersion === null) handlers.downloadFeed.start();
  };
  const handle = (message: SessionMessage): void => {
    if (message.type === 'unbind') end({ kind: 'unbound' });
    else if (handlers === null)
      throw createProtocolViolation(`${message.type}: session ${bind.session} is not bound yet.`);
    else handleMessage(handlers, message);
  };

  return {
    start: () => {
      const bind$ = acceptBind({ ...ports, holder }, bind, user$);
      teardown.add(bind$.subscribe({ next: guard(begin), error: failed }));
    },
    receive: guard(handle),
    close,
  };
};
