import { catchError, concat, defer, EMPTY, type Observable, of, tap, throwError } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Restart } from '../model/changeset.js';
import { ClientResetError } from '../model/errors.js';
import type { Version } from '../model/version.js';
import type { Contest } from './contested.js';
import { asDrop, type Drop, ending } from './drop.js';
import type { SyncedRealm } from './realm.js';
import type { SessionEvent } from './events.js';

/**
 * What becomes of a realm whose history is not the server's any more. `recover`: unsent changes are written again on top of
 * the server's; `discard`: they are thrown away; `recoverOrDiscard`: recovered, or discarded when that fails; `manual`: the
 * session ends with a `ClientResetError`, and the app decides.
 */
export type ClientReset = 'recoverOrDiscard' | 'recover' | 'discard' | 'manual';

export const clientResets: readonly ClientReset[] = ['recoverOrDiscard', 'recover', 'discard', 'manual'];

const performed = (
  realm: Pick<SyncedRealm, 'reset'>,
  mode: Exclude<ClientReset, 'manual'>,
  recover: Restart,
): Observable<never> =>
  mode === 'recoverOrDiscard'
    ? realm.reset(recover).pipe(catchError(() => realm.reset('discard')))
    : realm.reset(mode === 'recover' ? recover : mode);

/** Makes a copy a replica of its own: with all that the server does not have of it, whatever the app wants of other resets. */
const separated = (
  realm: Pick<SyncedRealm, 'reset' | 'acknowledge'>,
  contest: Contest,
  upTo: Version,
  { report }: Drop,
): Observable<SessionEvent> =>
  concat(
    realm.acknowledge(upTo),
    realm.reset('copied'),
    defer(() => {
      contest.settled();
      return report ? of<SessionEvent>({ type: 'trouble', error: report }) : EMPTY;
    }),
  );

/**
 * How often in a row a realm may start over before that is given up (E8): as the same replica, and as a fresh one. The server's answer to that is
 * never its fault.
 */
const resetsMax = 2;
/** How often on one line at all, within so many milliseconds: what was downloaded in between does not help whose uploads are sent away. */
const resetsOftenMax = 3;
const oftenMs = 60_000;
/** How often in a row a realm may be told that it is a copy: the copy of a copy of a copy … is told so as often as that says. */
const copiesMax = 100;

/** What the app has decided for a realm in the manual mode; `null`: nothing, or what was to come of it has come. */
export interface ResetDecision {
  how: Exclude<ClientReset, 'manual'> | null;
}

export interface StartingOverPorts {
  readonly realm: Pick<SyncedRealm, 'reset' | 'acknowledge'>;
  readonly clientReset: ClientReset;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly contest: Contest;
  readonly decision: ResetDecision;
  /** Hears of every event of a bind. */
  readonly heard: (event: SessionEvent) => void;
}

/**
 * Starts a realm over when the server says that it has another history, and binds again at once: waits and streams go on
 * (E6). It is one batch, so one that is interrupted has happened, or happens next time (E7). Gives up with a fatal
 * `ClientResetError` when the server says so again of the fresh replica, before anything was downloaded, or again and again within a
 * minute (E8), or when the app wants to decide (E5): what it decided
 * counts until something was downloaded. Belongs to one session: it counts.
 */
export const startingOver = ({
  realm,
  clientReset: mode,
  clock: { scheduler },
  contest,
  decision,
  heard,
}: StartingOverPorts): ((bound: Observable<SessionEvent>) => Observable<SessionEvent>) => {
  let resets = 0;
  let copies = 0;
  let times: readonly number[] = [];
  const given = ({ fatal, report }: Drop, why: ClientResetError['why'], recover: Restart): Drop => {
    const text = fatal?.message ?? report?.message ?? '';
    const reset = (how: Exclude<ResetDecision['how'], null>): Observable<never> =>
      concat(
        realm.reset(how === 'discard' ? how : recover),
        defer(() => {
          decision.how = how;
          return EMPTY;
        }),
      );
    return ending(new ClientResetError(text, why, reset));
  };

  const over = (bound: Observable<SessionEvent>): Observable<SessionEvent> =>
    defer(() => {
      let isBound = false; // Of one bind.
      return bound.pipe(
        tap((event) => {
          if (event.type === 'bound') isBound = true;
          heard(event);
          if (event.type !== 'downloaded' && event.type !== 'marked') return;
          resets = 0;
          copies = 0;
          decision.how = null;
        }),
        catchError((thrown: unknown) => {
          const drop = asDrop(thrown);
          contest.dropped(drop);
          const { copied } = drop;
          if (drop.fatal?.code !== 'history-changed' && copied === null) return throwError(() => drop);
          // A replica that the history has taken, and then sends away, has to be another one.
          const recover: Restart = copied !== null ? 'copied' : isBound ? 'recover' : 'rejoin';
          // Copies of copies are told so of one name after the other, none of which comes twice.
          if (copied !== null && ++copies <= copiesMax)
            return concat(separated(realm, contest, copied, drop), over(bound));
          times = [...times.filter((at) => scheduler.now() - at < oftenMs), scheduler.now()];
          if (resets >= resetsMax || times.length > resetsOftenMax || copied !== null)
            return throwError(() => given(drop, mode === 'manual' ? 'asked' : 'again', recover));
          resets += 1;
          const chosen = mode === 'manual' ? decision.how : mode;
          if (chosen === null) return throwError(() => given(drop, 'asked', recover));
          return concat(performed(realm, chosen, recover), over(bound));
        }),
      );
    });
  return over;
};
