import {
  catchError,
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  switchMap,
  tap,
} from 'rxjs';
import type { Clock } from '../clock.js';
import type { SyncError } from '../model/errors.js';
import { createBackoff, waitOut } from './backoff.js';
import type { OpenLine } from './call.js';
import type { Connection, Line } from './connection.js';
import { conversation } from './conversation.js';
import { asDrop, type Drop } from './drop.js';
import { createMachine, type Machine } from './machine.js';
import type { SyncTimeouts } from './options.js';
import type { Here, Outbox, SyncedRealm } from './realm.js';
import { redial } from './redial.js';
import { initialState, type SessionEvent, type SessionState } from './step.js';
import type { Tokens } from './tokens.js';
import { wantsLine } from './transitions.js';

/** Everything a session needs from the world. Streams only: a promise could be neither cancelled nor drawn in marbles. */
export interface SessionPorts {
  readonly realm: SyncedRealm;
  readonly realmName: string;
  readonly connection: Connection;
  readonly tokens: Tokens;
  /** "Try now": ends a suspension. An event, not a state. */
  readonly nudge$: Observable<unknown>;
  readonly timeouts: SyncTimeouts;
  readonly clock: Clock;
  /** Where it starts: `inactive` when nobody is logged in, `paused` when it was left so. */
  readonly start: 'active' | 'inactive' | 'paused';
  readonly outbox: Outbox;
  readonly here: Here;
  /** Hears of every error of this session, from its first moment on. */
  readonly heard?: (error: SyncError) => void;
}

/** A session, running from the first moment (S1): what it wants is a state, and the line follows it. */
export const createSession = (ports: SessionPorts): Machine =>
  createMachine(
    initialState(ports.start, ports.outbox, ports.here),
    (state$) =>
      merge(
        ports.realm.outbox$.pipe(map((outbox): SessionEvent => ({ type: 'outbox', outbox }))),
        state$.pipe(
          map(({ sync }) => wantsLine(sync)),
          distinctUntilChanged(),
          switchMap((wanted) => (wanted ? syncing(ports, markIn(state$)) : EMPTY)),
        ),
      ),
    ports.heard,
  );

/** The mark that is wanted and not answered yet; one mark answers all that were wanted before it was sent. */
const markIn = (state$: Observable<SessionState>): Observable<number> =>
  state$.pipe(
    map(({ marks }) => (marks.wanted > marks.answered ? marks.wanted : 0)),
    distinctUntilChanged(),
    filter((request) => request > 0),
  );

/** Everything that happens while a session wants the line. Never errors: what ends it is its last event. */
const syncing = (ports: SessionPorts, mark$: Observable<number>): Observable<SessionEvent> =>
  withToken(ports, () => ports.connection.line$.pipe(switchMap((line) => onLine(ports, mark$, line)))).pipe(
    catchError((thrown: unknown) => {
      const { fatal } = asDrop(thrown);
      return fatal ? of<SessionEvent>({ type: 'fatal', error: fatal }) : EMPTY;
    }),
  );

const withToken = (
  { tokens }: SessionPorts,
  then: (token: string | null) => Observable<SessionEvent>,
): Observable<SessionEvent> =>
  tokens
    .take()
    .pipe(
      switchMap((heard) =>
        heard.news === 'expired'
          ? of<SessionEvent>({ type: 'input', input: 'expired' })
          : concat(of<SessionEvent>({ type: 'input', input: 'token' }), then(heard.token)),
      ),
    );

const onLine = (ports: SessionPorts, mark$: Observable<number>, line: Line): Observable<SessionEvent> => {
  switch (line.state) {
    case 'connecting':
      return of({ type: 'connection', connection: line });
    case 'waiting': {
      const { reason, attempt, retryAt, report } = line;
      return of(...dropped({ state: 'disconnected', reason, attempt, retryAt }, report));
    }
    case 'failed':
      return of({ type: 'fatal', error: line.error });
    case 'open':
      return onOpenLine(ports, mark$, line);
  }
};

type Disconnected = Extract<SessionState['connection'], { readonly state: 'disconnected' }>;

const dropped = (connection: Disconnected, report: Drop['report']): SessionEvent[] => [
  { type: 'connection', connection },
  ...(report ? [{ type: 'trouble', error: report } as const] : []),
];

/** Binds on the open line, and binds again by its own backoff when only this session was sent away (E2). */
const onOpenLine = (ports: SessionPorts, mark$: Observable<number>, line: OpenLine): Observable<SessionEvent> =>
  defer(() => {
    const { clock, timeouts, tokens, nudge$ } = ports;
    const backoff = createBackoff(timeouts, clock);
    let boundAt = Infinity;
    let token: string | null = null;

    const bound = withToken(ports, (taken) => {
      token = taken;
      return conversation(line.lane(), { ...ports, token, mark$ });
    }).pipe(
      tap((event) => {
        if (event.type === 'bound') boundAt = clock.scheduler.now();
        if (event.type === 'downloaded') backoff.startOver();
      }),
    );

    const announce = (drop: Drop): SessionEvent[] => {
      if (drop.reason.kind === 'token-expired') tokens.expired(token);
      backoff.dropped(drop, clock.scheduler.now() - boundAt);
      boundAt = Infinity;
      const { attempt, reason } = { attempt: backoff.attempt, reason: drop.reason };
      return dropped(
        { state: 'disconnected', reason, attempt, retryAt: backoff.retryAt() },
        attempt === 1 ? drop.report : null,
      );
    };

    // An expired token is renewed at once; only a server that goes on calling new ones expired is made to wait.
    const wait = (drop: Drop): Observable<unknown> =>
      drop.reason.kind === 'token-expired' && backoff.attempt === 1 ? of(0) : waitOut(backoff, nudge$, clock);

    return merge(
      nudge$.pipe(
        tap(() => backoff.startOver()),
        ignoreElements(),
      ),
      line.roundTripMs$.pipe(
        filter((ms) => ms !== null),
        map((ms): SessionEvent => ({ type: 'roundTrip', ms })),
      ),
      defer(() =>
        concat(
          of<SessionEvent>({ type: 'connection', connection: { state: 'connecting', attempt: backoff.attempt + 1 } }),
          bound,
        ),
      ).pipe(redial({ announce, wait })),
    );
  });
