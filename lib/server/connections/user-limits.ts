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
  readonly failed: (thrown: unknown) => void;
}

/** The share of one connection in the limits of its user. */
export interface ConnectionUsage {
  /** Allowance for frames and bytes, shared by all connections of the user. */
  readonly spend: Allowance;
  /** Counts a session of a realm until its teardown. Throws a `SessionFailure` when its user has too many. */
  readonly addSession: (realm: string, session: CountedSession) => void;
  /**
   * Ends the sessions of one realm to make room for a realm of this user, and returns its name. Returns `null` if no
   * realm should give way.
   */
  readonly makeRoom: (isOpen: (realm: string) => boolean) => string | null;
  /** The connection is closed. */
  readonly release: () => void;
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
  readonly spend: Allowance;
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
      for (const [, { failed }] of [...(uses.get(victim)?.sessions ?? [])]) failed(evicted);
      return victim;
    },
  };
};

/** Bounds the resources of each user: a user above a limit is the one whose sessions end. */
export const createConnectedUsers = ({ limits, now }: ConnectedUsersOptions): ConnectedUsers => {
  const { framesPerUserPerSecondMax: framesPerSecond, bytesPerUserPerSecondMax: bytesPerSecond } = limits;
  const known = new Map<string, CountedUser>();
  const realmUses = createRealmUses(now);

  const createUser = (id: string | null): CountedUser => ({
    ...{ id, connections: 0, sessions: 0, realms: new Map() },
    spend: createAllowance({ framesPerSecond, bytesPerSecond, now }),
  });
  const release = (user: CountedUser, realm: string, session: readonly [CountedUser, CountedSession]): void => {
    user.sessions -= 1;
    const left = (user.realms.get(realm) ?? 1) - 1;
    if (left > 0) user.realms.set(realm, left);
    else user.realms.delete(realm);
    realmUses.remove(realm, session);
  };
  const addSession = (user: CountedUser, realm: string, session: CountedSession): void => {
    if (user.id !== null) checkUser(user, realm, limits);
    const held = [user, session] as const;
    user.sessions += 1;
    user.realms.set(realm, (user.realms.get(realm) ?? 0) + 1);
    realmUses.add(realm, held);
    session.teardown.add(() => release(user, realm, held));
  };

  return {
    addConnection: (id) => {
      const user = (id === null ? undefined : known.get(id)) ?? createUser(id);
      const { connections } = user;
      const { connectionsPerUserMax } = limits;
      if (id !== null && connections >= connectionsPerUserMax)
        throw createTooManyError(
          `The user has ${connections} connections. connectionsPerUserMax is ${connectionsPerUserMax}.`,
        );
      user.connections += 1;
      if (id !== null) known.set(id, user);
      return {
        spend: user.spend,
        addSession: (realm, session) => addSession(user, realm, session),
        makeRoom: (isOpen) => realmUses.evict(user.realms.size, isOpen),
        release: () => {
          user.connections -= 1;
          if (user.connections === 0 && id !== null) known.delete(id);
        },
      };
    },
    noteWrite: realmUses.noteWrite,
  };
};
