import type { Reason, SyncStatus } from '../session/state/status.js';
import { drawGap } from '../model/marble-drawing.js';
import { spanOf } from './event-diagram.js';

/**
 * The behaviour of a network as far as a recording shows it, for `network(diagram, { codes })`.
 *
 * @see {@link play}
 */
export interface PlayedNetwork {
  /** The diagram for `network`. */
  readonly diagram: string;
  /** Letters of the close codes with which the server ended connections. */
  readonly codes: Readonly<Record<string, number>>;
}

/** A status and its time in milliseconds from the beginning. */
export interface StatusAt {
  readonly at: number;
  readonly status: SyncStatus;
}

/** One change of the network: a letter of its diagram, or a close code. */
interface NetworkChange {
  readonly at: number;
  readonly effect: 'o' | 'x' | 'h' | 't' | number;
}

const brokenCode = 1006;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/**
 * Returns the network condition that explains a failed connection attempt or the end of a connection. `null`: the
 * network was not the cause.
 */
const effectOf = (reason: Reason, was: 'connecting' | 'open'): NetworkChange['effect'] | null => {
  switch (reason.kind) {
    case 'unreachable':
      return 'x';
    case 'timed-out':
      return 'h';
    case 'closed-by-server':
      return was === 'connecting' || reason.code === brokenCode || reason.code < 1_000 || reason.code > 4_999
        ? 'x'
        : reason.code;
    case 'token-expired':
      return was === 'connecting' ? null : 't';
    case 'server-error':
      return 'x';
    case 'idle':
    case 'paused':
    case 'closed':
    case 'logged-out':
    case 'token-wanted':
    case 'suspended':
    case 'failed':
      return null;
  }
};

/** A change and those before it, as a linked list: adding one costs the same however many there are. */
interface NetworkChanges {
  readonly change: NetworkChange;
  readonly before: NetworkChanges | null;
}

/** The knowledge about the network while the statuses are read in order. */
interface NetworkTrace {
  readonly changes: NetworkChanges | null;
  /** The status before. */
  readonly last: StatusAt | null;
  /** The start of the connection attempt that is pending or that opened the connection. */
  readonly attemptedAt: number;
  /** Whether connection attempts succeed, as far as is known. */
  readonly isOpen: boolean;
  /** The earliest time at which connection attempts may succeed again. */
  readonly freeFrom: number;
}

const emptyTrace: NetworkTrace = { changes: null, last: null, attemptedAt: 0, isOpen: false, freeFrom: 0 };

const applyConnected = (trace: NetworkTrace, next: StatusAt): NetworkTrace => {
  const { changes, last, attemptedAt, isOpen, freeFrom } = trace;
  const startedAt = last?.status.connection.state === 'connecting' ? attemptedAt : next.at;
  // A connection attempt waits while the network is silent. Otherwise the network opens as early as possible, because a
  // client that connects a little earlier than the recorded one succeeds too.
  const at = changes?.change.effect === 'h' ? next.at : Math.min(freeFrom, startedAt);
  return isOpen ? trace : { ...trace, isOpen: true, changes: { change: { at, effect: 'o' }, before: changes } };
};

/**
 * Adds a change. The same condition twice counts once, except for those that end connections and leave the network
 * open.
 */
const addChange = (change: NetworkChange, before: NetworkChanges | null): NetworkChanges | null =>
  before?.change.effect === change.effect && ['o', 'x', 'h'].includes(String(change.effect))
    ? before
    : { change, before };

/** The condition during an attempt that failed late: silence, or a connection that broke before it was used. */
const applyMeanwhile = (trace: NetworkTrace, next: StatusAt, reason: Reason): NetworkTrace => {
  const { changes, attemptedAt } = trace;
  if (reason.kind === 'closed-by-server') return applyConnected(trace, next);
  return reason.kind === 'unreachable'
    ? { ...trace, changes: addChange({ at: attemptedAt, effect: 'h' }, changes) }
    : trace;
};

const applyDisconnected = (trace: NetworkTrace, next: StatusAt, reason: Reason): NetworkTrace => {
  const { last, attemptedAt } = trace;
  const isConnecting = last?.status.connection.state !== 'connected';
  const isLate = isConnecting && next.at > attemptedAt && reason.kind !== 'timed-out';
  const isAnswered = !isConnecting || (isLate && reason.kind === 'closed-by-server');
  const effect = effectOf(reason, isAnswered ? 'open' : 'connecting');
  if (effect === null) return trace;
  const before = isLate ? applyMeanwhile(trace, next, reason) : trace;
  // An attempt meets the condition at its start; a connection that fell silent did so after its last message.
  const at = isLate ? next.at : isConnecting ? attemptedAt : effect === 'h' ? last.at + 1 : next.at;
  const isOpen = typeof effect === 'number' || effect === 't';
  return { ...before, isOpen, freeFrom: next.at + 1, changes: addChange({ at, effect }, before.changes) };
};

const applyStatus = (trace: NetworkTrace, next: StatusAt): NetworkTrace => {
  const { connection } = next.status;
  const before = trace.last?.status.connection;
  const isNew = before?.state !== connection.state;
  const applyConnection = (): NetworkTrace => {
    switch (connection.state) {
      case 'connected':
        return applyConnected(trace, next);
      case 'connecting':
        return isNew ? { ...trace, attemptedAt: next.at } : trace;
      case 'disconnected':
        return isNew && before !== undefined ? applyDisconnected(trace, next, connection.reason) : trace;
    }
  };
  return { ...applyConnection(), last: next };
};

/** One letter per millisecond, in order. */
const spreadChanges = (last: NetworkChanges | null): readonly NetworkChange[] => {
  const changes: NetworkChange[] = [];
  for (let link = last; link !== null; link = link.before) changes.push(link.change);
  let free = 0;
  return changes.reverse().map((change) => {
    const at = Math.max(change.at, free);
    free = at + 1;
    return { ...change, at };
  });
};

/** Milliseconds without a change that are drawn as dashes at most. */
const dashesMax = 5;

/**
 * Derives the network behind a session from its statuses: connection attempts that succeeded, were rejected or met
 * silence, and connections that broke or were closed with a code or because of a token. The network during a pause is
 * unknown, and the start of a silence is approximate.
 */
export const networkOf = (statuses: readonly StatusAt[]): PlayedNetwork => {
  const changes = spreadChanges(statuses.reduce(applyStatus, emptyTrace).changes);
  const closes = [...new Set(changes.flatMap(({ effect }) => (typeof effect === 'number' ? [effect] : [])))];
  const letters = new Map(closes.slice(0, alphabet.length).map((code, index) => [code, alphabet.charAt(index)]));
  const drawn = changes.map(({ at, effect }, index) => {
    const letter = typeof effect === 'number' ? (letters.get(effect) ?? 'x') : effect;
    return drawGap(at - (changes[index - 1]?.at ?? -1) - 1, dashesMax, spanOf) + letter;
  });
  return {
    diagram: drawn.join('').trimStart(),
    codes: Object.fromEntries([...letters].map(([code, letter]) => [letter, code])),
  };
};
