import { Subscription, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import type { WriteLimits } from '../model/changeset.js';
import {
  type Bind,
  type Bound,
  type Fault,
  type Fetch,
  type Mark,
  type Received,
  type ServerMessage,
  type Unbind,
  type Upload,
  type Withdraw,
} from '../protocol/messages.js';
import type { Version } from '../model/version.js';
import { admission, type Admission, type AdmissionPorts, type Known } from './admission.js';
import { violation } from './failure.js';
import type { ServerLimits } from './options.js';
import { createReading, type Reading } from './reading.js';
import { acceptedFor } from './refusals.js';
import type { Holder } from './replicas.js';
import { createUploads } from './uploads.js';
import type { FaultEvent, Tell } from './telling.js';
import type { Users } from './users.js';

/** What a client says in one session, once it is bound. */
export type SessionMessage = Upload | Received | Mark | Unbind | Fault | Fetch | Withdraw;

export interface SessionPorts extends Omit<AdmissionPorts, 'holder'> {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly tell: Tell;
  /** Told of what a client cannot apply or show. */
  readonly faulted: (fault: Omit<FaultEvent, 'level' | 'event' | 'more'>) => void;
  readonly users: Pick<Users, 'enter' | 'wrote'>;
}

/** How a session has ended: it was unbound, or it failed of something. */
export type SessionEnd = { readonly kind: 'unbound' } | { readonly kind: 'failed'; readonly thrown: unknown };

export interface SessionOptions {
  readonly bind: Bind;
  /** Whose connection it is. */
  readonly known$: Observable<Known>;
  /** What the server says in it, from the answer to its `bind` on. */
  readonly say: (message: ServerMessage) => void;
  /**
   * Called once, unless it was left before: when it is unbound, when it alone has to end (a `SessionFailure`), or when the connection has
   * to (a `LineError`, an `AccessRefusedError`). What it held is let go of already.
   */
  readonly ended: (end: SessionEnd) => void;
}

/** One session of a connection. */
export interface Session {
  readonly start: () => void;
  readonly hear: (message: SessionMessage) => void;
  /** Lets go of all that it holds, without a word; what was uploaded goes in all the same. May be called again. */
  readonly leave: () => void;
}

const takenBy = ({ changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax }: WriteLimits) => ({
  ...{ changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax },
});

const acceptedOf = (
  { replica, copied }: Admission,
  acknowledged: Version,
): Pick<Bound, 'accepted' | 'stamp' | 'decided'> => {
  const decided = copied ?? replica.accepted;
  const accepted = acceptedFor(decided, replica.refused.keys(), acknowledged);
  return { accepted, decided, stamp: accepted === replica.accepted ? replica.stamp : null };
};

/** `null` also while it is being raised: what is on its way at that moment may not keep to it. */
const horizonOf = ({ horizon: time, horizonFrom: version }: Admission['realm']['history']): Bound['horizon'] =>
  time > 0 && version < Infinity ? { time, version } : null;

const greeting = ({ limits, clock }: SessionPorts, { session, acknowledged }: Bind, admitted: Admission): Bound => ({
  type: 'bound',
  session,
  history: admitted.realm.history.id,
  head: admitted.realm.history.log.head,
  headBytes: admitted.realm.history.bytes,
  ...acceptedOf(admitted, acknowledged),
  serverTime: clock.now(),
  frameBytesMax: limits.frameBytesMax,
  snapshot: admitted.snapshot,
  limits: takenBy(limits),
  horizon: horizonOf(admitted.realm.history),
});

/** What is said and done in a session from `bound` on. */
interface Talk {
  readonly reading: Reading;
  readonly upload: (message: Upload) => void;
  readonly withdraw: (message: Withdraw) => void;
  readonly fault: (message: Fault) => void;
}

/** An edge: an upload runs from the moment it is heard. */
const createTalk = (
  ports: SessionPorts,
  { bind, say }: SessionOptions,
  admitted: Admission,
  { held, failed }: Holder,
): Talk => {
  const reading = createReading({
    ...{ bind, admission: admitted, held, say, failed },
    pagesInFlightMax: ports.limits.pagesInFlightMax,
  });
  const { session } = bind;
  const { upload, withdraw } = createUploads({
    session,
    admission: admitted,
    limits: ports.limits,
    now: ports.clock.now,
  });
  const answered = { next: say, error: failed };
  return {
    reading,
    upload: (message) => {
      ports.users.wrote(bind.realm);
      void upload(message).subscribe(answered);
    },
    withdraw: (message) => void withdraw(message).subscribe(answered),
    fault: (message) => {
      reading.fault(message);
      const { version, code: text } = message;
      ports.faulted({ realm: bind.realm, replica: admitted.replica.id, version, text });
    },
  };
};

const answered = ({ upload, withdraw, reading, fault }: Talk, message: Exclude<SessionMessage, Unbind>): void => {
  switch (message.type) {
    case 'upload':
      upload(message);
      break;
    case 'received':
      reading.received(message);
      break;
    case 'mark':
      reading.mark(message);
      break;
    case 'fetch':
      reading.fetch(message);
      break;
    case 'withdraw':
      withdraw(message);
      break;
    case 'fault':
      fault(message);
  }
};

/**
 * One session, from its `bind` to its end. A plain machine, and not a stream, because ten thousand of them have to fit into a
 * process (docs/DECISIONS.md, D36): nothing stays subscribed but the realm it holds and the log it follows.
 *
 * An edge: the admission runs until it is left.
 */
export const createSession = (ports: SessionPorts, options: SessionOptions): Session => {
  const { bind, known$, ended } = options;
  const held = new Subscription();
  let talk: Talk | null = null;
  let isOver = false;

  const leave = (): void => {
    isOver = true;
    talk?.reading.stop();
    held.unsubscribe();
  };
  const end = (how: SessionEnd): void => {
    if (isOver) return;
    leave();
    ended(how);
  };
  const failed = (thrown: unknown): void => end({ kind: 'failed', thrown });
  const holder: Holder = { held, failed };
  const say = (message: ServerMessage): void => {
    if (!isOver) options.say(message);
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
  const begin = (admitted: Admission): void => {
    // Ears first: an answer may come before what was said has returned.
    talk = createTalk(ports, { ...options, say }, admitted, holder);
    say(greeting(ports, bind, admitted));
    if (!isOver && admitted.copied === null) talk.reading.start();
  };
  const answer = (message: SessionMessage): void => {
    if (message.type === 'unbind') end({ kind: 'unbound' });
    else if (talk === null) throw violation(`${message.type}: session ${bind.session} is not bound yet`);
    else answered(talk, message);
  };

  return {
    start: () => {
      const asking$ = admission({ ...ports, holder }, bind, known$);
      held.add(asking$.subscribe({ next: guarded(begin), error: failed }));
    },
    hear: guarded(answer),
    leave,
  };
};
