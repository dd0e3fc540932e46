import type { Reason, SyncStatus } from '../session/state/status.js';
import { spanOf } from './event-diagram.js';

/** A network as far as a recording shows it: what `network(diagram, { codes })` takes. */
export interface PlayedNetwork {
  readonly diagram: string;
  /** Letters of the close codes with which the server ended lines. */
  readonly codes: Readonly<Record<string, number>>;
}

/** A status, and when: milliseconds from the beginning. */
export interface StatusAt {
  readonly at: number;
  readonly status: SyncStatus;
}

/** What the network did: a letter of its diagram, or a close code. */
interface NetworkChange {
  readonly at: number;
  readonly effect: 'o' | 'x' | 'h' | 't' | number;
}

const brokenCode = 1006;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** How a call that failed, or a line that ended, shows the network. `null`: it had nothing to do with it. */
const effectOf = (reason: Reason, was: 'calling' | 'open'): NetworkChange['effect'] | null => {
  switch (reason.kind) {
    case 'unreachable':
      return 'x';
    case 'timed-out':
      return 'h';
    case 'closed-by-server':
      return was === 'calling' || reason.code === brokenCode || reason.code < 1_000 || reason.code > 4_999
        ? 'x'
        : reason.code;
    case 'token-expired':
      return was === 'calling' ? null : 't';
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

/** A turn and those before it: one more costs the same however many there are. */
interface NetworkChanges {
  readonly change: NetworkChange;
  readonly before: NetworkChanges | null;
}

/** What is known while the statuses are gone through, from the first to the last. */
interface NetworkTrace {
  readonly changes: NetworkChanges | null;
  /** The status before. */
  readonly last: StatusAt | null;
  /** When the call that is under way, or was answered, began. */
  readonly attemptedAt: number;
  /** Whether calls are answered, as far as is known. */
  readonly isOpen: boolean;
  /** From when on they may be again. */
  readonly freeFrom: number;
}

const emptyTrace: NetworkTrace = { changes: null, last: null, attemptedAt: 0, isOpen: false, freeFrom: 0 };

const applyConnected = (seen: NetworkTrace, next: StatusAt): NetworkTrace => {
  const { changes, last, attemptedAt, isOpen, freeFrom } = seen;
  const called = last?.status.connection.state === 'connecting' ? attemptedAt : next.at;
  // A call waits while the network is silent. Otherwise as early as can be: who calls a little sooner than the recorded
  // client is answered as well.
  const at = changes?.change.effect === 'h' ? next.at : Math.min(freeFrom, called);
  return isOpen ? seen : { ...seen, isOpen: true, changes: { change: { at, effect: 'o' }, before: changes } };
};

/** One turn more. The same twice is once, but for those that end lines and leave the network open. */
const addChange = (turn: NetworkChange, before: NetworkChanges | null): NetworkChanges | null =>
  before?.change.effect === turn.effect && ['o', 'x', 'h'].includes(String(turn.effect))
    ? before
    : { change: turn, before };

/** What was there while a call was under way that failed later: silence, or a line that broke before it was of use. */
const applyMeanwhile = (seen: NetworkTrace, next: StatusAt, reason: Reason): NetworkTrace => {
  const { changes, attemptedAt } = seen;
  if (reason.kind === 'closed-by-server') return applyConnected(seen, next);
  return reason.kind === 'unreachable'
    ? { ...seen, changes: addChange({ at: attemptedAt, effect: 'h' }, changes) }
    : seen;
};

const applyDisconnected = (seen: NetworkTrace, next: StatusAt, reason: Reason): NetworkTrace => {
  const { last, attemptedAt } = seen;
  const isCalling = last?.status.connection.state !== 'connected';
  const isLate = isCalling && next.at > attemptedAt && reason.kind !== 'timed-out';
  const isAnswered = !isCalling || (isLate && reason.kind === 'closed-by-server');
  const does = effectOf(reason, isAnswered ? 'open' : 'calling');
  if (does === null) return seen;
  const before = isLate ? applyMeanwhile(seen, next, reason) : seen;
  // A call meets what was there when it began; a line that fell silent did so after the last sign of life.
  const at = isLate ? next.at : isCalling ? attemptedAt : does === 'h' ? last.at + 1 : next.at;
  const isOpen = typeof does === 'number' || does === 't';
  return { ...before, isOpen, freeFrom: next.at + 1, changes: addChange({ at, effect: does }, before.changes) };
};

const applyStatus = (seen: NetworkTrace, next: StatusAt): NetworkTrace => {
  const { connection } = next.status;
  const before = seen.last?.status.connection;
  const isNew = before?.state !== connection.state;
  const moved = (): NetworkTrace => {
    switch (connection.state) {
      case 'connected':
        return applyConnected(seen, next);
      case 'connecting':
        return isNew ? { ...seen, attemptedAt: next.at } : seen;
      case 'disconnected':
        return isNew && before !== undefined ? applyDisconnected(seen, next, connection.reason) : seen;
    }
  };
  return { ...moved(), last: next };
};

/** One letter a millisecond, in order. */
const spreadChanges = (last: NetworkChanges | null): readonly NetworkChange[] => {
  const turns: NetworkChange[] = [];
  for (let link = last; link !== null; link = link.before) turns.push(link.change);
  let free = 0;
  return turns.reverse().map((turn) => {
    const at = Math.max(turn.at, free);
    free = at + 1;
    return { ...turn, at };
  });
};

const gapOf = (ms: number): string => (ms <= 5 ? '-'.repeat(ms) : ` ${spanOf(ms)} `);

/**
 * The network behind a session, as its statuses tell of it: calls that were answered, refused or met silence, lines
 * that broke, were closed with a code or because of a token. What a pause hides is not known, and when a line fell
 * silent only roughly.
 */
export const networkOf = (statuses: readonly StatusAt[]): PlayedNetwork => {
  const turns = spreadChanges(statuses.reduce(applyStatus, emptyTrace).changes);
  const closes = [...new Set(turns.flatMap(({ effect }) => (typeof effect === 'number' ? [effect] : [])))];
  const letters = new Map(closes.slice(0, alphabet.length).map((code, index) => [code, alphabet.charAt(index)]));
  const drawn = turns.map(({ at, effect: does }, index) => {
    const letter = typeof does === 'number' ? (letters.get(does) ?? 'x') : does;
    return gapOf(at - (turns[index - 1]?.at ?? -1) - 1) + letter;
  });
  return {
    diagram: drawn.join('').trimStart(),
    codes: Object.fromEntries([...letters].map(([code, letter]) => [letter, code])),
  };
};
