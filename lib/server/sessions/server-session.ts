import { defer, EMPTY, Subscription, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import {
  type Accepted,
  type Bind,
  type Fault,
  type Fetch,
  type MarkRequest,
  type Received,
  type ServerMessage,
  type Unbind,
  type Upload,
  type Withdraw,
  type WriteRejected,
} from '../../protocol/messages.js';
import type { NextMembers, Subscribe } from '../../protocol/view-messages.js';
import type { Version } from '../../model/version.js';
import type { User } from '../auth/access.js';
import type { History } from '../history/history.js';
import type { ScopeFilters, ScopeOf } from '../scope/scope.js';
import { ScopeWatch } from '../scope/scope-watch.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { EnteredScope } from '../scope/user-scopes.js';
import type { SchemaOf } from '../uploads/server-schemas.js';
import { acceptBind, checkVisible, type AcceptedBind, type BindPorts, type ConnectionUser } from './bind.js';
import { createBoundMessage } from './bound-message.js';
import { createProtocolViolation } from '../server-errors.js';
import type { ServerLimits } from '../server-options.js';
import { createViewFeed } from '../views/view-feed.js';
import { createDownloadFeed, type DownloadFeed, type DownloadFeedOptions } from './download-feed.js';
import type { Holder } from '../realms/replicas.js';
import { createIsOutdated, createUploadHandler, type IsOutdated, type UploadHandler } from './upload-handler.js';
import type { FaultEvent, ServerLog } from '../http/server-events.js';
import type { ConnectedUsers } from '../connections/user-limits.js';

/** Messages of a client in one bound session. */
export type SessionMessage =
  Upload | Received | MarkRequest | Unbind | Fault | Fetch | Withdraw | Subscribe | NextMembers;

export interface ServerSessionPorts extends BindPorts {
  /** `null` if every user may see all objects. */
  readonly scope: ScopeOf | null;
  readonly schemaOf: SchemaOf;
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** Called when a client cannot apply or show a change. */
  readonly logFault: (fault: Omit<FaultEvent, 'level' | 'event' | 'more'>) => void;
  readonly users: Pick<ConnectedUsers, 'addConnection' | 'noteWrite'>;
}

/** The present state of a bound session, for the inspector. */
export interface BoundSessionReport {
  readonly realm: string;
  readonly replica: string;
  readonly access: AcceptedBind['access'];
  /** The server version up to which the replica has everything. */
  readonly position: Version;
  /** The server version of the realm. */
  readonly head: Version;
  /** Bytes of the realm's history. */
  readonly historyBytes: number;
  /** Number of subscriptions; `null` for a session of the whole realm. */
  readonly subscriptions: number | null;
  /** The types and properties that filters of the realm name. */
  readonly watchedTypes: History['watchedProperties']['types'];
}

/** The end of a session: the client has unbound it, or it failed with an error. */
export type SessionEnd = { readonly kind: 'unbound' } | { readonly kind: 'failed'; readonly thrown: unknown };

/** The owner of a session. */
export interface SessionOwner {
  /** Sends a message of a session. The first one answers its `bind`. */
  send(message: ServerMessage): void;
  /**
   * Called once, unless the session was closed before: when the client unbinds it, when this session must end (a
   * `SessionFailure`), or when the whole connection must (a `ConnectionError` or an `TokenRejectedError`). The session
   * has already released everything.
   */
  ended(bind: Bind, end: SessionEnd): void;
}

/** One session of a connection. */
export interface ServerSession {
  /** Starts the session for the user of the connection. */
  start(user$: Observable<ConnectionUser>): void;
  receive(message: SessionMessage): void;
  /** Notes the user of a fresh token, who is the same with other claims. */
  renewUser(user: User): void;
  /** Returns the present state; `null` until the session is bound. */
  report(): BoundSessionReport | null;
  /** Releases everything without sending a message. Received uploads are still written. May be called again. */
  close(): void;
}

/**
 * One session, from its `bind` to its end. It is a plain state machine instead of a stream, and a class instead of
 * closures, because a process must hold ten thousand of them (docs/DECISIONS.md, D36). Only the realm that it holds and
 * the log that it follows stay subscribed.
 *
 * Subscribes to the bind, and to each upload as soon as it is received. Unsubscribes the bind when the session ends.
 */
class BoundSession implements ServerSession, Holder {
  readonly teardown = new Subscription();
  private acceptedBind: AcceptedBind | null = null;
  private downloadFeed: DownloadFeed | null = null;
  private isOutdated: IsOutdated | null = null;
  private uploadHandler: UploadHandler | null = null;
  private isOver = false;
  /** `null` for a session of the whole realm. */
  private subscriptionCount: number | null;
  private readonly scopeWatch: ScopeWatch | null;
  /** A scope that has come before the session was bound. */
  private early: { readonly filters: ScopeFilters } | null = null;
  private scope: ServedScope | null = null;
  /** A change of the scope that is under way. */
  private scopeChange: Subscription | null = null;

  constructor(
    private readonly ports: ServerSessionPorts,
    private readonly bind: Bind,
    private readonly owner: SessionOwner,
  ) {
    const { scope, schemaOf } = ports;
    this.subscriptionCount = bind.view?.filters.length ?? null;
    this.scopeWatch =
      scope === null
        ? null
        : new ScopeWatch({
            ...{ scope, schemaOf, realm: bind.realm, teardown: this.teardown },
            changed: (filters) => this.guard(() => this.changeScope(filters)),
            failed: (thrown) => this.failed(thrown),
          });
  }

  start(user$: Observable<ConnectionUser>): void {
    const bind$ = acceptBind(this.ports, this, this.bind, user$, this.scopeWatch);
    const next = (acceptedBind: AcceptedBind): void => this.guard(() => this.begin(acceptedBind));
    this.teardown.add(bind$.subscribe({ next, error: (thrown: unknown) => this.failed(thrown) }));
  }

  receive(message: SessionMessage): void {
    this.guard(() => this.handle(message));
  }

  report(): BoundSessionReport | null {
    const { acceptedBind, downloadFeed, bind } = this;
    if (acceptedBind === null || downloadFeed === null) return null;
    const { access, realm } = acceptedBind;
    const { log, bytes: historyBytes, watchedProperties } = realm.history;
    return {
      ...{ realm: bind.realm, replica: bind.replica, access, position: downloadFeed.confirmedTo() },
      ...{ head: log.head, historyBytes, subscriptions: this.subscriptionCount },
      watchedTypes: watchedProperties.types,
    };
  }

  close(): void {
    this.isOver = true;
    this.downloadFeed?.stop();
    this.teardown.unsubscribe();
  }

  failed(thrown: unknown): void {
    this.end({ kind: 'failed', thrown });
  }

  send(message: ServerMessage): void {
    if (!this.isOver) this.owner.send(message);
  }

  private end(sessionEnd: SessionEnd): void {
    if (this.isOver) return;
    this.close();
    this.owner.ended(this.bind, sessionEnd);
  }

  renewUser(user: User): void {
    this.guard(() => this.scopeWatch?.renew(user));
  }

  /** `done` is called when nothing of the earlier scope is sent any more. */
  private changeScope(filters: ScopeFilters, done: () => void = () => undefined): void {
    const { acceptedBind, bind, downloadFeed } = this;
    if (acceptedBind === null || downloadFeed === null) {
      this.early = { filters };
      return;
    }
    checkVisible(bind, filters === null);
    const isChanging = this.scopeChange?.closed === false;
    this.scopeChange?.unsubscribe();
    if (filters === null && this.scope === null && !isChanging) {
      done();
      return;
    }
    const { realm, user } = acceptedBind;
    const next = ({ scope }: EnteredScope): void => {
      this.scope = scope;
      this.guard(() => downloadFeed.changeScope(scope));
      done();
    };
    this.scopeChange = realm.scopes
      .enter(user.id, filters, { id: null, downloadedTo: downloadFeed.confirmedTo() }, 'entered first')
      .subscribe({ next, error: (thrown: unknown) => this.failed(thrown) });
    this.teardown.add(this.scopeChange);
  }

  /** The client removes an object that it had in an earlier scope, so only its whole view brings that back. */
  private noteHidden({ realm, user }: AcceptedBind): Observable<never> {
    const lost = this.downloadFeed?.loseEarlierScope() ?? null;
    return lost === null ? EMPTY : realm.scopes.forget(user.id, lost.id);
  }

  /** Runs an action. Its error ends the session. */
  private guard(act: () => void): void {
    if (this.isOver) return;
    try {
      act();
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  private begin(acceptedBind: AcceptedBind): void {
    const { bind, teardown, ports } = this;
    // Before `bound` is sent, because the client may answer synchronously.
    this.acceptedBind = acceptedBind;
    this.scope = acceptedBind.scope;
    this.isOutdated = createIsOutdated(acceptedBind);
    const feedOptions: DownloadFeedOptions = {
      ...{ bind, acceptedBind, teardown },
      bytesInFlightMax: ports.limits.downloadBytesInFlightMax,
      send: (message) => this.send(message),
      failed: (thrown) => this.failed(thrown),
    };
    const { view } = acceptedBind;
    const downloadFeed = view === null ? createDownloadFeed(feedOptions) : createViewFeed({ ...feedOptions, view });
    this.downloadFeed = downloadFeed;
    this.send(createBoundMessage(ports, bind, acceptedBind));
    const start = (): void => {
      if (!this.isOver && acceptedBind.sharedVersion === null) downloadFeed.start();
    };
    if (this.early !== null && !this.isOver) this.changeScope(this.early.filters, start);
    else start();
  }

  private handle(message: SessionMessage): void {
    const { acceptedBind, downloadFeed } = this;
    if (message.type === 'unbind') this.end({ kind: 'unbound' });
    else if (acceptedBind === null || downloadFeed === null)
      throw createProtocolViolation(`${message.type}: session ${this.bind.session} is not bound yet.`);
    else if (message.type === 'upload' || message.type === 'withdraw') this.upload(message, acceptedBind);
    else handleDownloadMessage(downloadFeed, message);
    if (message.type === 'subscribe') this.subscriptionCount = message.filters.length;
    if (message.type === 'fault' && acceptedBind !== null) this.logFault(message, acceptedBind);
  }

  private upload(message: Upload | Withdraw, acceptedBind: AcceptedBind): void {
    const { ports, bind } = this;
    this.uploadHandler ??= createUploadHandler({
      ...{ session: bind.session, acceptedBind, limits: ports.limits, now: ports.clock.now },
      isOutdated: this.isOutdated ?? createIsOutdated(acceptedBind),
      scope: () => this.scope,
      hidden$: this.scopeWatch === null ? null : defer(() => this.noteHidden(acceptedBind)),
    });
    if (message.type === 'upload') ports.users.noteWrite(bind.realm);
    const { uploadHandler } = this;
    const answers$ = message.type === 'upload' ? uploadHandler.upload(message) : uploadHandler.withdraw(message);
    void answers$.subscribe({
      next: (answer) => this.answer(answer),
      error: (thrown: unknown) => this.failed(thrown),
    });
  }

  private answer(message: Accepted | WriteRejected): void {
    const { downloadFeed } = this;
    this.send(message.type === 'refused' && downloadFeed ? downloadFeed.noteRejection(message) : message);
  }

  private logFault({ version, code: text }: Fault, { replica }: AcceptedBind): void {
    this.ports.logFault({ realm: this.bind.realm, replica: replica.id, version, text });
  }
}

/** Creates one session. */
export const createServerSession = (ports: ServerSessionPorts, bind: Bind, owner: SessionOwner): ServerSession =>
  new BoundSession(ports, bind, owner);

const handleDownloadMessage = (
  feed: DownloadFeed,
  message: Received | MarkRequest | Fetch | Fault | Subscribe | NextMembers,
): void => {
  switch (message.type) {
    case 'received':
      feed.received(message);
      break;
    case 'mark':
      feed.mark(message);
      break;
    case 'fetch':
      feed.fetch(message);
      break;
    case 'subscribe':
      feed.requestView(message);
      break;
    case 'next':
      feed.requestMembers(message);
      break;
    case 'fault':
      feed.fault(message);
  }
};
