import { catchError, concat, defer, type Observable, tap, throwError } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Restart } from '../model/changeset.js';
import { ClientResetError } from '../model/errors.js';
import { unlessContested } from './contested.js';
import { asDrop, Drop } from './drop.js';
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

/**
 * How often in a row a realm may start over before that is given up (E8): as the same replica, and as a fresh one. The server's answer to that is
 * never its fault.
 */
const resetsMax = 2;
/** How often on one line at all, within so many milliseconds: what was downloaded in between does not help whose uploads are sent away. */
const resetsOftenMax = 3;
const oftenMs = 60_000;

/**
 * Starts a realm over when the server says that it has another history, and binds again at once: waits and streams go on
 * (E6). It is one batch, so one that is interrupted has happened, or happens next time (E7). Gives up with a fatal
 * `ClientResetError` when the server says so again of the fresh replica, before anything was downloaded, or again and again within a
 * minute (E8), or when the app wants to decide (E5). Belongs to one session: it counts.
 */
export const startingOver = (
  realm: Pick<SyncedRealm, 'reset'>,
  mode: ClientReset,
  { scheduler }: Pick<Clock, 'scheduler'>,
): ((bound: Observable<SessionEvent>) => Observable<SessionEvent>) => {
  const contested = unlessContested({ scheduler });
  let resets = 0;
  let times: readonly number[] = [];
  const given = (drop: Drop, recover: Restart): ClientResetError =>
    new ClientResetError(drop.fatal?.message ?? '', mode === 'manual' ? 'asked' : 'again', (how) =>
      realm.reset(how === 'recover' ? recover : how),
    );

  const over = (bound: Observable<SessionEvent>): Observable<SessionEvent> =>
    defer(() => {
      let isBound = false; // Of one bind.
      return bound.pipe(
        tap((event) => {
          if (event.type === 'bound') isBound = true;
          if (event.type === 'downloaded' || event.type === 'marked') resets = 0;
        }),
        catchError((thrown: unknown) => {
          const drop = asDrop(thrown);
          if (drop.fatal?.code !== 'history-changed') return throwError(() => contested(drop));
          // Whom the history has taken, and then sends away, has to be somebody else; and so has he whose numbers are taken.
          const recover: Restart = isBound || drop.anew ? 'recover' : 'rejoin';
          times = [...times.filter((at) => scheduler.now() - at < oftenMs), scheduler.now()];
          if (mode === 'manual' || resets >= resetsMax || times.length > resetsOftenMax)
            return throwError(() => new Drop(drop.reason, { retry: 'never', fatal: given(drop, recover) }));
          resets += 1;
          return concat(performed(realm, mode, recover), over(bound));
        }),
      );
    });
  return over;
};
