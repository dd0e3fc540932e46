import { TestScheduler } from 'rxjs/testing';
import { InvalidArgumentError } from '../model/errors.js';
import { normalizeTimes, isLetter } from './marble-letters.js';

/** The effect of one letter of a network diagram. */
export type NetworkCondition =
  /** The network is open: connection attempts succeed. */
  | { readonly kind: 'open' }
  /** The network breaks: connections end with 1006, connection attempts fail. */
  | { readonly kind: 'down' }
  /** Open connections stay open and silent for ever; connection attempts wait for the next letter. */
  | { readonly kind: 'half-open' }
  /** Connection attempts are rejected; open connections stay. */
  | { readonly kind: 'rejecting' }
  /** The server closes all connections with this code; connection attempts succeed. */
  | { readonly kind: 'closing'; readonly code: number }
  /** The server ends all connections with `token-expired`; connection attempts succeed. */
  | { readonly kind: 'expiring' };

export interface ConditionChange {
  readonly frame: number;
  readonly condition: NetworkCondition;
}

/** The conditions of a network over time. Pure: reading needs no subscription. */
export interface Timetable {
  readonly changes: readonly ConditionChange[];
  /**
   * The frames at which the network comes back: each `o`, and each other letter that opens a network that was not open.
   */
  readonly returns: readonly number[];
  /** The condition for connection attempts at a frame. Before the first letter the network is down. */
  readonly conditionAt: (frame: number) => 'open' | 'down' | 'half-open' | 'rejecting';
  /** The first change of one of these kinds after a frame. */
  readonly nextOf: (frame: number, ...kinds: readonly NetworkCondition['kind'][]) => ConditionChange | undefined;
  /** The first change after a frame. */
  readonly nextChange: (frame: number) => ConditionChange | undefined;
}

const conditionLetters: Readonly<Record<string, NetworkCondition>> = {
  o: { kind: 'open' },
  x: { kind: 'down' },
  h: { kind: 'half-open' },
  r: { kind: 'rejecting' },
  t: { kind: 'expiring' },
};

const isCloseCode = (code: unknown): boolean =>
  typeof code === 'number' && Number.isInteger(code) && code >= 1000 && code <= 4999;

const conditionOf = (letter: string, codes: Readonly<Record<string, number>>): NetworkCondition => {
  const code = codes[letter];
  const known = code === undefined ? conditionLetters[letter] : ({ kind: 'closing', code } as const);
  if (known) return known;
  const expected =
    'a diagram of o (open), x (down), h (half-open), r (rejecting), t (tokens expire) and letters of codes';
  throw new InvalidArgumentError('diagram', expected, letter);
};

/** The condition for connection attempts after a change. */
const attemptConditionOf = (change: ConditionChange | undefined): ReturnType<Timetable['conditionAt']> => {
  const kind = change?.condition.kind ?? 'down';
  return kind === 'closing' || kind === 'expiring' ? 'open' : kind;
};

const checkCodes = (codes: Readonly<Record<string, number>>): void => {
  if (typeof codes !== 'object' || (codes as unknown) === null)
    throw new InvalidArgumentError('codes', 'a record of letters and close codes', codes);
  for (const [letter, code] of Object.entries(codes)) {
    if (!isCloseCode(code)) throw new InvalidArgumentError(`codes.${letter}`, 'a close code from 1000 to 4999', code);
    if (conditionLetters[letter] ?? !isLetter(letter))
      throw new InvalidArgumentError(`codes.${letter}`, 'one letter, other than o, x, h, r and t', letter);
  }
};

/** Reads a diagram inside a marble test, where one character is one millisecond. */
export const readTimetable = (diagram: string, codes: Readonly<Record<string, number>>): Timetable => {
  checkCodes(codes);
  const marbles = normalizeTimes('diagram', diagram);
  const [mark] = /[\^!]/.exec(marbles) ?? [];
  if (mark !== undefined) throw new InvalidArgumentError('diagram', 'a network diagram without ^ and !', mark);
  const changes = TestScheduler.parseMarbles(marbles, undefined, undefined, undefined, true).map(
    (note): ConditionChange => {
      if (note.notification.kind === 'N')
        return { frame: note.frame, condition: conditionOf(String(note.notification.value), codes) };
      throw new InvalidArgumentError(
        'diagram',
        'a network diagram without an end',
        note.notification.kind === 'C' ? '|' : '#',
      );
    },
  );
  return {
    changes,
    returns: changes
      .filter(
        (change, index) =>
          change.condition.kind === 'open' ||
          (attemptConditionOf(change) === 'open' && attemptConditionOf(changes[index - 1]) !== 'open'),
      )
      .map(({ frame }) => frame),
    conditionAt: (frame) => attemptConditionOf(changes.filter((change) => change.frame <= frame).at(-1)),
    nextOf: (frame, ...kinds) =>
      changes.find((change) => change.frame > frame && kinds.includes(change.condition.kind)),
    nextChange: (frame) => changes.find((change) => change.frame > frame),
  };
};
