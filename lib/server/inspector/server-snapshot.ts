import type { Clock } from '../../clock.js';
import type { ConnectionReport, ServerConnection } from '../connections/server-connection.js';
import { serverLimits } from '../server-limits.js';
import type { BoundSessionReport } from '../sessions/server-session.js';

/** Amounts in one second. `null` until there are two snapshots to compare. */
type PerSecond = number | null;

/** Traffic of connections in one second. */
export interface Traffic {
  readonly messagesIn: PerSecond;
  readonly messagesOut: PerSecond;
  readonly bytesIn: PerSecond;
  readonly bytesOut: PerSecond;
}

/** One connection at the time of a snapshot. */
export interface ConnectionFigures {
  readonly user: string | null;
  readonly sessions: readonly BoundSessionReport[];
  /** Number and address of the connection; `null` for a client in this process, which has no socket. */
  readonly socket: { readonly connection: number; readonly address: string; readonly since: number } | null;
  readonly traffic: Traffic;
  /** Bytes of all frames since the connection was opened. */
  readonly bytesTotal: number;
}

/** One realm at the time of a snapshot. */
export interface RealmFigures {
  readonly name: string;
  readonly head: number;
  /** Bytes of the history. */
  readonly bytes: number;
  readonly sessions: number;
  /** Changesets and bytes that its history grew by in one second. */
  readonly changesetsIn: PerSecond;
  readonly bytesIn: PerSecond;
  /** `null` if no subscription and no scope of the realm has a filter. */
  readonly watched: WatchedFigures | null;
}

/** Numbers of what filters of a realm name. The names of properties may be those of other users. */
export interface WatchedFigures {
  readonly types: number;
  readonly properties: number;
  /** The version since which all of them are watched. */
  readonly since: number;
  /** Whether the index has all objects. */
  readonly isIndexed: boolean;
}

/** All connections and realms of a server at one time. Realms are those with a bound session. */
export interface ServerSnapshot {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly connections: readonly ConnectionFigures[];
  readonly realms: readonly RealmFigures[];
}

const noTraffic: Traffic = { messagesIn: null, messagesOut: null, bytesIn: null, bytesOut: null };
const nothing = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };

type WatchedTypes = BoundSessionReport['watchedTypes'];

const toWatchedFigures = (types: WatchedTypes): WatchedFigures | null => {
  if (types.size === 0) return null;
  const properties = [...types.values()].flatMap((type) => type.properties);
  return {
    ...{ types: types.size, properties: properties.length },
    since: Math.max(...[...types.values(), ...properties].map(({ since }) => since)),
    isIndexed: properties.every(({ isIndexed }) => isIndexed),
  };
};

interface RealmCounts {
  readonly watchedTypes: WatchedTypes;
  readonly head: number;
  readonly bytes: number;
  sessions: number;
}

/** The counts of a snapshot, to compare the next one with. */
interface Counted {
  /** Time of the clock's scheduler, which is not set back. */
  readonly at: number;
  readonly connections: ReadonlyMap<number, NonNullable<ConnectionReport['socket']>>;
  readonly realms: ReadonlyMap<string, RealmCounts>;
}

const countRealms = (reports: readonly ConnectionReport[]): ReadonlyMap<string, RealmCounts> => {
  const realms = new Map<string, RealmCounts>();
  for (const { sessions } of reports)
    for (const { realm, head, historyBytes, watchedTypes } of sessions) {
      const counts = realms.get(realm) ?? { head, bytes: historyBytes, sessions: 0, watchedTypes };
      counts.sessions += 1;
      realms.set(realm, counts);
    }
  return realms;
};

const countReports = (reports: readonly ConnectionReport[], at: number): Counted => {
  const connections = new Map<number, NonNullable<ConnectionReport['socket']>>();
  for (const { socket } of reports) if (socket !== null) connections.set(socket.connection, socket);
  return { at, connections, realms: countRealms(reports) };
};

/** Without spreads and loops over names, because a server has ten thousand connections. */
const toConnectionSnapshot = (
  { user, socket, sessions }: ConnectionReport,
  before: Counted | null,
  seconds: number,
): ConnectionFigures => {
  if (socket === null) return { user, sessions, socket, traffic: noTraffic, bytesTotal: 0 };
  const { connection, messagesIn, messagesOut, bytesIn, bytesOut } = socket;
  const bytesTotal = bytesIn + bytesOut;
  if (before === null) return { user, sessions, socket, traffic: noTraffic, bytesTotal };
  // A connection that is new since the last snapshot began with nothing.
  const counts = before.connections.get(connection) ?? nothing;
  const traffic = {
    messagesIn: (messagesIn - counts.messagesIn) / seconds,
    messagesOut: (messagesOut - counts.messagesOut) / seconds,
    bytesIn: (bytesIn - counts.bytesIn) / seconds,
    bytesOut: (bytesOut - counts.bytesOut) / seconds,
  };
  return { user, sessions, socket, traffic, bytesTotal };
};

/**
 * Creates the snapshots of a server: a function that returns the present one, at most a new one per `inspectorMs`.
 * Nothing is counted or kept before the first call.
 */
export const createServerSnapshots = (
  connections: Iterable<ServerConnection>,
  { now, scheduler }: Pick<Clock, 'now' | 'scheduler'>,
): (() => ServerSnapshot) => {
  let last: { readonly counted: Counted; readonly snapshot: ServerSnapshot } | null = null;
  return () => {
    const at = scheduler.now();
    if (last !== null && at - last.counted.at < serverLimits.inspectorMs) return last.snapshot;
    // After a pause, rates would be means over all of it.
    const before = last !== null && at - last.counted.at < serverLimits.inspectorPauseMs ? last.counted : null;
    const seconds = before === null ? 1 : (at - before.at) / 1_000;
    const reports = Array.from(connections, (connection) => connection.report());
    const counted = countReports(reports, at);
    const realms = [...counted.realms].map(([name, { head, bytes, sessions, watchedTypes }]): RealmFigures => {
      const earlier = before?.realms.get(name);
      const rateOf = (present: number, was: number | undefined): PerSecond =>
        was === undefined ? null : Math.max(0, present - was) / seconds;
      return {
        ...{ name, head, bytes, sessions, watched: toWatchedFigures(watchedTypes) },
        changesetsIn: rateOf(head, earlier?.head),
        bytesIn: rateOf(bytes, earlier?.bytes),
      };
    });
    const snapshot: ServerSnapshot = {
      at: now(),
      connections: reports.map((report) => toConnectionSnapshot(report, before, seconds)),
      realms,
    };
    last = { counted, snapshot };
    return snapshot;
  };
};
