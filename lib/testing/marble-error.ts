import { Observable, type ObservableNotification } from 'rxjs';
import type { MarbleMark, MarbleRow } from '../model/marble-drawing.js';
import { drawDiagram, spanOf, type DiagramPosition } from './event-diagram.js';
import { findDifference, formatValue } from './difference.js';
import { isLetter } from './marble-letters.js';

/** The record that `TestScheduler` makes of one emission. */
export interface NotedMessage {
  readonly frame: number;
  readonly notification: ObservableNotification<unknown>;
}

/** The record that `TestScheduler` makes of one subscription. */
export interface NotedSubscription {
  readonly subscribedFrame: number;
  readonly unsubscribedFrame: number;
}

/** The values of the letters of a diagram. */
export type LetterValues = Readonly<Record<string, unknown>>;

/**
 * A marble test failed. The message shows the expected and the actual diagram.
 *
 * @see {@link marbles}
 */
export class MarbleError extends Error {
  /** The name of the class. Minifiers do not change it. */
  override readonly name = 'MarbleError';
}

const spareLetters = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');

/** An inner stream is recorded as the list of its own emissions. */
const innerValueOf = (value: unknown): unknown =>
  value instanceof Observable && 'messages' in value ? value.messages : value;

interface Alphabet {
  readonly letterOf: (value: unknown) => string;
  /** One line for each of the letters, except for those that stand for themselves. */
  readonly legend: (letters: readonly string[]) => readonly string[];
}

const standsForItself = (value: unknown): value is string => typeof value === 'string' && isLetter(value);

/** The letters of values: those of the spec, then free letters for other values, or `?` when none is left. */
const alphabetOf = (values: LetterValues | undefined, all: readonly unknown[]): Alphabet => {
  const given = Object.entries(values ?? {})
    .filter(([letter]) => isLetter(letter))
    .map(([letter, value]) => [letter, innerValueOf(value)] as const);
  const valuesByLetter = new Map<string, unknown>(given);
  const letterOf = (value: unknown): string | undefined => {
    const letters = Array.from(valuesByLetter);
    return (letters.find(([, one]) => Object.is(one, value)) ??
      letters.find(([, one]) => findDifference(one, value) === null))?.[0];
  };
  const taken = new Set(all);
  const free = spareLetters.filter((letter) => !valuesByLetter.has(letter) && !taken.has(letter));
  for (const value of taken) {
    const isOwn = values === undefined && standsForItself(value);
    if ((!isOwn && free.length === 0) || letterOf(value) !== undefined) continue;
    valuesByLetter.set(isOwn ? value : (free.shift() ?? '?'), value);
  }
  const isGiven = (letter: string): boolean => given.some(([one]) => one === letter);
  return {
    letterOf: (value) => letterOf(value) ?? '?',
    legend: (letters) =>
      [...valuesByLetter]
        .filter(([letter, value]) => letters.includes(letter) && letter !== value)
        .slice(0, 30)
        .map(
          ([letter, value]) =>
            `${letter} = ${formatValue(value)}${values && !isGiven(letter) ? '  (no letter was given for it)' : ''}`,
        ),
  };
};

const letterOf = ({ notification }: NotedMessage, alphabet: Alphabet): string => {
  if (notification.kind === 'N') return alphabet.letterOf(notification.value);
  return notification.kind === 'C' ? '|' : '#';
};

const valueOf = ({ notification }: NotedMessage): unknown => {
  if (notification.kind === 'N') return notification.value;
  return notification.kind === 'E' ? notification.error : undefined;
};

const isSameMessage = (expected: NotedMessage | undefined, actual: NotedMessage | undefined): boolean =>
  expected?.frame === actual?.frame && findDifference(expected?.notification, actual?.notification) === null;

/** The index of the first difference of two lists of emissions. */
const firstDifferenceOf = (expected: readonly NotedMessage[], actual: readonly NotedMessage[]): number => {
  const longer = expected.length > actual.length ? expected : actual;
  return longer.findIndex((_, index) => !isSameMessage(expected[index], actual[index]));
};

/** The first difference in words. */
const explainDifference = (
  expected: NotedMessage | undefined,
  actual: NotedMessage | undefined,
  alphabet: Alphabet,
): readonly string[] => {
  const frame = Math.min(expected?.frame ?? Infinity, actual?.frame ?? Infinity);
  const textOf = (one: NotedMessage | undefined): string =>
    one?.frame === frame ? letterOf(one, alphabet) : 'nothing';
  const first = `at ${spanOf(frame)}: expected ${textOf(expected)}, received ${textOf(actual)}`;
  if (expected?.frame !== actual?.frame || !expected || !actual) return [first];
  const difference = findDifference(valueOf(expected), valueOf(actual));
  if (!difference || expected.notification.kind !== actual.notification.kind) return [first];
  const where = difference.path === '' ? '' : ` at ${difference.path}`;
  return [
    first,
    `which differ${where}: expected ${formatValue(difference.expected)}, received ${formatValue(difference.actual)}`,
  ];
};

const marksOf = (notes: readonly NotedMessage[], alphabet: Alphabet): readonly MarbleMark[] =>
  notes.map((note) => ({ at: note.frame, text: letterOf(note, alphabet) }));

/**
 * Draws the expected and the actual emissions of a stream as two diagrams. Below them are a caret under the first
 * difference, the difference in words, and the values of the letters.
 */
export const formatStreamFailure = (
  expected: readonly NotedMessage[],
  actual: readonly NotedMessage[],
  values?: LetterValues,
): string => {
  const nexts = [...expected, ...actual].filter(({ notification }) => notification.kind === 'N').map(valueOf);
  const alphabet = alphabetOf(values, nexts);
  const at = firstDifferenceOf(expected, actual);
  const [expectedNote, actualNote] = [expected[at], actual[at]];
  const frame = Math.min(expectedNote?.frame ?? Infinity, actualNote?.frame ?? Infinity);
  const before = expected.slice(0, Math.max(at, 0)).filter((note) => note.frame === frame).length;
  const position: DiagramPosition | null = at < 0 ? null : { frame, after: before };
  const rows: readonly MarbleRow[] = [
    { name: 'expected', marks: marksOf(expected, alphabet) },
    { name: 'actual', marks: marksOf(actual, alphabet) },
  ];
  const letters = rows.flatMap(({ marks }) => marks.map(({ text }) => text));
  return [
    ...drawDiagram(rows, position),
    ...(at < 0 ? [] : explainDifference(expectedNote, actualNote, alphabet)),
    ...alphabet.legend(letters),
  ].join('\n');
};

const subscriptionRowOf = (name: string, log: NotedSubscription | undefined): MarbleRow => ({
  name,
  marks: (log ? [['^', log.subscribedFrame] as const, ['!', log.unsubscribedFrame] as const] : [])
    .filter(([, frame]) => Number.isFinite(frame))
    .map(([text, at]) => ({ at, text })),
});

const framesOf = (log: NotedSubscription | undefined): readonly number[] =>
  log ? [log.subscribedFrame, log.unsubscribedFrame] : [Infinity, Infinity];

/** Draws the first expected and actual subscription that differ. */
export const formatSubscriptionFailure = (
  expected: readonly NotedSubscription[],
  actual: readonly NotedSubscription[],
): string => {
  const longer = expected.length > actual.length ? expected : actual;
  const at = longer.findIndex(
    (_, index) => findDifference(framesOf(expected[index]), framesOf(actual[index])) !== null,
  );
  const [expectedFrames, actualFrames] = [framesOf(expected[at]), framesOf(actual[at])];
  const which = expectedFrames[0] === actualFrames[0] ? 1 : 0;
  const frame = Math.min(expectedFrames[which] ?? Infinity, actualFrames[which] ?? Infinity);
  const rows = [subscriptionRowOf('expected', expected[at]), subscriptionRowOf('actual', actual[at])];
  const count = `subscription ${at + 1}; ${expected.length} expected, ${actual.length} made`;
  return [...drawDiagram(rows, { frame, after: 0 }), count].join('\n');
};
