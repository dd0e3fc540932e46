import {
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  type Observable,
  of,
  switchMap,
} from 'rxjs';
import { type BindingPorts, dropped, onOpenLine, withToken } from './binding.js';
import { type Arrivals, createArrivals } from './arrivals.js';
import { createBackoff } from './backoff.js';
import { createCollection } from './collection.js';
import type { Line } from './line.js';
import { asDrop } from './drop.js';
import { createMachine, type Machine } from './machine.js';
import type { SessionPorts } from './ports.js';
import type { ResetDecision } from './reset.js';
import type { SessionEvent } from './events.js';
import { initialState, type SessionState } from './step.js';
import { wantsLine } from './transitions.js';
import { watchdog } from './watchdog.js';

/** A session's machine, and what it has received. */
export interface SessionMachine extends Machine {
  readonly arrivals: Arrivals;
}

/** A session, running from the first moment (S1): what it wants is a state, and the line follows it. */
export const createSession = (given: SessionPorts): SessionMachine => {
  const backoff = createBackoff(given.timeouts, given.clock);
  const arrivals = createArrivals();
  const decision: ResetDecision = { how: null };
  const own = { collection: createCollection(), backoff, arrivals, decision };
  const machine = createMachine(
    initialState(given.start, given.outbox, given.here, given.loggedOut),
    (state$, isLeft) => {
      const ports = { ...given, ...own, isLeft };
      return merge(
        ports.realm.outbox$.pipe(map((outbox): SessionEvent => ({ type: 'outbox', outbox }))),
        state$.pipe(
          map(wishIn),
          distinctUntilChanged(),
          switchMap((wish) => {
            if (wish === 'nothing') ports.collection.drop();
            return wish === 'line' ? syncing(ports, state$) : EMPTY;
          }),
        ),
      ).pipe(finalize(ports.collection.drop));
    },
    given.heard,
    given.failed,
  );
  return Object.assign(machine, { arrivals });
};

/** The mark that is wanted and not answered yet; one mark answers all that were wanted before it was sent. */
const markIn = (state$: Observable<SessionState>): Observable<number> =>
  defer(() => {
    let asked = 0;
    return state$.pipe(
      filter(({ marks }) => marks.wanted > Math.max(marks.answered, asked)),
      map(({ marks }) => (asked = marks.wanted)),
    );
  });

/** What a session wants: a line; nothing for now; or nothing any more, and then what it has half of is not kept for who may never come back. */
const wishIn = ({ sync, loggedOut }: SessionState): 'line' | 'rest' | 'nothing' =>
  wantsLine(sync) ? 'line' : sync === 'paused' && !loggedOut ? 'rest' : 'nothing';

/** Everything that happens while a session wants the line. Never errors: what ends it is its last event. */
const syncing = (ports: BindingPorts, state$: Observable<SessionState>): Observable<SessionEvent> =>
  withToken(ports, () => ports.connection.line$.pipe(switchMap((line) => onLine(ports, state$, line)))).pipe(
    catchError((thrown: unknown) => {
      const { fatal } = asDrop(thrown);
      return fatal ? of<SessionEvent>({ type: 'fatal', error: fatal }) : EMPTY;
    }),
  );

const onLine = (ports: BindingPorts, state$: Observable<SessionState>, line: Line): Observable<SessionEvent> => {
  switch (line.state) {
    case 'connecting':
      return of({ type: 'connection', connection: line });
    case 'waiting': {
      const { reason, attempt, retryAt, report, renewing } = line;
      const heard = dropped({ state: 'disconnected', reason, attempt, retryAt }, report);
      return of(...heard, ...(renewing ? [{ type: 'input', input: 'expired' } as const] : []));
    }
    case 'failed':
      return of({ type: 'fatal', error: line.error });
    case 'open':
      return merge(watchdog(state$, { ...ports, line }), onOpenLine(ports, markIn(state$), line));
  }
};
