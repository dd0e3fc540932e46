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

/** What a client says in one session, once it is bound. */
export type SessionMessage = Upload | Received | MarkRequest | Unbind | Fault | Fetch | Withdraw;

export interface ServerSessionPorts extends Omit<BindPorts, 'holder'> {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** Told of what a client cannot apply or show. */
  readonly logFault: (fault: Omit<FaultEvent, 'level' | 'event' | 'more'>) => void;
  readonly users: Pick<ConnectedUsers, 'addConnection' | 'noteWrite'>;
}

/** How a session has ended: it was unbound, or it failed of something. */
export type SessionEnd = { readonly kind: 'unbound' } | { readonly kind: 'failed'; readonly thrown: unknown };

export interface ServerSessionOptions {
  readonly bind: Bind;
  /** Whose connection it is. */
  readonly user$: Observable<ConnectionUser>;
  /** What the server says in it, from the answer to its `bind` on. */
  readonly send: (message: ServerMessage) => void;
  /**
   * Called once, unless it was left before: when it is unbound, when it alone has to end (a `SessionFailure`), or when
   * the connection has to (a `ConnectionError`, an `AccessRefusedError`). What it held is let go of already.
   */
  readonly ended: (end: SessionEnd) => void;
}

/** One session of a connection. */
export interface ServerSession {
  readonly start: () => void;
  readonly receive: (message: SessionMessage) => void;
  /** Lets go of all that it holds, without a word; what was uploaded goes in all the same. May be called again. */
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

/** `null` also while it is being raised: what is on its way at that moment may not keep to it. */
const retentionCutoffOf = ({
  retentionCutoff: time,
  retentionCutoffFrom: version,
}: AcceptedBind['realm']['history']): Bound['retentionCutoff'] =>
  time > 0 && version < Infinity ? { time, version } : null;

const createBoundMessage = (
  { limits, clock }: ServerSessionPorts,
  { session, acknowledged }: Bind,
  admitted: AcceptedBind,
): Bound => ({
  type: 'bound',
  session,
  history: admitted.realm.history.id,
  head: admitted.realm.history.log.head,
  headBytes: admitted.realm.history.bytes,
  ...acceptedOf(admitted, acknowledged),
  serverTime: clock.now(),
  frameBytesMax: limits.frameBytesMax,
  snapshot: admitted.snapshot,
  limits: writeLimitsOf(limits),
  retentionCutoff: retentionCutoffOf(admitted.realm.history),
});

/** What is said and done in a session from `bound` on. */
interface SessionHandlers {
  readonly downloadFeed: DownloadFeed;
  readonly upload: (message: Upload) => void;
  readonly withdraw: (message: Withdraw) => void;
  readonly fault: (message: Fault) => void;
}

/** An edge: an upload runs from the moment it is heard. */
const createSessionHandlers = (
  ports: ServerSessionPorts,
  { bind, send }: ServerSessionOptions,
  admitted: AcceptedBind,
  { teardown, failed }: Holder,
): SessionHandlers => {
  const reading = createDownloadFeed({
    ...{ bind, acceptedBind: admitted, teardown, send, failed },
    pagesInFlightMax: ports.limits.pagesInFlightMax,
  });
  const { session } = bind;
  const { upload, withdraw } = createUploadHandler({
    session,
    acceptedBind: admitted,
    limits: ports.limits,
    now: ports.clock.now,
  });
  const answered = { next: send, error: failed };
  return {
    downloadFeed: reading,
    upload: (message) => {
      ports.users.noteWrite(bind.realm);
      void upload(message).subscribe(answered);
    },
    withdraw: (message) => void withdraw(message).subscribe(answered),
    fault: (message) => {
      reading.fault(message);
      const { version, code: text } = message;
      ports.logFault({ realm: bind.realm, replica: admitted.replica.id, version, text });
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
 * One session, from its `bind` to its end. A plain machine, and not a stream, because ten thousand of them have to fit
 * into a process (docs/DECISIONS.md, D36): nothing stays subscribed but the realm it holds and the log it follows.
 *
 * An edge: the admission runs until it is left.
 */
export const createServerSession = (ports: ServerSessionPorts, options: ServerSessionOptions): ServerSession => {
  const { bind, user$, ended: ended } = options;
  const held = new Subscription();
  let talk: SessionHandlers | null = null;
  let isOver = false;

  const leave = (): void => {
    isOver = true;
    talk?.downloadFeed.stop();
    held.unsubscribe();
  };
  const end = (how: SessionEnd): void => {
    if (isOver) return;
    leave();
    ended(how);
  };
  const failed = (thrown: unknown): void => end({ kind: 'failed', thrown });
  const holder: Holder = { teardown: held, failed };
  const say = (message: ServerMessage): void => {
    if (!isOver) options.send(message);
  };
  /** What it does ends it when that throws. */
  const guarded =
    <A>(act: (given: A) => void) =>
    (given: A): void => {
      if (isOver) return;
      try {
        act(given);
      } catch (thrown) {
        failed(thrown);
      }
    };
  const begin = (admitted: AcceptedBind): void => {
    // Ears first: an answer may come before what was said has returned.
    talk = createSessionHandlers(ports, { ...options, send: say }, admitted, holder);
    say(createBoundMessage(ports, bind, admitted));
    if (!isOver && admitted.sharedVersion === null) talk.downloadFeed.start();
  };
  const answer = (message: SessionMessage): void => {
    if (message.type === 'unbind') end({ kind: 'unbound' });
    else if (talk === null) throw createProtocolViolation(`${message.type}: session ${bind.session} is not bound yet`);
    else handleMessage(talk, message);
  };

  return {
    start: () => {
      const asking$ = acceptBind({ ...ports, holder }, bind, user$);
      held.add(asking$.subscribe({ next: guarded(begin), error: failed }));
    },
    receive: guarded(answer),
    close: leave,
  };
};
