import {
  distinctUntilChanged,
  filter,
  merge,
  type Observable,
  queueScheduler,
  ReplaySubject,
  share,
  Subject,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { SessionClosedError, type SyncError } from '../model/errors.js';
import { createConnection } from '../session/connection.js';
import type { Machine } from '../session/machine.js';
import type { SyncedRealm } from '../session/realm.js';
import type { SessionPorts } from '../session/ports.js';
import { createSession } from '../session/session.js';
import { createTokens } from '../session/tokens.js';
import { wantsLine } from '../session/transitions.js';
import { failure } from './log.js';
import type { CheckedClientOptions } from './options.js';

/** A realm that a client has open, as far as the client cares. */
export interface Member {
  readonly machine: Machine;
  /** Throws away what is only here: the realm is what the server has, once it has been downloaded again. Cold; emits nothing. */
  readonly discard: () => Observable<never>;
  /** Emits once and completes when its storage is closed, which follows the end of its session. Replays; never errors. */
  readonly released$: Observable<unknown>;
}

/** What a client does for its realms, and its app for all of them. */
export interface ClientCore {
  readonly clock: Clock;
  readonly error$: Observable<SyncError>;
  readonly reconnect: () => void;
  readonly isClosed: () => boolean;
  /** Starts a session. */
  readonly session: (
    realm: SyncedRealm,
    options: Pick<SessionPorts, 'realmName' | 'outbox' | 'here' | 'clientReset'> & { readonly paused: boolean },
  ) => Machine;
  /** Takes note of a realm, until it has left. */
  readonly joined: (member: Member) => void;
  readonly left: (member: Member) => void;
  readonly members: () => readonly Member[];
  /** The realms that are open with it, by their storage: one storage holds one realm. */
  readonly open: Map<unknown, unknown>;
  /** The names of realms, each with that of its storage, whose sessions were left paused: only `resume` changes that (S6). */
  readonly paused: Set<string>;
  /** Somebody else, or the same again, is logged in; `null`: no token is needed. */
  readonly logIn: (accessToken: CheckedClientOptions['accessToken']) => void;
  /** How often that has happened. */
  readonly logIns: () => number;
  readonly logOut: () => void;
  /** Ends all sessions now, and says which realms there were to be released. */
  readonly close: () => readonly Member[];
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
  return { reconnect, partings, closed, connection, tokens, nudge$: anyNudge$ };
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

/** The inside of a client: one connection, one token, and everybody who shares them. */
export const createClientCore = (options: CheckedClientOptions): ClientCore => {
  const { clock, log, timeouts } = options;
  const members = new Set<Member>();
  const errors = new Subject<SyncError>();
  const { reconnect, partings, closed, ...shared } = sharedBy(options, troubling(log, errors, members));
  const user = { loggedIn: true, loggedOut: false, closed: false, logIns: 0 };
  const everyone = (tell: (machine: Machine) => void): void => [...members].forEach(({ machine }) => tell(machine));

  /** An error of the user's ends the sessions of all its realms (S19). */
  const heard = (realm: string, error: SyncError): void => {
    const event = failure(realm, error);
    if (error.level === 'client' && !error.fatal) return; // It was told of by itself.
    if (event && (error.level === 'session' || error.level === 'object' || user.loggedIn)) log(event);
    errors.next(error);
    if (error.level !== 'client' || !user.loggedIn) return;
    user.loggedIn = false;
    everyone((machine) => machine.dispatch({ type: 'fatal', error }));
  };

  return {
    clock,
    error$: errors.pipe(distinctUntilChanged()), // One error of the connection is told by every session.
    reconnect,
    isClosed: () => user.closed,
    open: new Map(),
    paused: new Set(),
    session: (realm, { paused, ...own }) => {
      const start = paused ? 'paused' : user.loggedIn && !user.closed ? 'active' : 'inactive';
      const hears = (error: SyncError): void => heard(own.realmName, error);
      const { loggedOut } = user;
      return createSession({ ...own, ...shared, timeouts, clock, realm, heard: hears, start, loggedOut });
    },
    joined: (member) => {
      members.add(member);
      if (user.closed) closeOne(member.machine); // The client was closed while the realm was being opened.
    },
    left: (member) => void members.delete(member),
    members: () => [...members],
    logIn: (next) => {
      shared.tokens.use(next);
      Object.assign(user, { loggedIn: true, loggedOut: false, logIns: user.logIns + 1 });
      shared.connection.startOver();
      everyone((machine) => machine.dispatch({ type: 'input', input: 'logIn' }));
      reconnect();
    },
    logIns: () => user.logIns,
    logOut: () => {
      Object.assign(user, { loggedIn: false, loggedOut: true });
      shared.tokens.use(null);
      const by = new SessionClosedError('The user logged out.');
      everyone((machine) => machine.dispatch({ type: 'loggedOut', by }));
      queueScheduler.schedule(() => partings.next()); // Inside an observer the sessions leave the line later, in their turn.
    },
    close: () => {
      user.closed = true;
      const all = [...members];
      everyone(closeOne);
      errors.complete();
      closed.next();
      return all;
    },
  };
};

const closeOne = (machine: Machine): void =>
  machine.dispatch({ type: 'closed', immediately: true, by: new SessionClosedError('The client was closed.') });
