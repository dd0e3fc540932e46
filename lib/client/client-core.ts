import {
  BehaviorSubject,
  concat,
  distinctUntilChanged,
  filter,
  merge,
  type Observable,
  queueScheduler,
  ReplaySubject,
  share,
  Subject,
  switchMap,
  take,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { SessionClosedError, type SyncError, type UndiscardedRealm } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { createConnection } from '../session/connection/connection.js';
import type { SimulatedFault } from '../session/connection/connection-attempt.js';
import { type SessionStore, runAtomically } from '../session/state/session-store.js';
import type { SyncedRealm } from '../model/sync-port.js';
import type { ClientSessionPorts } from '../session/binding/session-ports.js';
import { createSession, type ClientSession } from '../session/binding/session.js';
import { createTokens } from '../session/binding/tokens.js';
import { needsConnection } from '../session/state/transitions.js';
import { createUserIdentity, type UserIdentity } from './user-identity.js';
import { createDiscards, type Discards, type KnownStorage } from './discard-realms.js';
import { failureEventOf } from './log-events.js';
import type { RealmMember } from './realm-member.js';
import type { CheckedClientOptions } from './client-options.js';

/** The internals of a client that its realms share. */
export interface ClientCore extends UserIdentity {
  readonly clock: Clock;
  /** Milliseconds that a call of the storage may take before the session reports it. */
  readonly storageTimeoutMs: number;
  readonly errors$: Observable<SyncError>;
  readonly reconnect: () => void;
  readonly isClosed: () => boolean;
  /** Whether a user is logged in, and the client is not closed. */
  readonly isLoggedIn: () => boolean;
  readonly isLoggedOut: () => boolean;
  /** Closes the connection, if no session needs it, without waiting for another session. */
  readonly endLinger: () => void;
  /** Reports an error of a session that another tab has. */
  readonly reportError: (realm: string, error: SyncError) => void;
  /** Creates a session. It starts when its realm is added by `addMember`. */
  readonly createSession: (
    realm: SyncedRealm,
    options: Pick<
      ClientSessionPorts,
      'realmName' | 'outbox' | 'initialDownload' | 'known' | 'clientReset' | 'onReleased'
    > & {
      readonly paused: boolean;
    },
  ) => ClientSession;
  /** Registers an open realm until `removeMember`. */
  readonly addMember: (member: RealmMember) => void;
  /** Emits each realm that is added, before its session starts. Hot. */
  readonly memberAdded$: Observable<RealmMember>;
  /** The errors of every connection and attempt, or `null`. For the inspector, which simulates faults. */
  readonly fault$: BehaviorSubject<SimulatedFault | null>;
  readonly removeMember: (member: RealmMember) => void;
  readonly members: () => readonly RealmMember[];
  /** Remembers a storage, so that a log-out can clear it after its realm is closed. */
  readonly rememberStorage: (storage: unknown, known: KnownStorage) => void;
  /** The discards of log-outs that are in progress. */
  readonly discards: Pick<Discards, 'count' | 'clearing'>;
  /** The open realms by their storage: one storage holds one realm. */
  readonly openRealms: Map<unknown, { readonly opened$: Observable<unknown> }>;
  /**
   * The realms whose sessions were paused when they were closed, by the names of realm and storage. They open paused:
   * only `resume` ends a pause (S6).
   */
  readonly pausedRealms: Set<string>;
  /** Logs a user in; the previous user again or another one. `accessToken` is `null` when no token is needed. */
  readonly logIn: (accessToken: CheckedClientOptions['accessToken'], user: string | null) => void;
  /** The number of log-ins so far. */
  readonly logIns: () => number;
  readonly logOut: () => void;
  /**
   * Logs out and deletes the data of all realms. Emits once, when that is done: the realms whose data could not be
   * deleted. Errors with an `InvalidStateError` inside a write.
   */
  readonly logOutAndDiscard: () => Observable<readonly UndiscardedRealm[]>;
  /** Ends all sessions immediately. */
  readonly close: () => void;
}

const shareWhileSubscribed = <T>() =>
  share<T>({
    connector: () => new Subject(),
    resetOnRefCountZero: true,
    resetOnComplete: true,
    resetOnError: true,
  });

/** Creates the parts that all realms of a client share: connection, tokens and reconnect triggers. */
const createSharedParts = (
  { dial, accessToken, timeouts, reconnect$, clock, log }: CheckedClientOptions,
  reportTrouble: (error: SyncError) => void,
  members: Iterable<RealmMember>,
) => {
  const fault$ = new BehaviorSubject<SimulatedFault | null>(null);
  const reconnects = new Subject<void>();
  const disconnects = new Subject<void>(); // After a log-out: the connection must not serve another user (C9).
  const closed = new ReplaySubject<void>(1);
  const any$ = merge(reconnects, reconnect$).pipe(shareWhileSubscribed());
  const connectNow$ = any$.pipe(filter((trigger) => trigger !== 'offline')); // Without a network an attempt is futile.
  const tokens = createTokens(accessToken, { timeouts, clock, reconnect$: connectNow$, onTrouble: reportTrouble });
  const sessionTrigger$ = merge(connectNow$, tokens.fresh$).pipe(shareWhileSubscribed());
  const connection = createConnection({
    ...{ dial, timeouts, clock, reconnect$: connectNow$ },
    offline$: any$.pipe(filter((trigger) => trigger === 'offline')),
    token$: tokens.fresh$,
    tokens,
    closed$: merge(closed, disconnects),
    fault$,
    onOutage: (reason) => log({ level: 'warn', event: 'outage', reason }),
  });
  const reconnect = (): void => {
    connection.resetBackoff(); // For later sessions, when none needs the connection now.
    reconnects.next();
    for (const member of members) member.reconnect?.();
  };
  /** After the sessions have left, each when its queued event is processed. */
  const endLinger = (): void => {
    queueScheduler.schedule(() => disconnects.next());
  };
  const pendingDisconnects = new BehaviorSubject(0);
  /**
   * Closes the connection after the sessions have left it, each when its queued event is processed. A session that
   * starts before that waits for a new connection.
   */
  const disconnect = (): void => {
    pendingDisconnects.next(pendingDisconnects.value + 1);
    queueScheduler.schedule(() => {
      disconnects.next();
      pendingDisconnects.next(pendingDisconnects.value - 1);
    });
  };
  const newConnectionState$ = pendingDisconnects.pipe(
    filter((count) => count === 0),
    take(1),
    switchMap(() => connection.state$),
  );
  const sharedConnection = {
    get state$() {
      return pendingDisconnects.value === 0 ? connection.state$ : newConnectionState$;
    },
  };
  return {
    reconnect,
    endLinger,
    disconnect,
    closed,
    connection: sharedConnection,
    tokens,
    reconnect$: sessionTrigger$,
    fault$,
  };
};

/** Reports an error of the client that is not fatal to the app, and to every session that needs a connection. */
const createTroubleReporter =
  (log: CheckedClientOptions['log'], errors: Subject<SyncError>, members: Iterable<RealmMember>) =>
  (error: SyncError): void => {
    log({ level: 'warn', event: 'failed', realm: null, error });
    errors.next(error);
    for (const { machine } of [...members])
      if (needsConnection(machine.getState().sync)) machine.dispatch({ type: 'trouble', error });
  };

/** Reports an error of a session to the app. */
const createErrorReporter = (log: CheckedClientOptions['log'], errors: Subject<SyncError>) => {
  let latest: SyncError | null = null; // Every session reports an error of the connection.
  return (realm: string, error: SyncError): void => {
    const event = failureEventOf(realm, error);
    if (error.level === 'client' && !error.fatal) return; // The trouble reporter has reported it.
    if (event && error !== latest) log(event);
    latest = error;
    errors.next(error);
  };
};

/** Remembers the storages that a client had open; the latest `storagesKnownMax` of them. */
const createKnownStorages = () => {
  const storages = new Map<unknown, KnownStorage>();
  const rememberStorage = (storage: unknown, known: KnownStorage): void => {
    storages.delete(storage);
    storages.set(storage, known);
    const [first] = storages.keys();
    if (storages.size > limits.storagesKnownMax) storages.delete(first);
  };
  return { storages, rememberStorage };
};

interface CommandContext extends Pick<
  ReturnType<typeof createSharedParts>,
  'reconnect' | 'disconnect' | 'closed' | 'tokens'
> {
  readonly members: ReadonlySet<RealmMember>;
  readonly errors: Subject<SyncError>;
  readonly user: { loggedIn: boolean; loggedOut: boolean; closed: boolean; logIns: number; id: string | null };
  readonly forEachSession: (apply: (session: SessionStore) => void) => void;
}

const logInMember = ({ machine }: RealmMember): void => {
  machine.dispatch({ type: 'input', input: 'logIn' });
};

/** Creates the commands of an app. Each is applied synchronously and as a whole, also inside an observer. */
const createCommands = (
  { members, user, forEachSession, errors, reconnect, disconnect, closed, tokens }: CommandContext,
  discards: Discards,
): Pick<ClientCore, 'logIn' | 'logOut' | 'logOutAndDiscard' | 'close'> => {
  const leave = (): void => {
    Object.assign(user, { loggedIn: false, loggedOut: true });
    const by = new SessionClosedError('The user logged out.');
    forEachSession((session) => session.dispatch({ type: 'loggedOut', by }));
    disconnect();
    tokens.setSource(null);
  };
  return {
    logIn: (next, id) => {
      runAtomically(() => {
        if (user.loggedIn && user.id !== null && id !== null && id !== user.id) leave(); // The connection belongs to the previous user.
        Object.assign(user, { loggedIn: true, loggedOut: false, logIns: user.logIns + 1, id });
        // Data that is still being discarded must not be uploaded as that of the next user.
        [...members].filter((member) => !discards.isDiscarding(member)).forEach(logInMember);
        tokens.setSource(next);
        reconnect();
      });
    },
    logOut: () => {
      runAtomically(leave);
    },
    logOutAndDiscard: () => {
      const outcomes: Observable<readonly UndiscardedRealm[]>[] = [];
      discards.checkNotWriting();
      runAtomically(() => outcomes.push(discards.begin(leave)));
      return concat(...outcomes);
    },
    close: () => {
      user.closed = true;
      runAtomically(() => {
        forEachSession(closeSession);
      });
      errors.complete();
      closed.next();
    },
  };
};

/** Creates the internals of a client: one connection and one token for all of its realms. */
export const createClientCore = (options: CheckedClientOptions): ClientCore => {
  const { clock, log, timeouts } = options;
  const members = new Set<RealmMember>();
  const errors = new Subject<SyncError>();
  const reportTrouble = createTroubleReporter(log, errors, members);
  const memberAdded$ = new Subject<RealmMember>();
  const parts = createSharedParts(options, reportTrouble, members);
  const { reconnect, endLinger, disconnect, closed, fault$, ...shared } = parts;
  const user = { loggedIn: true, loggedOut: false, closed: false, logIns: 0, id: options.user };
  const openRealms: ClientCore['openRealms'] = new Map();
  const { storages, rememberStorage } = createKnownStorages();
  const forEachSession = (apply: (session: SessionStore) => void): void =>
    [...members].forEach(({ machine }) => apply(machine));

  /**
   * Ends the sessions of all realms after an error of the user (S19), before the app sees the error and may log in
   * again.
   */
  const endAllSessions = (error: SyncError): void => {
    if (error.level !== 'client' || !user.loggedIn) return;
    user.loggedIn = false;
    forEachSession((machine) => machine.dispatch({ type: 'fatal', error }));
  };
  const reportError = createErrorReporter(log, errors);
  const logInIfPossible = (member: RealmMember): void => {
    if (user.loggedIn && !user.closed) logInMember(member);
  };
  const known = { clock, members, openRealms, storages };
  const discards = createDiscards({ ...known, user: () => user.id, onDiscarded: logInIfPossible });

  return {
    storageTimeoutMs: timeouts.storage,
    errors$: errors.pipe(distinctUntilChanged()), // Every session reports an error of the connection.
    reconnect,
    isClosed: () => user.closed,
    ...{ isLoggedIn: () => user.loggedIn && !user.closed, isLoggedOut: () => user.loggedOut, endLinger, reportError },
    ...{ clock, fault$, memberAdded$, openRealms, rememberStorage, discards },
    pausedRealms: new Set(),
    createSession: (realm, { paused, ...own }) => {
      const start = paused ? 'paused' : 'inactive'; // Until `addMember`.
      const onError = (error: SyncError): void => reportError(own.realmName, error);
      const { loggedOut } = user;
      const ports = { timeouts, clock, realm, onError, onFatalError: endAllSessions, start, loggedOut } as const;
      return createSession({ ...own, ...shared, ...ports, user: () => user.id });
    },
    addMember: (member) => {
      members.add(member);
      memberAdded$.next(member);
      if (user.closed)
        closeSession(member.machine); // The client was closed while the realm was being opened.
      // Last, because the observers of this event may log out or in, which must apply to this realm too.
      else if (user.loggedIn) member.machine.dispatch({ type: 'input', input: 'open' });
    },
    removeMember: (member) => void members.delete(member),
    members: () => [...members],
    ...{ logIns: () => user.logIns, ...createUserIdentity(user, shared.tokens) },
    ...createCommands(
      { members, user, forEachSession, errors, reconnect, disconnect, closed, tokens: shared.tokens },
      discards,
    ),
  };
};

const closeSession = (session: SessionStore): void =>
  session.dispatch({ type: 'closed', immediately: true, by: new SessionClosedError('The client was closed.') });
