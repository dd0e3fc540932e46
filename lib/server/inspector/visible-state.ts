import { subprotocol } from '../../protocol/messages.js';
import { serverLimits } from '../server-limits.js';
import { userHashOf } from './user-hash.js';
import type { ConnectionFigures, RealmFigures, ServerSnapshot, Traffic } from './server-snapshot.js';

/** The reader of the inspector. */
export interface Reader {
  /** The user's id; `null` on a server without tokens. */
  readonly user: string | null;
  /** Whether the reader sees the ids and addresses of other users. */
  readonly seesUsers: boolean;
  /** Names of the realms that the reader may read. */
  readonly readable: ReadonlySet<string>;
}

/** A part of a list, and the number of items that were left out. */
interface Part<A> {
  readonly items: readonly A[];
  readonly more: number;
}

const partOf = <A>(all: readonly A[], max: number): Part<A> => ({
  items: all.slice(0, max),
  more: Math.max(0, all.length - max),
});

/** Sorts by a number, the largest first. */
const sortedBy = <A>(all: readonly A[], of: (each: A) => number): readonly A[] =>
  [...all].sort((a, b) => of(b) - of(a));

const round = (amount: number | null): number | null => (amount === null ? null : Math.round(amount * 10) / 10);

/** Adds amounts. `null` if none of them is known. */
const sumOf = (amounts: readonly (number | null)[]): number | null => {
  const known = amounts.filter((amount) => amount !== null);
  return known.length === 0 && amounts.length > 0 ? null : round(known.reduce((sum, amount) => sum + amount, 0));
};

const roundTraffic = ({ messagesIn, messagesOut, bytesIn, bytesOut }: Traffic): Traffic => ({
  ...{ messagesIn: round(messagesIn), messagesOut: round(messagesOut) },
  ...{ bytesIn: round(bytesIn), bytesOut: round(bytesOut) },
});

const toVisibleConnection = ({ user, socket, sessions, traffic }: ConnectionFigures, reader: Reader) => {
  const isOwn = reader.user !== null && user === reader.user;
  const isNamed = isOwn || reader.seesUsers;
  const all = sessions.map(({ realm, replica, access, position, head, subscriptions }) => ({
    ...{ realm, replica, access, position, subscriptions },
    behind: Math.max(0, head - position),
  }));
  return {
    number: socket?.connection ?? null,
    // Members of a realm do not see who the others are.
    user: user === null ? null : isNamed ? { id: user } : { hash: userHashOf(user) },
    isOwn,
    address: isNamed ? (socket?.address ?? null) : null,
    since: socket?.since ?? null,
    ...roundTraffic(traffic),
    sessions: partOf(all, serverLimits.inspectorSessionsMax),
  };
};

const toVisibleRealm = ({ name, head, bytes, sessions, changesetsIn, bytesIn, watched }: RealmFigures) => ({
  ...{ name, head, bytes, sessions, watched },
  ...{ changesetsIn: round(changesetsIn), bytesIn: round(bytesIn) },
});

const totalsOf = (connections: readonly ConnectionFigures[], realms: readonly RealmFigures[]) => {
  const trafficOf = (name: keyof Traffic): number | null => sumOf(connections.map(({ traffic }) => traffic[name]));
  return {
    connections: connections.length,
    sessions: realms.reduce((sum, { sessions }) => sum + sessions, 0),
    realms: realms.length,
    ...{ messagesIn: trafficOf('messagesIn'), messagesOut: trafficOf('messagesOut') },
    ...{ bytesIn: trafficOf('bytesIn'), bytesOut: trafficOf('bytesOut') },
    changesetsIn: sumOf(realms.map(({ changesetsIn }) => changesetsIn)),
  };
};

/** Returns the names of the realms for which a reader's access is checked: those with most sessions. */
export const candidatesOf = ({ realms }: ServerSnapshot): Part<string> => {
  const { items, more } = partOf(
    sortedBy(realms, ({ sessions }) => sessions),
    serverLimits.inspectorAccessMax,
  );
  return { items: items.map(({ name }) => name), more };
};

/**
 * Returns what a reader may see of a snapshot: the realms that the reader may read, the connections that have sessions
 * of them, and these sessions. The part that is left out of an answer is the one with the fewest sessions and bytes.
 */
export const toVisibleState = ({ at, connections, realms }: ServerSnapshot, reader: Reader, unchecked: number) => {
  const { user, seesUsers, readable } = reader;
  const readableRealms = realms.filter(({ name }) => readable.has(name));
  const seen: ConnectionFigures[] = [];
  for (const { user: owner, socket, traffic, bytesTotal, sessions: all } of connections) {
    const sessions = all.filter(({ realm }) => readable.has(realm));
    if (sessions.length > 0) seen.push({ user: owner, socket, traffic, bytesTotal, sessions });
  }
  const busiest = sortedBy(seen, ({ bytesTotal }) => bytesTotal);
  const { items, more } = partOf(busiest, serverLimits.inspectorConnectionsMax);
  const shownRealms = partOf(
    sortedBy(readableRealms, ({ sessions }) => sessions).map(toVisibleRealm),
    serverLimits.inspectorRealmsMax,
  );
  return {
    ...{ at, protocol: subprotocol, user, seesUsers },
    totals: totalsOf(seen, readableRealms),
    connections: { items: items.map((each) => toVisibleConnection(each, reader)), more },
    realms: shownRealms,
    /** Open realms for which the reader's access was not checked. */
    uncheckedRealms: unchecked,
  };
};

/** The answer of the inspector. */
export type VisibleState = ReturnType<typeof toVisibleState>;
