import type { Subscription } from 'rxjs';
import { limits as bounds } from '../../model/limits.js';
import { createAllowance, type Allowance } from './traffic-allowance.js';
import { SessionFailure } from '../server-errors.js';
import type { ServerLimits } from '../server-options.js';
import { createRateLimit } from './rate-limit.js';

/** A session, as it counts for its user. */
export interface CountedSession {
  /** What is let go of with it. */
  readonly teardown: Subscription;
  /** Ends it. */
  readonly failed: (thrown: unknown) => void;
}

/** What one connection takes of what its user may have. */
export interface ConnectionUsage {
  /** Frames and bytes of all connections of the user. */
  readonly spend: Allowance;
  /** Counts a session of a realm until it is let go of. Throws a `SessionFailure` when its user has too many. */
  readonly hold: (realm: string, tenant: CountedSession) => void;
  /**
   * Ends the sessions of a realm whose users can do without it rather than this one can, and says which; `null`: there
   * is none.
   */
  readonly makeRoom: (isOpen: (realm: string) => boolean) => string | null;
  /** The connection is gone. */
  readonly release: () => void;
}

/** All who are connected, and what each of them takes. */
export interface ConnectedUsers {
  /**
   * Counts a connection of a user, `null` where nobody is asked who he is. Throws a `SessionFailure` when he has too
   * many.
   */
  readonly addConnection: (id: string | null) => ConnectionUsage;
  /** A realm was written to. */
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

/** The number that a user with the fewest realms has of those who hold this one: he protects it. */
const weightOf = ({ sessions }: RealmUse): number => {
  let least = Infinity;
  for (const [{ realms }] of sessions) least = Math.min(least, realms.size);
  return least;
};

const createTooManyError = (text: string): SessionFailure => new SessionFailure('too-many-sessions', text, 'later');

const checkUser = ({ sessions, realms }: CountedUser, realm: string, limits: UserLimits): void => {
  const { sessionsPerUserMax, realmsPerUserMax } = limits;
  if (sessions >= sessionsPerUserMax)
    throw createTooManyError(`this user has ${sessions} sessions; sessionsPerUserMax is ${sessionsPerUserMax}`);
  if (realms.size >= realmsPerUserMax && !realms.has(realm))
    throw createTooManyError(`this user has ${realms.size} realms open; realmsPerUserMax is ${realmsPerUserMax}`);
};

/** Looks for room a second: each costs a look at every open realm. */
const searchesPerSecondMax = 50;

const createRealmUses = (now: () => number) => {
  const occupied = new Map<string, RealmUse>();
  const maySearch = createRateLimit(searchesPerSecondMax, now);

  const victimFor = (mine: number, isOpen: (realm: string) => boolean): string | null => {
    let [victim, heaviest, oldest]: [string | null, number, number] = [null, mine, now() - bounds.realmIdleMs];
    for (const [realm, place] of occupied) {
      const weight = weightOf(place);
      if (weight < heaviest || (weight === heaviest && place.writtenAt >= oldest) || !isOpen(realm)) continue;
      [victim, heaviest, oldest] = [realm, weight, place.writtenAt];
    }
    return victim;
  };

  return {
    add: (realm: string, tenant: readonly [CountedUser, CountedSession]): void => {
      const place = occupied.get(realm) ?? { sessions: new Set(), writtenAt: now() };
      occupied.set(realm, place);
      place.sessions.add(tenant);
    },
    remove: (realm: string, tenant: readonly [CountedUser, CountedSession]): void => {
      const place = occupied.get(realm);
      place?.sessions.delete(tenant);
      if (place?.sessions.size === 0) occupied.delete(realm);
    },
    wrote: (realm: string): void => {
      const place = occupied.get(realm);
      if (place) place.writtenAt = now();
    },
    /**
     * A realm whose holders all have more realms than `mine`, or as many and it was not written for long. It is not
     * held any more then.
     */
    evict: (mine: number, isOpen: (realm: string) => boolean): string | null => {
      const victim = maySearch() ? victimFor(mine, isOpen) : null;
      if (victim === null) return null;
      const left = createTooManyError(
        'another user needs the place of this realm, whose users have more realms open, or did not write to it',
      );
      for (const [, { failed }] of [...(occupied.get(victim)?.sessions ?? [])]) failed(left);
      return victim;
    },
  };
};

/** Bounds what each user takes, so that one who takes too much is the one who goes without. */
export const createConnectedUsers = ({ limits, now }: ConnectedUsersOptions): ConnectedUsers => {
  const { framesPerUserPerSecondMax: framesPerSecond, bytesPerUserPerSecondMax: bytesPerSecond } = limits;
  const known = new Map<string, CountedUser>();
  const occupancy = createRealmUses(now);

  const made = (id: string | null): CountedUser => ({
    ...{ id, connections: 0, sessions: 0, realms: new Map() },
    spend: createAllowance({ framesPerSecond, bytesPerSecond, now }),
  });
  const release = (user: CountedUser, realm: string, tenant: readonly [CountedUser, CountedSession]): void => {
    user.sessions -= 1;
    const left = (user.realms.get(realm) ?? 1) - 1;
    if (left > 0) user.realms.set(realm, left);
    else user.realms.delete(realm);
    occupancy.remove(realm, tenant);
  };
  const hold = (user: CountedUser, realm: string, tenant: CountedSession): void => {
    if (user.id !== null) checkUser(user, realm, limits);
    const held = [user, tenant] as const;
    user.sessions += 1;
    user.realms.set(realm, (user.realms.get(realm) ?? 0) + 1);
    occupancy.add(realm, held);
    tenant.teardown.add(() => release(user, realm, held));
  };

  return {
    addConnection: (id) => {
      const user = (id === null ? undefined : known.get(id)) ?? made(id);
      const { connections } = user;
      const { connectionsPerUserMax } = limits;
      if (id !== null && connections >= connectionsPerUserMax)
        throw createTooManyError(
          `this user has ${connections} connections; connectionsPerUserMax is ${connectionsPerUserMax}`,
        );
      user.connections += 1;
      if (id !== null) known.set(id, user);
      return {
        spend: user.spend,
        hold: (realm, tenant) => hold(user, realm, tenant),
        makeRoom: (isOpen) => occupancy.evict(user.realms.size, isOpen),
        release: () => {
          user.connections -= 1;
          if (user.connections === 0 && id !== null) known.delete(id);
        },
      };
    },
    noteWrite: occupancy.wrote,
  };
};
