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
import { type SessionStore, runAtomically } from '../session/state/session-store.js';
import type { SyncedRealm } from '../session/sync-port.js';
import type { ClientSessionPorts } from '../session/binding/session-ports.js';
import { createSession, type ClientSession } from '../session/binding/session.js';
import { createTokens } from '../session/binding/tokens.js';
import { needsConnection } from '../session/state/transitions.js';
import { createUserIdentity, type UserIdentity } from './user-identity.js';
import { createDiscards, type Discards, type KnownStorage } from './discard-realms.js';
import { failureEventOf } from './log-events.js';
import type { RealmMember } from './realm-member.js';
import type { CheckedClientOptions } from './client-options.js';

/** What a client does for its realms, and its app for all of them. */
export interface ClientCore extends UserIdentity {
  readonly clock: Clock;
  /** How long a storage may take for an answer before that is told. */
  readonly storageTimeoutMs: number;
  readonly errors$: Observable<SyncError>;
  readonly reconnect: () => void;
  readonly isClosed: () => boolean;
  /** Makes a session, which starts when its realm has joined. */
  readonly createSession: (
    realm: SyncedRealm,
    options: Pick<ClientSessionPorts, 'realmName' | 'outbox' | 'initialDownload' | 'clientReset'> & {
      readonly paused: boolean;
    },
  ) => ClientSession;
  /** Takes note of a realm, until it has left. */
  readonly addMember: (member: RealmMember) => void;
  readonly removeMember: (member: RealmMember) => void;
  readonly members: () => readonly RealmMember[];
  /** Takes note of a storage, so that a log-out can clear it when its realm is closed. */
  readonly rememberStorage: (storage: unknown, known: KnownStorage) => void;
  /** What log-outs discard. */
  readonly discards: Pick<Discards, 'count' | 'clearing'>;
  /** The realms that are open with it, by their storage: one storage holds one realm. */
  readonly openRealms: Map<unknown, { readonly opened$: Observable<unknown> }>;
  /**
   * The names of realms, each with that of its storage, whose sessions were left paused: only `resume` changes that
   * (S6).
   */
  readonly pausedRealms: Set<string>;
  /** Somebody else, or the same again, is logged in; `null`: no token is needed. */
  readonly logIn: (accessToken: CheckedClientOptions['accessToken'], user: string | null) => void;

  /** How often that has happened. */
  readonly logIns: () => number;
  readonly logOut: () => void;
  /**
   * Logs out, and discards what all realms have. Emits once, when that is done, what could not be discarded; errors
   * with an `InvalidStateError` inside a write.
   */
  readonly logOutAndDiscard: () => Observable<readonly UndiscardedRealm[]>;
  /** Ends all sessions now. */
  readonly close: () => void;
}

const shareWhileSubscribed = <T>() =>
  share<T>({
    connector: () => new Subject(),
    resetOnRefCountZero: true,
    resetOnComplete: true,
    resetOnError: true,
  });

/** What all realms of a client share, and how it is told to try now, to hang up, and to be done. */
const createSharedParts = (
  { dial, accessToken, timeouts, reconnect$, clock, log }: CheckedClientOptions,
  troubled: (error: SyncError) => void,
) => {
  const reconnects = new Subject<void>();
  const partings = new Subject<void>(); // The user logged out: the line was this user's, and is nobody else's (C9).
  const closed = new ReplaySubject<void>(1);
  const any$ = merge(reconnects, reconnect$).pipe(shareWhileSubscribed());
  const hurry$ = any$.pipe(filter((trigger) => trigger !== 'offline')); // Without a network there is nothing to try.
  const tokens = createTokens(accessToken, { timeouts, clock, reconnect$: hurry$, onTrouble: troubled });
  const anyNudge$ = merge(hurry$, tokens.fresh$).pipe(shareWhileSubscribed());
  const connection = createConnection({
    ...{ dial, timeouts, clock, reconnect$: hurry$ },
    offline$: any$.pipe(filter((trigger) => trigger === 'offline')),
    token$: tokens.fresh$,
    tokens,
    closed$: merge(closed, partings),
    onOutage: (reason) => log({ level: 'warn', event: 'outage', reason }),
  });
  const reconnect = (): void => {
    connection.resetBackoff(); // For sessions to come, if none is there that wants the line.
    reconnects.next();
  };
  const parting = new BehaviorSubject(0);
  /**
   * Hangs up behind the sessions, which leave the line in their turn; a session that starts before that waits for a
   * line of its own.
   */
  const part = (): void => {
    parting.next(parting.value + 1);
    queueScheduler.schedule(() => {
      partings.next();
      parting.next(parting.value - 1);
    });
  };
  const later$ = parting.pipe(
    filter((count) => count === 0),
    take(1),
    switchMap(() => connection.state$),
  );
  const own = {
    get state$() {
      return parting.value === 0 ? connection.state$ : later$;
    },
  };
  return { reconnect, part, closed, connection: own, tokens, reconnect$: anyNudge$ };
};

/** Tells the app, and every session that waits, of a trouble of the client that ends nothing. */
const createTroubleReporter =
  (log: CheckedClientOptions['log'], errors: Subject<SyncError>, members: Iterable<RealmMember>) =>
  (error: SyncError): void => {
    log({ level: 'warn', event: 'failed', realm: null, error });
    errors.next(error);
    for (const { machine } of [...members])
      if (needsConnection(machine.getState().sync)) machine.dispatch({ type: 'trouble', error });
  };

/** The storages that a client has had open: the latest ones. */
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

/** What the commands of a client work on. */
interface CommandContext extends Pick<
  ReturnType<typeof createSharedParts>,
  'reconnect' | 'part' | 'closed' | 'tokens'
> {
  readonly members: ReadonlySet<RealmMember>;
  readonly errors: Subject<SyncError>;
  readonly user: { loggedIn: boolean; loggedOut: boolean; closed: boolean; logIns: number; id: string | null };
  readonly forEachSession: (tell: (session: SessionStore) => void) => void;
}

const logInMember = ({ machine }: RealmMember): void => {
  machine.dispatch({ type: 'input', input: 'logIn' });
};

/** The commands of an app: each is applied at once and as a whole, from wherever it is given. */
const createCommands = (
  { members, user, forEachSession, errors, reconnect, part, closed, tokens }: CommandContext,
  discards: Discards,
): Pick<ClientCore, 'logIn' | 'logOut' | 'logOutAndDiscard' | 'close'> => {
  const leave = (): void => {
    Object.assign(user, { loggedIn: false, loggedOut: true });
    const by = new SessionClosedError('The user logged out.');
    forEachSession((session) => session.dispatch({ type: 'loggedOut', by }));
    part();
    tokens.setSource(null);
  };
  return {
    logIn: (next, id) => {
      runAtomically(() => {
        if (user.loggedIn && user.id !== null && id !== null && id !== user.id) leave(); // The line is the other user's.
        Object.assign(user, { loggedIn: true, loggedOut: false, logIns: user.logIns + 1, id });
        // What is being discarded must not be sent as the next user's.
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

/** The inside of a client: one connection, one token, and everybody who shares them. */
export const createClientCore = (options: CheckedClientOptions): ClientCore => {
  const { clock, log, timeouts } = options;
  const members = new Set<RealmMember>();
  const errors = new Subject<SyncError>();
  const troubled = createTroubleReporter(log, errors, members);
  const { reconnect, part, closed, ...shared } = createSharedParts(options, troubled);
  const user = { loggedIn: true, loggedOut: false, closed: false, logIns: 0, id: options.user };
  const openRealms: ClientCore['openRealms'] = new Map();
  const { storages, rememberStorage } = createKnownStorages();
  const everyone = (tell: (session: SessionStore) => void): void =>
    [...members].forEach(({ machine }) => tell(machine));

  /** An error of the user's ends the sessions of all its realms (S19), before anybody hears of it and logs in again. */
  const failed = (error: SyncError): void => {
    if (error.level !== 'client' || !user.loggedIn) return;
    user.loggedIn = false;
    everyone((machine) => machine.dispatch({ type: 'fatal', error }));
  };
  let latest: SyncError | null = null; // Every session has heard of it.
  const heard = (realm: string, error: SyncError): void => {
    const event = failureEventOf(realm, error);
    if (error.level === 'client' && !error.fatal) return; // It was told of by itself.
    if (event && error !== latest) log(event);
    latest = error;
    errors.next(error);
  };

  const ready = (member: RealmMember): void => {
    if (user.loggedIn && !user.closed) logInMember(member);
  };
  const discards = createDiscards({ clock, user: () => user.id, members, openRealms, storages, onDiscarded: ready });

  return {
    clock,
    storageTimeoutMs: timeouts.storage,
    errors$: errors.pipe(distinctUntilChanged()), // One error of the connection is told by every session.
    reconnect,
    isClosed: () => user.closed,
    ...{ openRealms, rememberStorage, discards },
    pausedRealms: new Set(),
    createSession: (realm, { paused, ...own }) => {
      const start = paused ? 'paused' : 'inactive'; // Until it has joined.
      const onError = (error: SyncError): void => heard(own.realmName, error);
      const { loggedOut } = user;
      const ports = { timeouts, clock, realm, onError, onFatalError: failed, start, loggedOut } as const;
      return createSession({ ...own, ...shared, ...ports, user: () => user.id });
    },
    addMember: (member) => {
      members.add(member);
      if (user.closed)
        closeSession(member.machine); // The client was closed while the realm was being opened.
      // Only now, because what comes of it may have the app log out or in, and that is for this one, too.
      else if (user.loggedIn) member.machine.dispatch({ type: 'input', input: 'open' });
    },
    removeMember: (member) => void members.delete(member),
    members: () => [...members],
    ...{ logIns: () => user.logIns, ...createUserIdentity(user, shared.tokens) },
    ...createCommands(
      { members, user, forEachSession: everyone, errors, reconnect, part, closed, tokens: shared.tokens },
      discards,
    ),
  };
};

const closeSession = (session: SessionStore): void =>
  session.dispatch({ type: 'closed', immediately: true, by: new SessionClosedError('The client was closed.') });
