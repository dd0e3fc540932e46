import {
  concat,
  defer,
  EMPTY,
  filter,
  map,
  merge,
  mergeMap,
  of,
  Subject,
  switchMap,
  takeUntil,
  type Observable,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
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
} from '../protocol/messages.js';
import type { User } from './access.js';
import { admission, type Admission, type AdmissionPorts } from './admission.js';
import { violation } from './failure.js';
import type { ServerLimits } from './options.js';
import { createReading } from './reading.js';
import { acceptedFor } from './refusals.js';
import { createUploads } from './uploads.js';
import type { Tell } from './telling.js';

/** What a client says in one session, once it is bound. */
export type SessionMessage = Upload | Received | Mark | Unbind | Fault | Fetch;

export interface SessionPorts extends AdmissionPorts {
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly tell: Tell;
}

export interface Binding {
  readonly bind: Bind;
  /** Whose connection it is. */
  readonly user$: Observable<User>;
  /** What is said in this session after `bind`. Hot. */
  readonly said$: Observable<SessionMessage>;
}

const greeting = (
  { limits: { frameBytesMax }, clock }: SessionPorts,
  { session, acknowledged }: Bind,
  { realm, replica, snapshot }: Admission,
): Bound => ({
  type: 'bound',
  session,
  history: realm.history.id,
  head: realm.history.log.head,
  headBytes: realm.history.bytes,
  accepted: acceptedFor(replica.accepted, replica.refused.keys(), acknowledged),
  serverTime: clock.now(),
  frameBytesMax,
  snapshot,
});

const telling = <A>(subject: Subject<A>, value: A): Observable<never> =>
  defer(() => {
    subject.next(value);
    return EMPTY;
  });

/** Everything after `bound`. Never completes by itself. */
const conversation = (ports: SessionPorts, { bind, said$ }: Binding, admitted: Admission): Observable<ServerMessage> =>
  defer(() => {
    const { session } = bind;
    const reading = createReading({ bind, admission: admitted, pagesInFlightMax: ports.limits.pagesInFlightMax });
    const upload = createUploads({ session, admission: admitted, limits: ports.limits, now: ports.clock.now });

    const failed = ({ version, text }: Fault): Observable<never> => {
      ports.tell({
        level: 'warn',
        event: 'fault',
        realm: bind.realm,
        replica: admitted.replica.id,
        version,
        text: text.slice(0, limits.errorTextCharsMax),
      });
      reading.stop();
      return EMPTY;
    };

    const answer = (message: SessionMessage): Observable<ServerMessage> | readonly ServerMessage[] => {
      switch (message.type) {
        case 'upload':
          return upload(message);
        case 'received':
          return reading.received(message);
        case 'mark':
          return reading.mark(message);
        case 'fetch':
          return reading.fetch(message);
        case 'fault':
          return failed(message);
        case 'unbind':
          return EMPTY;
      }
    };

    // An answer may come before what was said has returned: ears first.
    return merge(said$.pipe(mergeMap(answer)), of(greeting(ports, bind, admitted)), reading.pages$);
  });

/**
 * One session of a connection: what the server says in it, from the answer to its `bind` on. Completes when it is unbound,
 * and errors with a `SessionFailure` when it alone has to end, with a `LineError` when the connection has to. Whatever it
 * holds is let go of with it; what was uploaded goes in all the same.
 */
export const session = (ports: SessionPorts, binding: Binding): Observable<ServerMessage> =>
  defer(() => {
    const { bind, user$, said$ } = binding;
    const talking = new Subject<void>();
    const tooEarly$ = said$.pipe(
      map(({ type }): never => {
        throw violation(`${type}: session ${bind.session} is not bound yet`);
      }),
      takeUntil(talking),
    );
    const unbound$ = said$.pipe(filter(({ type }) => type === 'unbind'));
    const talk$ = admission(ports, bind, user$).pipe(
      switchMap((admitted) => concat(telling(talking, undefined), conversation(ports, binding, admitted))),
    );
    return merge(tooEarly$, talk$).pipe(takeUntil(unbound$)); // Which hears an unbind before anybody else does.
  });
