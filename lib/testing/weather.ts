import type { Reason, SyncStatus } from '../session/status.js';
import { spanOf } from './diagram.js';

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
interface Turn {
  readonly at: number;
  readonly does: 'o' | 'x' | 'h' | 't' | number;
}

const broke = 1006;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** How a call that failed, or a line that ended, shows the network. `null`: it had nothing to do with it. */
const turnOf = (reason: Reason, was: 'calling' | 'open'): Turn['does'] | null => {
  switch (reason.kind) {
    case 'unreachable':
      return 'x';
    case 'timed-out':
      return 'h';
    case 'closed-by-server':
      return was === 'calling' || reason.code === broke || reason.code < 1_000 || reason.code > 4_999
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
interface Turns {
  readonly turn: Turn;
  readonly before: Turns | null;
}

/** What is known while the statuses are gone through, from the first to the last. */
interface Seen {
  readonly turns: Turns | null;
  /** The status before. */
  readonly last: StatusAt | null;
  /** When the call that is under way, or was answered, began. */
  readonly calledAt: number;
  /** Whether calls are answered, as far as is known. */
  readonly isOpen: boolean;
  /** From when on they may be again. */
  readonly freeFrom: number;
}

const nothing: Seen = { turns: null, last: null, calledAt: 0, isOpen: false, freeFrom: 0 };

const opened = (seen: Seen, next: StatusAt): Seen => {
  const { turns, last, calledAt, isOpen, freeFrom } = seen;
  const called = last?.status.connection.state === 'connecting' ? calledAt : next.at;
  // A call waits while the network is silent. Otherwise as early as can be: who calls a little sooner than the recorded client is answered as well.
  const at = turns?.turn.does === 'h' ? next.at : Math.min(freeFrom, called);
  return isOpen ? seen : { ...seen, isOpen: true, turns: { turn: { at, does: 'o' }, before: turns } };
};

/** One turn more. The same twice is once, but for those that end lines and leave the network open. */
const add = (turn: Turn, before: Turns | null): Turns | null =>
  before?.turn.does === turn.does && ['o', 'x', 'h'].includes(String(turn.does)) ? before : { turn, before };

/** What was there while a call was under way that failed later: silence, or a line that broke before it was of use. */
const meanwhile = (seen: Seen, next: StatusAt, reason: Reason): Seen => {
  const { turns, calledAt } = seen;
  if (reason.kind === 'closed-by-server') return opened(seen, next);
  return reason.kind === 'unreachable' ? { ...seen, turns: add({ at: calledAt, does: 'h' }, turns) } : seen;
};

const dropped = (seen: Seen, next: StatusAt, reason: Reason): Seen => {
  const { last, calledAt } = seen;
  const isCalling = last?.status.connection.state !== 'connected';
  const isLate = isCalling && next.at > calledAt && reason.kind !== 'timed-out';
  const isAnswered = !isCalling || (isLate && reason.kind === 'closed-by-server');
  const does = turnOf(reason, isAnswered ? 'open' : 'calling');
  if (does === null) return seen;
  const before = isLate ? meanwhile(seen, next, reason) : seen;
  // A call meets what was there when it began; a line that fell silent did so after the last sign of life.
  const at = isLate ? next.at : isCalling ? calledAt : does === 'h' ? last.at + 1 : next.at;
  const isOpen = typeof does === 'number' || does === 't';
  return { ...before, isOpen, freeFrom: next.at + 1, turns: add({ at, does }, before.turns) };
};

const followed = (seen: Seen, next: StatusAt): Seen => {
  const { connection } = next.status;
  const before = seen.last?.status.connection;
  const isNew = before?.state !== connection.state;
  const moved = (): Seen => {
    switch (connection.state) {
      case 'connected':
        return opened(seen, next);
      case 'connecting':
        return isNew ? { ...seen, calledAt: next.at } : seen;
      case 'disconnected':
        return isNew && before !== undefined ? dropped(seen, next, connection.reason) : seen;
    }
  };
  return { ...moved(), last: next };
};

/** One letter a millisecond, in order. */
const spread = (last: Turns | null): readonly Turn[] => {
  const turns: Turn[] = [];
  for (let link = last; link !== null; link = link.before) turns.push(link.turn);
  let free = 0;
  return turns.reverse().map((turn) => {
    const at = Math.max(turn.at, free);
    free = at + 1;
    return { ...turn, at };
  });
};

const gap = (ms: number): string => (ms <= 5 ? '-'.repeat(ms) : ` ${spanOf(ms)} `);

/**
 * The network behind a session, as its statuses tell of it: calls that were answered, refused or met silence, lines that broke, were closed
 * with a code or because of a token. What a pause hides is not known, and when a line fell silent only roughly.
 */
export const networkOf = (statuses: readonly StatusAt[]): PlayedNetwork => {
  const turns = spread(statuses.reduce(followed, nothing).turns);
  const closes = [...new Set(turns.flatMap(({ does }) => (typeof does === 'number' ? [does] : [])))];
  const letters = new Map(closes.slice(0, alphabet.length).map((code, index) => [code, alphabet.charAt(index)]));
  const drawn = turns.map(({ at, does }, index) => {
    const letter = typeof does === 'number' ? (letters.get(does) ?? 'x') : does;
    return gap(at - (turns[index - 1]?.at ?? -1) - 1) + letter;
  });
  return {
    diagram: drawn.join('').trimStart(),
    codes: Object.fromEntries([...letters].map(([code, letter]) => [letter, code])),
  };
};
