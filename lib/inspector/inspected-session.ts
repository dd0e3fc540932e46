import { catchError, EMPTY, endWith, ignoreElements, merge, type Observable, switchMap, tap } from 'rxjs';
import type { ClientCore } from '../client/client-core.js';
import type { RealmStore, RunningRealm } from '../client/open-plan.js';
import type { RealmMember } from '../client/realm-member.js';
import { realmsOf } from '../client/realm-registry.js';
import type { AnySyncError } from '../model/errors.js';
import { connectionLetters, syncLetters } from '../model/marble-drawing.js';
import { observe } from '../model/operators.js';
import type { Progress, ProgressDirection } from '../session/api/progress.js';
import { type SyncSession, toSyncSession } from '../session/api/sync-session.js';
import { record, type Recording } from '../session/recording/record.js';
import type { ConnectionState, ConnectionStatus, SyncState, SyncStatus } from '../session/state/status.js';
import type { RejectedTransaction } from '../store/rejected/rejected-writes-api.js';
import { countOf, explainPending, explainReason } from './explain-status.js';
import { formatTime } from './time-axis.js';
import { type RowName, rowNames, SessionRow, type Tone } from './session-row.js';

const letters = { ...connectionLetters, ...syncLetters };
/** The letter of a state, as in marble tests. */
const letterOf = (state: string): string => Object.entries(letters).find(([, name]) => name === state)?.[0] ?? '?';

const toneOf = (state: ConnectionState | SyncState): Tone => {
  if (state === 'connected' || state === 'active') return 'good';
  return state === 'connecting' || state === 'dying' || state === 'waitingForAccessToken' ? 'busy' : 'off';
};

const textOfConnection = (connection: ConnectionStatus): string => {
  switch (connection.state) {
    case 'connected':
      return 'connected';
    case 'connecting':
      return `connecting, attempt ${connection.attempt}`;
    case 'disconnected': {
      const { reason, retryAt } = connection;
      const next = retryAt === null ? 'none planned' : formatTime(retryAt, false);
      return `disconnected: ${explainReason(reason)}; next attempt: ${next}`;
    }
  }
};

/** Whether a diagram shows a difference. The round trip time alone makes none. */
const isSameConnection = (a: ConnectionStatus, b: ConnectionStatus): boolean =>
  a === b || (a.state === 'connected' && b.state === 'connected' && a.since === b.since);

/** Everything that an inspector shows of one session, from the moment of its creation until `end`. */
export class InspectedSession {
  readonly session: SyncSession;
  readonly recording: Recording;
  readonly rows: Readonly<Record<RowName, SessionRow>>;
  readonly progress: Partial<Record<ProgressDirection, Progress>> = {};
  rejected: readonly RejectedTransaction[] = [];
  /** The open realm; `null` while it is opening, and after it was closed. */
  realm: RunningRealm | null = null;
  isOver = false;
  #status: SyncStatus | null = null;
  readonly #running;

  constructor(
    readonly member: RealmMember,
    private readonly core: ClientCore,
    eventsMax: number,
    private readonly onChange: () => void,
  ) {
    this.session = toSyncSession(member.machine, core.reconnect);
    this.recording = record(this.session, { clock: core.clock, eventsMax });
    this.rows = Object.fromEntries(rowNames.map((name) => [name, new SessionRow(name, eventsMax)])) as Record<
      RowName,
      SessionRow
    >;
    this.#running = observe(merge(this.#sessionEvents(), this.#realmEvents()), () => undefined);
  }

  get name(): string {
    return this.member.realm;
  }
  get store(): RealmStore | null {
    return this.realm?.store ?? null;
  }
  /** Whether another tab of the browser has the storage and the connection. */
  get isFollower(): boolean {
    const context = this.store?.context;
    return context !== undefined && 'outbox' in context && context.outbox === undefined;
  }

  end(): void {
    this.#running.unsubscribe();
    this.recording.stop();
  }

  #sessionEvents(): Observable<never> {
    const { status$, errors$, progress$ } = this.session;
    const progressOf = (direction: ProgressDirection): Observable<unknown> =>
      progress$({ direction, mode: 'reportIndefinitely' }).pipe(
        tap((progress) => {
          this.progress[direction] = progress;
          this.onChange();
        }),
      );
    return merge(
      status$.pipe(tap({ next: (status) => this.#addStatus(status), complete: () => this.#addEnd() })),
      errors$.pipe(tap((error) => this.#addError(error))),
      progressOf('upload'),
      progressOf('download'),
    ).pipe(ignoreElements());
  }

  #realmEvents(): Observable<never> {
    const entry = realmsOf(this.core).get(this.member.storage);
    if (!entry) return EMPTY;
    return entry.opened$.pipe(
      tap((realm) => (this.realm = realm)),
      switchMap(({ store }) => store.rejectedWrites$),
      endWith([]),
      tap({
        next: (rejected) => {
          this.rejected = rejected;
          this.onChange();
        },
        complete: () => (this.realm = null), // Ended sessions keep no objects in memory.
      }),
      catchError(() => EMPTY), // The realm could not be opened. The app has that error.
      ignoreElements(),
    );
  }

  #add(name: RowName, label: string, tone: Tone, text: string): void {
    this.rows[name].add({ at: this.core.clock.now(), label, tone, text });
    this.onChange();
  }

  #addState(name: RowName, state: ConnectionState | SyncState, text: string): void {
    this.#add(name, letterOf(state), toneOf(state), text);
  }

  #addStatus(status: SyncStatus): void {
    const before = this.#status;
    this.#status = status;
    const { connection, sync, pending, downloaded } = status;
    if (!before || !isSameConnection(before.connection, connection))
      this.#addState('connection', connection.state, textOfConnection(connection));
    if (before?.sync !== sync) this.#addState('sync state', sync, sync);
    if (before ? before.pending.changesets !== pending.changesets : pending.changesets > 0) {
      const { changesets } = pending;
      this.#add('uploads', String(changesets), changesets === 0 ? 'good' : 'busy', explainPending(pending));
    }
    const more = downloaded.version - (before?.downloaded.version ?? 0);
    if (more !== 0) {
      const left = downloaded.behind ? `, ${countOf(downloaded.behind, 'change')} to come` : '';
      this.#add(
        'downloads',
        more > 0 ? `+${more}` : String(more),
        'plain',
        `server version ${downloaded.version}${left}`,
      );
    }
  }

  #addError(error: AnySyncError): void {
    this.#add('errors', '!', 'bad', `${error.code}: ${error.message}`);
  }

  #addEnd(): void {
    this.isOver = true;
    for (const name of rowNames) this.#add(name, '|', 'plain', 'the session has ended');
  }
}
