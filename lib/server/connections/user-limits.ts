import type { Subscription } from 'rxjs';
import { serverLimits } from '../server-limits.js';
import { createAllowance, type Allowance } from './traffic-allowance.js';
import { SessionFailure } from '../server-errors.js';
import type { ServerLimits } from '../server-options.js';
import { createRateLimit } from './rate-limit.js';

/** A session that counts for its user. */
export interface CountedSession {
  /** Unsubscribed when the session ends. */
  readonly teardown: Subscription;
  /** Ends the session with an error. */
  failed(thrown: unknown): void;
}

/** The share of one connection in the limits of its user. */
export interface ConnectionUsage {
  /** Allowance for frames and bytes, shared by all connections of the user. */
  readonly allowance: Allowance;
  /** Counts a session of a realm until its teardown. Throws a `SessionFailure` when its user has too many. */
  addSession(realm: string, session: CountedSession): void;
  /**
   * Ends the sessions of one realm to make room for a realm of this user, and returns its name. Returns `null` if no
   * realm should give way.
   */
  makeRoom(isOpen: (realm: string) => boolean): string | null;
  /** The connection is closed. */
  release(): void;
}

/** All connected users, and the resources of each. */
export interface ConnectedUsers {
  /**
   * Counts a connection of a user; `null` without authentication. Throws a `SessionFailure` when the user has too many.
   */
  readonly addConnection: (id: string | null) => ConnectionUsage;
  /** Remembers when a realm was last written to. */
  readonly noteWrite: (realm: string) => void;
}

type UserLimits = Pick<
  ServerLimits,
  | 'connectionsPerUserMax'
  | 'sessionsPerUserMax'
  | 'realmsPerUserMax'
  | 'framesPerUserPerSecondMax'
  | 'bytesPerUserPerSecondMax'
>;

export interface ConnectedUsersOptions {
  readonly limits: UserLimits;
  readonly now: () => number;
}

interface CountedUser {
  readonly id: string | null;
  readonly allowance: Allowance;
  connections: number;
  sessions: number;
  /** Sessions by realm. */
  readonly realms: Map<string, number>;
}

interface RealmUse {
  readonly sessions: Set<readonly [CountedUser, CountedSession]>;
  writtenAt: number;
}

/**
 * Returns the smallest number of open realms among the users of this realm. The user with the fewest realms protects
 * it.
 */
const weightOf = ({ sessions }: RealmUse): number => {
  let least = Infinity;
  for (const [{ realms }] of sessions) least = Math.min(least, realms.size);
  return least;
};

const createTooManyError = (text: string): SessionFailure => new SessionFailure('too-many-sessions', text, 'later');

const checkUser = ({ sessions, realms }: CountedUser, realm: string, limits: UserLimits): void => {
  const { sessionsPerUserMax, realmsPerUserMax } = limits;
  if (sessions >= sessionsPerUserMax)
    throw createTooManyError(`The user has ${sessions} sessions. sessionsPerUserMax is ${sessionsPerUserMax}.`);
  if (realms.size >= realmsPerUserMax && !realms.has(realm))
    throw createTooManyError(`The user has ${realms.size} open realms. realmsPerUserMax is ${realmsPerUserMax}.`);
};

/** Searches for room per second: each search visits every open realm. */
const searchesPerSecondMax = 50;

const createRealmUses = (now: () => number) => {
  const uses = new Map<string, RealmUse>();
  const maySearch = createRateLimit(searchesPerSecondMax, now);

  const chooseVictim = (realmCount: number, isOpen: (realm: string) => boolean): string | null => {
    let [victim, heaviest, oldest]: [string | null, number, number] = [
      null,
      realmCount,
      now() - serverLimits.realmIdleMs,
    ];
    for (const [realm, use] of uses) {
      const weight = weightOf(use);
      if (weight < heaviest || (weight === heaviest && use.writtenAt >= oldest) || !isOpen(realm)) continue;
      [victim, heaviest, oldest] = [realm, weight, use.writtenAt];
    }
    return victim;
  };

  return {
    add: (realm: string, session: readonly [CountedUser, CountedSession]): void => {
      const use = uses.get(realm) ?? { sessions: new Set(), writtenAt: now() };
      uses.set(realm, use);
      use.sessions.add(session);
    },
    remove: (realm: string, session: readonly [CountedUser, CountedSession]): void => {
      const use = uses.get(realm);
      use?.sessions.delete(session);
      if (use?.sessions.size === 0) uses.delete(realm);
    },
    noteWrite: (realm: string): void => {
      const use = uses.get(realm);
      if (use) use.writtenAt = now();
    },
    /**
     * Evicts a realm whose users all have more open realms than `realmCount`, or equally many if the realm was not
     * written to for `realmIdleMs`. Ends its sessions.
     */
    evict: (realmCount: number, isOpen: (realm: string) => boolean): string | null => {
      const victim = maySearch() ? chooseVictim(realmCount, isOpen) : null;
      if (victim === null) return null;
      const evicted = createTooManyError(
        'The realm was closed for another user, because its users have more open realms or did not write to it.',
      );
      for (const [, session] of [...(uses.get(victim)?.sessions ?? [])]) session.failed(evicted);
      return victim;
    },
  };
};

/** Limits and counts that the connections of all users share. */
interface SharedUsage {
  readonly limits: UserLimits;
  readonly known: Map<string, CountedUser>;
  readonly realmUses: ReturnType<typeof createRealmUses>;
}

/** The count of one session. A class, because a server has one for each session. */
class SessionCount {
  private readonly held: readonly [CountedUser, CountedSession];

  constructor(
    private readonly shared: SharedUsage,
    private readonly realm: string,
    user: CountedUser,
    session: CountedSession,
  ) {
    this.held = [user, session];
    user.sessions += 1;
    user.realms.set(realm, (user.realms.get(realm) ?? 0) + 1);
    shared.realmUses.add(realm, this.held);
  }

  unsubscribe(): void {
    const [user] = this.held;
    user.sessions -= 1;
    const left = (user.realms.get(this.realm) ?? 1) - 1;
    if (left > 0) user.realms.set(this.realm, left);
    else user.realms.delete(this.realm);
    this.shared.realmUses.remove(this.realm, this.held);
  }
}

/** A class, because a server has one for each connection. */
class UserConnection implements ConnectionUsage {
  constructor(
    private readonly shared: SharedUsage,
    private readonly user: CountedUser,
  ) {
    user.connections += 1;
    if (user.id !== null) shared.known.set(user.id, user);
  }

  get allowance(): Allowance {
    return this.user.allowance;
  }

  addSession(realm: string, session: CountedSession): void {
    if (this.user.id !== null) checkUser(this.user, realm, this.shared.limits);
    session.teardown.add(new SessionCount(this.shared, realm, this.user, session));
  }

  makeRoom(isOpen: (realm: string) => boolean): string | null {
    return this.shared.realmUses.evict(this.user.realms.size, isOpen);
  }

  release(): void {
    const { user, shared } = this;
    user.connections -= 1;
    if (user.connections === 0 && user.id !== null) shared.known.delete(user.id);
  }
}

/** Bounds the resources of each user: a user above a limit is the one whose sessions end. */
export const createConnectedUsers = ({ limits, now }: ConnectedUsersOptions): ConnectedUsers => {
  const { framesPerUserPerSecondMax: framesPerSecond, bytesPerUserPerSecondMax: bytesPerSecond } = limits;
  const allowanceOptions = { framesPerSecond, bytesPerSecond, now };
  const known = new Map<string, CountedUser>();
  const realmUses = createRealmUses(now);
  const shared: SharedUsage = { limits, known, realmUses };

  const createUser = (id: string | null): CountedUser => ({
    id,
    connections: 0,
    sessions: 0,
    realms: new Map(),
    allowance: createAllowance(allowanceOptions),
  });

  return {
    addConnection: (id) => {
      const user = (id === null ? undefined : known.get(id)) ?? createUser(id);
      const { connections } = user;
      const { connectionsPerUserMax } = limits;
      if (id !== null && connections >= connectionsPerUserMax)
        throw createTooManyError(
          `The user has ${connections} connections. connectionsPerUserMax is ${connectionsPerUserMax}.`,
        );
      return new UserConnection(shared, user);
    },
    noteWrite: realmUses.noteWrite,
  };
};
