import { defer, EMPTY, type Observable, ReplaySubject, Subject } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Version } from '../model/version.js';
import type { Bound, ClientMessage } from '../protocol/messages.js';
import type { Arrivals } from './arrivals.js';
import type { Collection } from './collection.js';
import type { Contest } from './contested.js';
import type { SessionEvent } from './events.js';
import type { SyncTimeouts } from './options.js';
import { createPace, type Pace } from './pace.js';
import type { Piece } from './upload-pieces.js';
import type { Greeting, SyncedRealm } from './realm.js';

export interface ConversationPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  readonly token: string | null;
  /** The number of the mark that is wanted and not answered: the present one, then each new one. */
  readonly mark$: Observable<number>;
  readonly contest: Contest;
  /** What has come of a snapshot. */
  readonly collection: Collection;
  /** What the session has received, over all its connections. */
  readonly arrivals: Arrivals;
  /** Whether the session has left this line: nothing more is sent on it. */
  readonly isLeft: () => boolean;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
}

/** What one conversation knows. It lives and dies with its lane. */
export interface Talk extends ConversationPorts {
  readonly session: number;
  readonly greeting: Greeting;
  readonly bound: Subject<Bound>;
  readonly accepted: ReplaySubject<Version>;
  /** What we say because of what we heard. */
  readonly answers: Subject<ClientMessage>;
  readonly pace: Pace;
  /** What is told because of what we said. */
  readonly told: Subject<SessionEvent>;
  /** What the server's cursors are checked by: the last client version uploaded on this lane, the last server version stored, the last mark asked for. */
  readonly cursors: {
    isBound: boolean;
    sent: Version;
    seen: Version;
    refused: Version;
    /** Why changesets were withdrawn, by their versions; `null`: none was. */
    withdrawn: Map<Version, string> | null;
    /** What is left to say of a page. */
    rest: readonly Piece[] | null;
    asked: number;
    /** The head of the history, as `bound` said. */
    head: Pick<Bound, 'head' | 'headBytes'>;
    /** The version of the snapshot that is being fetched. */
    fetching: Version | null;
  };
  /** When the bind was said, by this device's clock. */
  readonly asked: number;
}

export const talkFrom = (session: number, greeting: Greeting, ports: ConversationPorts): Talk => ({
  ...ports,
  session,
  greeting,
  bound: new Subject(),
  accepted: new ReplaySubject(1),
  answers: new Subject(),
  told: new Subject(),
  pace: createPace(ports.clock),
  cursors: {
    isBound: false,
    sent: greeting.acknowledged,
    seen: greeting.seen,
    refused: greeting.acknowledged,
    withdrawn: null,
    rest: null,
    asked: 0,
    head: { head: 0, headBytes: 0 },
    fetching: null,
  },
  asked: ports.clock.now(),
});

/** Says something in its turn, and nothing to the session. */
export const saying = (say: () => void): Observable<never> =>
  defer(() => {
    say();
    return EMPTY;
  });
