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
import { createConnection } from '../session/connection.js';
import { type Machine, whole } from '../session/machine.js';
import type { SyncedRealm } from '../session/realm.js';
import type { SessionPorts } from '../session/ports.js';
import { createSession, type SessionMachine } from '../session/session.js';
import { createTokens } from '../session/tokens.js';
import { wantsLine } from '../session/transitions.js';
import { knownBy, type KnownUser } from './known-user.js';
import { createDiscards, type Discards, type KnownStorage } from './discards.js';
import { failure } from './log.js';
import type { Member } from './member.js';
import type { CheckedClientOptions } from './options.js';

/** What a client does for its realms, and its app for all of them. */
export interface ClientCore extends KnownUser {
  readonly clock: Clock;
  /** How long a storage may take for an answer before that is told. */
  readonly storageMs: number;
  readonly error$: Observable<SyncError>;
  readonly reconnect: () => void;
  readonly isClosed: () => boolean;
  /** Makes a session, which starts when its realm has joined. */
  readonly session: (
    realm: SyncedRealm,
    options: Pick<SessionPorts, 'realmName' | 'outbox' | 'here' | 'clientReset'> & { readonly paused: boolean },
  ) => SessionMachine;
  /** Takes note of a realm, until it has left. */
  readonly joined: (member: Member) => void;
  readonly left: (member: Member) => void;
  readonly members: () => readonly Member[];
  /** Takes note of a storage, so that a log-out can clear it when its realm is closed. */
  readonly remember: (storage: unknown, known: KnownStorage) => void;
  /** What log-outs discard. */
  readonly discards: Pick<Discards, 'times' | 'clearing'>;
  /** The realms that are open with it, by their storage: one storage holds one realm. */
  readonly open: Map<unknown, { readonly opened$: Observable<unknown> }>;
  /** The names of realms, each with that of its storage, whose sessions were left paused: only `resume` changes that (S6). */
  readonly paused: Set<string>;
  /** Somebody else, or the same again, is logged in; `null`: no token is needed. */
  readonly logIn: (accessToken: CheckedClientOptions['accessToken'], user: string | null) => void;

  /** How often that has happened. */
  readonly logIns: () => number;
  readonly logOut: () => void;
  /** Logs out, and discards what all realms have. Emits once, when that is done, what could not be discarded; errors with an `InvalidStateError` inside a write. */
  readonly logOutAndDiscard: () => Observable<readonly UndiscardedRealm[]>;
  /** Ends all sessions now. */
  readonly close: () => void;
}

const sharing = <T>() =>
  share<T>({
    connector: () => new Subject(),
    resetOnRefCountZero: true,
    resetOnComplete: true,
    resetOnError: true,
  });

/** What all realms of a client share, and how it is told to try now, to hang up, and to be done. */
const sharedBy = (
  { dial, accessToken, timeouts, nudge$, clock, log }: CheckedClientOptions,
  troubled: (error: SyncError) => void,
) => {
  const nudges = new Subject<void>();
  const partings = new Subject<void>(); // The user logged out: the line was this user's, and is nobody else's (C9).
  const closed = new ReplaySubject<void>(1);
  const any$ = merge(nudges, nudge$).pipe(sharing());
  const hurry$ = any$.pipe(filter((nudge) => nudge !== 'offline')); // Without a network there is nothing to try.
  const tokens = createTokens(accessToken, { timeouts, clock, nudge$: hurry$, troubled });
  const anyNudge$ = merge(hurry$, tokens.fresh$).pipe(sharing());
  const connection = createConnection({
    ...{ dial, timeouts, clock, nudge$: hurry$ },
    offline$: any$.pipe(filter((nudge) => nudge === 'offline')),
    token$: tokens.fresh$,
    tokens,
    closed$: merge(closed, partings),
    outage: (reason) => log({ level: 'warn', event: 'outage', reason }),
  });
  const reconnect = (): void => {
    connection.startOver(); // For sessions to come, if none is there that wants the line.
    nudges.next();
  };
  const parting = new BehaviorSubject(0);
  /** Hangs up behind the sessions, which leave the line in their turn; a session that starts before that waits for a line of its own. */
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
    switchMap(() => connection.line$),
  );
  const own = {
    get line$() {
      return parting.value === 0 ? connection.line$ : later$;
    },
  };
  return { reconnect, part, closed, connection: own, tokens, nudge$: anyNudge$ };
};

/** Tells the app, and every session that waits, of a trouble of the client that ends nothing. */
const troubling =
  (log: CheckedClientOptions['log'], errors: Subject<SyncError>, members: Iterable<Member>) =>
  (error: SyncError): void => {
    log({ level: 'warn', event: 'failed', realm: null, error });
    errors.next(error);
    for (const { machine } of [...members])
      if (wantsLine(machine.present().sync)) machine.dispatch({ type: 'trouble', error });
  };

/** The storages that a client has had open: the latest ones. */
const createMemory = () => {
  const storages = new Map<unknown, KnownStorage>();
  const remember = (storage: unknown, known: KnownStorage): void => {
    storages.delete(storage);
    storages.set(storage, known);
    const [first] = storages.keys();
    if (storages.size > limits.storagesKnownMax) storages.delete(first);
  };
  return { storages, remember };
};

/** What the commands of a client work on. */
interface Inside extends Pick<ReturnType<typeof sharedBy>, 'reconnect' | 'part' | 'closed' | 'tokens'> {
  readonly members: ReadonlySet<Member>;
  readonly errors: Subject<SyncError>;
  readonly user: { loggedIn: boolean; loggedOut: boolean; closed: boolean; logIns: number; id: string | null };
  readonly everyone: (tell: (machine: Machine) => void) => void;
}

const enter = ({ machine }: Member): void => {
  machine.dispatch({ type: 'input', input: 'logIn' });
};

/** The commands of an app: each is applied at once and as a whole, from wherever it is given. */
const commandsOn = (
  { members, user, everyone, errors, reconnect, part, closed, tokens }: Inside,
  discards: Discards,
): Pick<ClientCore, 'logIn' | 'logOut' | 'logOutAndDiscard' | 'close'> => {
  const leave = (): void => {
    Object.assign(user, { loggedIn: false, loggedOut: true });
    const by = new SessionClosedError('The user logged out.');
    everyone((machine) => machine.dispatch({ type: 'loggedOut', by }));
    part();
    tokens.use(null);
  };
  return {
    logIn: (next, id) => {
      whole(() => {
        if (user.loggedIn && user.id !== null && id !== null && id !== user.id) leave(); // The line is the other user's.
        Object.assign(user, { loggedIn: true, loggedOut: false, logIns: user.logIns + 1, id });
        // What is being discarded must not be sent as the next user's.
        [...members].filter((member) => !discards.has(member)).forEach(enter);
        tokens.use(next);
        reconnect();
      });
    },
    logOut: () => {
      whole(leave);
    },
    logOutAndDiscard: () => {
      const outcomes: Observable<readonly UndiscardedRealm[]>[] = [];
      discards.check();
      whole(() => outcomes.push(discards.begin(leave)));
      return concat(...outcomes);
    },
    close: () => {
      user.closed = true;
      whole(() => {
        everyone(closeOne);
      });
      errors.complete();
      closed.next();
    },
  };
};

/** The inside of a client: one connection, one token, and everybody who shares them. */
export const createClientCore = (options: CheckedClientOptions): ClientCore => {
  const { clock, log, timeouts } = options;
  const members = new Set<Member>();
  const errors = new Subject<SyncError>();
  const { reconnect, part, closed, ...shared } = sharedBy(options, troubling(log, errors, members));
  const user = { loggedIn: true, loggedOut: false, closed: false, logIns: 0, id: options.user };
  const open: ClientCore['open'] = new Map();
  const { storages, remember } = createMemory();
  const everyone = (tell: (machine: Machine) => void): void => [...members].forEach(({ machine }) => tell(machine));

  /** An error of the user's ends the sessions of all its realms (S19), before anybody hears of it and logs in again. */
  const failed = (error: SyncError): void => {
    if (error.level !== 'client' || !user.loggedIn) return;
    user.loggedIn = false;
    everyone((machine) => machine.dispatch({ type: 'fatal', error }));
  };
  let latest: SyncError | null = null; // Every session has heard of it.
  const heard = (realm: string, error: SyncError): void => {
    const event = failure(realm, error);
    if (error.level === 'client' && !error.fatal) return; // It was told of by itself.
    if (event && error !== latest) log(event);
    latest = error;
    errors.next(error);
  };

  const ready = (member: Member): void => {
    if (user.loggedIn && !user.closed) enter(member);
  };
  const discards = createDiscards({ clock, user: () => user.id, members, open, storages, ready });

  return {
    clock,
    storageMs: timeouts.storage,
    error$: errors.pipe(distinctUntilChanged()), // One error of the connection is told by every session.
    reconnect,
    isClosed: () => user.closed,
    ...{ open, remember, discards },
    paused: new Set(),
    session: (realm, { paused, ...own }) => {
      const start = paused ? 'paused' : 'inactive'; // Until it has joined.
      const hears = (error: SyncError): void => heard(own.realmName, error);
      const { loggedOut } = user;
      return createSession({
        ...own,
        ...shared,
        user: () => user.id,
        heard: hears,
        ...{ timeouts, clock, realm, failed, start, loggedOut },
      });
    },
    joined: (member) => {
      members.add(member);
      if (user.closed)
        closeOne(member.machine); // The client was closed while the realm was being opened.
      // Only now, because what comes of it may have the app log out or in, and that is for this one, too.
      else if (user.loggedIn) member.machine.dispatch({ type: 'input', input: 'open' });
    },
    left: (member) => void members.delete(member),
    members: () => [...members],
    ...{ logIns: () => user.logIns, ...knownBy(user, shared.tokens) },
    ...commandsOn({ members, user, everyone, errors, reconnect, part, closed, tokens: shared.tokens }, discards),
  };
};

const closeOne = (machine: Machine): void =>
  machine.dispatch({ type: 'closed', immediately: true, by: new SessionClosedError('The client was closed.') });
