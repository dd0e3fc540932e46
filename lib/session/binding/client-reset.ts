import { catchError, concat, defer, EMPTY, type Observable, of, tap, throwError } from 'rxjs';
import { runAction } from '../../model/operators.js';
import type { Clock } from '../../clock.js';
import type { ClientResetKind } from '../../model/changeset.js';
import { ClientResetError } from '../../model/errors.js';
import type { Version } from '../../model/version.js';
import type { ReplacedLimit } from './replaced-limit.js';
import { toDisconnect, type Disconnect, createFatalDisconnect } from '../connection/disconnect.js';
import type { SyncedRealm } from '../../model/sync-port.js';
import type { SessionEvent } from '../state/session-events.js';

/**
 * The policy for a realm whose history differs from that of the server.
 *
 * `recover`: unsent changes are written again on top of the server's history. `discard`: unsent changes are discarded.
 * `recoverOrDiscard`: unsent changes are recovered, or discarded if that fails. `manual`: the session ends with a
 * `ClientResetError`, and the app decides.
 *
 * @defaultValue `'recoverOrDiscard'`
 * @see {@link ClientResetError}
 * @example
 * ```ts
 * const realm = await openRealm({ schema, storage: 'tasks', sync: { client, realm: 'tasks', clientReset: 'manual' } });
 * ```
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
 * Makes a copied realm a replica of its own, with all changes that the server does not have. Ignores the app's reset
 * policy.
 */
const separateCopy = (
  realm: Pick<SyncedRealm, 'reset' | 'acknowledge'>,
  replacedLimit: ReplacedLimit,
  upTo: Version,
  { report }: Disconnect,
): Observable<SessionEvent> =>
  concat(
    realm.acknowledge(upTo),
    realm.reset('copied'),
    defer(() => {
      replacedLimit.reset();
      return report ? of<SessionEvent>({ type: 'trouble', error: report }) : EMPTY;
    }),
  );

/**
 * Client resets in a row, before the session gives up (E8).
 *
 * The first keeps the replica. The second makes a new replica whose writes keep their stamps. The third makes a new
 * replica that writes them with new stamps, for a server that no longer accepts stamps of that time. A fourth request
 * for a reset is a fault of the server.
 */
const resetsMax = 3;
/**
 * Client resets on one connection within a minute. Downloads in between do not help when the server rejects the
 * uploads.
 */
const resetsPerMinuteMax = 3;
const minuteMs = 60_000;
const noTimes: readonly number[] = [];
/**
 * Times in a row that a realm may be found to be a copy. A copy of a copy of a copy … is found once for each
 * generation.
 */
const copiesMax = 100;

/**
 * The decision of the app for a realm in the manual mode. `null`: the app has not decided, or the decision was applied.
 */
export interface ResetDecision {
  mode: Exclude<ClientReset, 'manual'> | null;
}

export interface ClientResetPorts {
  readonly realm: Pick<SyncedRealm, 'reset' | 'acknowledge'>;
  readonly clientReset: ClientReset;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly replacedLimit: ReplacedLimit;
  readonly resetDecision: ResetDecision;
}

/**
 * Performs a client reset when the server reports another history, and then binds again at once.
 *
 * Waits and streams continue after a reset (E6). A reset is one batch: if it is interrupted, either it is complete or
 * it is done at the next start (E7).
 *
 * Errors with a fatal `ClientResetError` in three cases: the server requests a reset again before anything was
 * downloaded (E8); the server requests more resets within a minute than the limit allows (E8); or the app wants to
 * decide (E5). A decision of the app holds until something is downloaded. The counters belong to one connection of one
 * session.
 */
export class ClientResets {
  #resets = 0;
  #copies = 0;
  #resetTimes = noTimes;
  #isBound = false; // By the current bind.

  constructor(private readonly ports: ClientResetPorts) {}

  /** A bind begins. */
  recordBind(): void {
    this.#isBound = false;
  }

  /** Something was downloaded, or a mark was answered. */
  recordProgress(): void {
    this.#resets = 0;
    this.#copies = 0;
    this.ports.resetDecision.mode = null;
  }

  /** Binds the session, again after each reset. */
  bindWithResets(bound: Observable<SessionEvent>): Observable<SessionEvent> {
    return bound.pipe(
      tap((event) => {
        if (event.type === 'bound') this.#isBound = true;
      }),
      catchError((thrown: unknown) => {
        const disconnect = toDisconnect(thrown);
        this.ports.replacedLimit.recordDisconnect(disconnect);
        const { copiedAt } = disconnect;
        if (disconnect.fatal?.code !== 'history-changed' && copiedAt === null) return throwError(() => disconnect);
        return concat(this.#reset(disconnect), this.bindWithResets(bound));
      }),
    );
  }

  /** Resets the realm. Errors when the session gives up. */
  #reset(disconnect: Disconnect): Observable<SessionEvent> {
    const { realm, clientReset: mode, clock, replacedLimit, resetDecision } = this.ports;
    const { copiedAt } = disconnect;
    // A replica that the server bound and then rejected must continue under a new replica id.
    const recover: ClientResetKind = copiedAt !== null ? 'copied' : this.#isBound ? 'recover' : 'keepReplica';
    // Each generation of copies has a replica id of its own, so no id is found twice.
    if (copiedAt !== null && ++this.#copies <= copiesMax)
      return separateCopy(realm, replacedLimit, copiedAt, disconnect);
    const now = clock.scheduler.now();
    this.#resetTimes = [...this.#resetTimes.filter((at) => now - at < minuteMs), now];
    if (this.#resets >= resetsMax || this.#resetTimes.length > resetsPerMinuteMax || copiedAt !== null)
      return throwError(() => this.#giveUp(disconnect, mode === 'manual' ? 'manual' : 'again', recover));
    this.#resets += 1;
    const chosen = mode === 'manual' ? resetDecision.mode : mode;
    if (chosen === null) return throwError(() => this.#giveUp(disconnect, 'manual', recover));
    return performReset(realm, chosen, recover);
  }

  #giveUp({ fatal, report }: Disconnect, why: ClientResetError['why'], recover: ClientResetKind): Disconnect {
    const { realm, resetDecision } = this.ports;
    const text = fatal?.message ?? report?.message ?? '';
    const reset = (chosen: Exclude<ResetDecision['mode'], null>): Observable<never> =>
      concat(
        realm.reset(chosen === 'discard' ? chosen : recover),
        runAction(() => {
          resetDecision.mode = chosen;
        }),
      );
    return createFatalDisconnect(new ClientResetError(text, why, reset));
  }
}
