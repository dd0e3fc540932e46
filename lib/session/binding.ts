import { concat, defer, EMPTY, merge, NEVER, type Observable, of, switchMap, tap } from 'rxjs';
import type { Arrivals } from './arrivals.js';
import { type Backoff, waitOut } from './backoff.js';
import type { OpenLine } from './call.js';
import type { Collection } from './collection.js';
import { userIn } from './claims.js';
import { createContest } from './contested.js';
import { conversation } from './conversation.js';
import type { Drop } from './drop.js';
import type { SessionPorts } from './ports.js';
import { redial } from './redial.js';
import { type ResetDecision, startingOver } from './reset.js';
import type { SessionEvent } from './events.js';
import type { SessionState } from './step.js';

/** Goes on with a token: at once with the one at hand, or after a fresh one has come; not at all once the session has left the line. */
export const withToken = (
  { tokens, isLeft }: BindingPorts,
  then: (token: string | null) => Observable<SessionEvent>,
): Observable<SessionEvent> =>
  tokens.take().pipe(
    switchMap((heard) => {
      if (heard.news === 'expired') return of<SessionEvent>({ type: 'input', input: 'expired' });
      if (heard.news === 'token') {
        const going = defer(() => (isLeft() ? NEVER : then(heard.token)));
        const { isOld = false } = heard;
        return concat(of<SessionEvent>({ type: 'input', input: 'token', isOld }), going);
      }
      const reason = { kind: 'token-wanted' } as const;
      return of<SessionEvent>({ type: 'connection', connection: { state: 'disconnected', reason, ...heard.asking } });
    }),
  );

type Disconnected = Extract<SessionState['connection'], { readonly state: 'disconnected' }>;

/** A drop as the session hears of it. */
export const dropped = (connection: Disconnected, report: Drop['report']): SessionEvent[] => [
  { type: 'connection', connection },
  ...(report ? [{ type: 'trouble', error: report } as const] : []),
];

/** What outlives a line as well. */
export interface BindingPorts extends SessionPorts {
  readonly collection: Collection;
  readonly arrivals: Arrivals;
  /** Of this session alone. */
  readonly backoff: Backoff;
  readonly decision: ResetDecision;
  /** Whether the session has left this line: nothing more is sent on it. */
  readonly isLeft: () => boolean;
}

/** Before a word is said as a user, the realm is that user's. */
const claimed = ({ realm, user }: SessionPorts, token: string | null): Observable<never> => {
  const id = user?.() ?? userIn(token);
  return id === null ? EMPTY : realm.claim(id);
};

/** Binds on the open line, and binds again by its own backoff when only this session was sent away (E2). */
export const onOpenLine = (ports: BindingPorts, mark$: Observable<number>, line: OpenLine): Observable<SessionEvent> =>
  defer(() => {
    const { clock, tokens, nudge$, backoff } = ports;
    let boundAt = Infinity;
    let token: string | null = null;
    const contest = createContest(clock);

    const connecting = (): Observable<SessionEvent> =>
      of({ type: 'connection', connection: { state: 'connecting', attempt: backoff.attempt + 1 } });
    const heard = ({ type }: SessionEvent): void => {
      if (type === 'bound') {
        boundAt = clock.scheduler.now();
        tokens.accepted();
      }
      if (type === 'downloaded') backoff.startOver();
    };
    const { realm, clientReset, decision } = ports;
    const bound = startingOver({ realm, clientReset, clock, contest, decision, heard })(
      withToken(ports, (taken) => {
        token = taken;
        // Again, because while the token was waited for it was said to be disconnected.
        return concat(
          connecting(),
          claimed(ports, taken),
          conversation(line.lane(), { ...ports, token, mark$, contest }),
        );
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

    const wait = (): Observable<unknown> => waitOut(backoff, nudge$.pipe(tap(backoff.startOver)), clock);

    return merge(line.roundTrip$, defer(() => concat(connecting(), bound)).pipe(redial({ announce, wait })));
  });
