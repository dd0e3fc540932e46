import { catchError, concat, defer, EMPTY, type Observable, of, tap, throwError } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { ClientResetKind } from '../../model/changeset.js';
import { ClientResetError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { ReplacedLimit } from './replaced-limit.js';
import { toDisconnect, type Disconnect, createFatalDisconnect } from '../connection/disconnect.js';
import type { SyncedRealm } from '../sync-port.js';
import type { SessionEvent } from '../state/session-events.js';

/**
 * What becomes of a realm whose history is not the server's any more. `recover`: unsent changes are written again on
 * top of the server's; `discard`: they are thrown away; `recoverOrDiscard`: recovered, or discarded when that fails;
 * `manual`: the session ends with a `ClientResetError`, and the app decides.
 */
export type ClientReset = 'recoverOrDiscard' | 'recover' | 'discard' | 'manual';

export const clientResets: readonly ClientReset[] = ['recoverOrDiscard', 'recover', 'discard', 'manual'];

const performReset = (
  realm: Pick<SyncedRealm, 'reset'>,
  mode: Exclude<ClientReset, 'manual'>,
  recover: ClientResetKind,
): Observable<never> =>
  mode === 'recoverOrDiscard'
    ? realm.reset(recover).pipe(catchError(() => realm.reset('discard')))
    : realm.reset(mode === 'recover' ? recover : mode);

/**
 * Makes a copy a replica of its own: with all that the server does not have of it, whatever the app wants of other
 * resets.
 */
const separateCopy = (
  realm: Pick<SyncedRealm, 'reset' | 'acknowledge'>,
  contest: ReplacedLimit,
  upTo: Version,
  { report }: Disconnect,
): Observable<SessionEvent> =>
  concat(
    realm.acknowledge(upTo),
    realm.reset('copied'),
    defer(() => {
      contest.reset();
      return report ? of<SessionEvent>({ type: 'trouble', error: report }) : EMPTY;
    }),
  );

/**
 * How often in a row a realm may start over before the session gives up (E8): as the same replica, as a new replica
 * whose writes keep their time, and, when the server no longer takes writes of that time, as a new replica that writes
 * them now. A fourth answer is a fault of the server.
 */
const resetsMax = 3;
/**
 * How often on one line at all, within so many milliseconds: what was downloaded in between does not help whose uploads
 * are sent away.
 */
const resetsOftenMax = 3;
const oftenMs = 60_000;
/**
 * How often in a row a realm may be told that it is a copy: the copy of a copy of a copy … is told so as often as that
 * says.
 */
const copiesMax = 100;

/** What the app has decided for a realm in the manual mode; `null`: nothing, or what was to come of it has come. */
export interface ResetDecision {
  mode: Exclude<ClientReset, 'manual'> | null;
}

export interface ClientResetPorts {
  readonly realm: Pick<SyncedRealm, 'reset' | 'acknowledge'>;
  readonly clientReset: ClientReset;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly replacedLimit: ReplacedLimit;
  readonly resetDecision: ResetDecision;
  /** Hears of every event of a bind. */
  readonly onEvent: (event: SessionEvent) => void;
}

/**
 * Starts a realm over when the server says that it has another history, and binds again at once: waits and streams go
 * on (E6). It is one batch, so one that is interrupted has happened, or happens next time (E7). Gives up with a fatal
 * `ClientResetError` when the server says so again of the fresh replica, before anything was downloaded, or again and
 * again within a minute (E8), or when the app wants to decide (E5): what it decided counts until something was
 * downloaded. Belongs to one session: it counts.
 */
export const handleClientReset = ({
  realm,
  clientReset: mode,
  clock: { scheduler },
  replacedLimit,
  resetDecision,
  onEvent,
}: ClientResetPorts): ((bound: Observable<SessionEvent>) => Observable<SessionEvent>) => {
  let resets = 0;
  let copies = 0;
  let times: readonly number[] = [];
  const given = ({ fatal, report }: Disconnect, why: ClientResetError['why'], recover: ClientResetKind): Disconnect => {
    const text = fatal?.message ?? report?.message ?? '';
    const reset = (how: Exclude<ResetDecision['mode'], null>): Observable<never> =>
      concat(
        realm.reset(how === 'discard' ? how : recover),
        defer(() => {
          resetDecision.mode = how;
          return EMPTY;
        }),
      );
    return createFatalDisconnect(new ClientResetError(text, why, reset));
  };

  const over = (bound: Observable<SessionEvent>): Observable<SessionEvent> =>
    defer(() => {
      let isBound = false; // Of one bind.
      return bound.pipe(
        tap((event) => {
          if (event.type === 'bound') isBound = true;
          onEvent(event);
          if (event.type !== 'downloaded' && event.type !== 'marked') return;
          resets = 0;
          copies = 0;
          resetDecision.mode = null;
        }),
        catchError((thrown: unknown) => {
          const disconnect = toDisconnect(thrown);
          replacedLimit.recordDisconnect(disconnect);
          const { copiedAt } = disconnect;
          if (disconnect.fatal?.code !== 'history-changed' && copiedAt === null) return throwError(() => disconnect);
          // A replica that the history has taken, and then sends away, has to be another one.
          const recover: ClientResetKind = copiedAt !== null ? 'copied' : isBound ? 'recover' : 'rejoin';
          // Copies of copies are told so of one name after the other, none of which comes twice.
          if (copiedAt !== null && ++copies <= copiesMax)
            return concat(separateCopy(realm, replacedLimit, copiedAt, disconnect), over(bound));
          times = [...times.filter((at) => scheduler.now() - at < oftenMs), scheduler.now()];
          if (resets >= resetsMax || times.length > resetsOftenMax || copiedAt !== null)
            return throwError(() => given(disconnect, mode === 'manual' ? 'asked' : 'again', recover));
          resets += 1;
          const chosen = mode === 'manual' ? resetDecision.mode : mode;
          if (chosen === null) return throwError(() => given(disconnect, 'asked', recover));
          return concat(performReset(realm, chosen, recover), over(bound));
        }),
      );
    });
  return over;
};
