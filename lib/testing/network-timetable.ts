import { TestScheduler } from 'rxjs/testing';
import { InvalidArgumentError } from '../model/errors.js';
import { normalizeTimes, isLetter } from './marble-letters.js';

/** What a letter of a network's diagram does. */
export type NetworkCondition =
  /** The network is there: calls are answered. */
  | { readonly kind: 'open' }
  /** It breaks: lines end with 1006, calls fail. */
  | { readonly kind: 'down' }
  /** It is silent: lines that are open stay open and carry nothing, ever again; calls wait for what comes next. */
  | { readonly kind: 'half-open' }
  /** Calls are refused; lines that are open stay. */
  | { readonly kind: 'refusing' }
  /** The server closes all lines with this code; calls are answered. */
  | { readonly kind: 'closing'; readonly code: number }
  /** The server says to all lines that their token has expired, and closes them; calls are answered. */
  | { readonly kind: 'expiring' };

export interface ConditionChange {
  readonly frame: number;
  readonly condition: NetworkCondition;
}

/** A network in time: pure, so that whoever asks need not have listened. */
export interface Timetable {
  readonly changes: readonly ConditionChange[];
  /** When it comes back: each `o`, and each other letter that opens what was not open. */
  readonly returns: readonly number[];
  /** What calls meet at a moment. Before the first letter the network is down. */
  readonly conditionAt: (frame: number) => 'open' | 'down' | 'half-open' | 'refusing';
  /** The first change after a moment that one of these kinds makes. */
  readonly nextOf: (frame: number, ...kinds: readonly NetworkCondition['kind'][]) => ConditionChange | undefined;
  /** The first change after a moment. */
  readonly nextChange: (frame: number) => ConditionChange | undefined;
}

const conditionLetters: Readonly<Record<string, NetworkCondition>> = {
  o: { kind: 'open' },
  x: { kind: 'down' },
  h: { kind: 'half-open' },
  r: { kind: 'refusing' },
  t: { kind: 'expiring' },
};

const isCloseCode = (code: unknown): boolean =>
  typeof code === 'number' && Number.isInteger(code) && code >= 1000 && code <= 4999;

const conditionOf = (letter: string, codes: Readonly<Record<string, number>>): NetworkCondition => {
  const code = codes[letter];
  const known = code === undefined ? conditionLetters[letter] : ({ kind: 'closing', code } as const);
  if (known) return known;
  const expected = 'o (open), x (down), h (half-open), r (refusing), t (tokens expire), or a letter of codes';
  throw new InvalidArgumentError('diagram', expected, letter);
};

/** What calls meet from a change on. */
const callConditionOf = (change: ConditionChange | undefined): ReturnType<Timetable['conditionAt']> => {
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

/** Reads a diagram. To be called inside a marble test, where a character is a millisecond. */
export const readTimetable = (diagram: string, codes: Readonly<Record<string, number>>): Timetable => {
  checkCodes(codes);
  const marbles = normalizeTimes('diagram', diagram);
  const [mark] = /[\^!]/.exec(marbles) ?? [];
  if (mark !== undefined) throw new InvalidArgumentError('diagram', 'a network, which nobody subscribes to', mark);
  const changes = TestScheduler.parseMarbles(marbles, undefined, undefined, undefined, true).map(
    (note): ConditionChange => {
      if (note.notification.kind === 'N')
        return { frame: note.frame, condition: conditionOf(String(note.notification.value), codes) };
      throw new InvalidArgumentError('diagram', 'a network without an end', note.notification.kind === 'C' ? '|' : '#');
    },
  );
  return {
    changes,
    returns: changes
      .filter(
        (change, index) =>
          change.condition.kind === 'open' ||
          (callConditionOf(change) === 'open' && callConditionOf(changes[index - 1]) !== 'open'),
      )
      .map(({ frame }) => frame),
    conditionAt: (frame) => callConditionOf(changes.filter((change) => change.frame <= frame).at(-1)),
    nextOf: (frame, ...kinds) =>
      changes.find((change) => change.frame > frame && kinds.includes(change.condition.kind)),
    nextChange: (frame) => changes.find((change) => change.frame > frame),
  };
};
