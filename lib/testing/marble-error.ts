import { Observable, type ObservableNotification } from 'rxjs';
import { drawDiagram, spanOf, type DiagramMark, type DiagramPosition, type DiagramRow } from './event-diagram.js';
import { findDifference, formatValue } from './difference.js';
import { isLetter } from './marble-letters.js';

/** What `TestScheduler` notes of a stream. */
export interface NotedMessage {
  readonly frame: number;
  readonly notification: ObservableNotification<unknown>;
}

/** What it notes of a subscription. */
export interface NotedSubscription {
  readonly subscribedFrame: number;
  readonly unsubscribedFrame: number;
}

/** The values that a diagram's letters stand for. */
export type LetterValues = Readonly<Record<string, unknown>>;

/** A marble test that came out differently. Its message has both diagrams. */
export class MarbleError extends Error {
  override readonly name = 'MarbleError';
}

const spareLetters = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');

/** Streams in streams are noted as what the inner one did. */
const innerValueOf = (value: unknown): unknown =>
  value instanceof Observable && 'messages' in value ? value.messages : value;

interface Alphabet {
  readonly letterOf: (value: unknown) => string;
  /** What letters stand for, a line each, those left out that stand for themselves. */
  readonly legend: (letters: readonly string[]) => readonly string[];
}

const standsForItself = (value: unknown): value is string => typeof value === 'string' && isLetter(value);

/**
 * Letters of values: those that the spec gave; what it did not name gets one that is free, or `?` when none is left.
 */
const alphabetOf = (values: LetterValues | undefined, all: readonly unknown[]): Alphabet => {
  const given = Object.entries(values ?? {})
    .filter(([letter]) => isLetter(letter))
    .map(([letter, value]) => [letter, innerValueOf(value)] as const);
  const known = new Map<string, unknown>(given);
  const named = (value: unknown): string | undefined => {
    const letters = Array.from(known);
    return (letters.find(([, one]) => Object.is(one, value)) ??
      letters.find(([, one]) => findDifference(one, value) === null))?.[0];
  };
  const taken = new Set(all);
  const free = spareLetters.filter((letter) => !known.has(letter) && !taken.has(letter));
  for (const value of taken) {
    const isOwn = values === undefined && standsForItself(value);
    if ((!isOwn && free.length === 0) || named(value) !== undefined) continue;
    known.set(isOwn ? value : (free.shift() ?? '?'), value);
  }
  const isGiven = (letter: string): boolean => given.some(([one]) => one === letter);
  return {
    letterOf: (value) => named(value) ?? '?',
    legend: (letters) =>
      [...known]
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

/** The first place at which two lists of notes part. */
const firstDifferenceOf = (expected: readonly NotedMessage[], actual: readonly NotedMessage[]): number => {
  const longer = expected.length > actual.length ? expected : actual;
  return longer.findIndex((_, index) => !isSameMessage(expected[index], actual[index]));
};

/** What was to come, and what came instead, in words. */
const explainDifference = (
  expected: NotedMessage | undefined,
  actual: NotedMessage | undefined,
  alphabet: Alphabet,
): readonly string[] => {
  const frame = Math.min(expected?.frame ?? Infinity, actual?.frame ?? Infinity);
  const said = (one: NotedMessage | undefined): string => (one?.frame === frame ? letterOf(one, alphabet) : 'nothing');
  const first = `at ${spanOf(frame)}: expected ${said(expected)}, got ${said(actual)}`;
  if (expected?.frame !== actual?.frame || !expected || !actual) return [first];
  const apart = findDifference(valueOf(expected), valueOf(actual));
  if (!apart || expected.notification.kind !== actual.notification.kind) return [first];
  const where = apart.path === '' ? '' : ` at ${apart.path}`;
  return [first, `which differ${where}: expected ${formatValue(apart.expected)}, got ${formatValue(apart.actual)}`];
};

const marksOf = (notes: readonly NotedMessage[], alphabet: Alphabet): readonly DiagramMark[] =>
  notes.map((note) => ({ frame: note.frame, letter: letterOf(note, alphabet) }));

/**
 * How a stream came out differently: what was expected and what came as diagrams under each other, a caret under the
 * first difference, what it is in words, and what the letters stand for.
 */
export const formatStreamFailure = (
  expected: readonly NotedMessage[],
  actual: readonly NotedMessage[],
  values?: LetterValues,
): string => {
  const nexts = [...expected, ...actual].filter(({ notification }) => notification.kind === 'N').map(valueOf);
  const alphabet = alphabetOf(values, nexts);
  const at = firstDifferenceOf(expected, actual);
  const [wanted, came] = [expected[at], actual[at]];
  const frame = Math.min(wanted?.frame ?? Infinity, came?.frame ?? Infinity);
  const before = expected.slice(0, Math.max(at, 0)).filter((note) => note.frame === frame).length;
  const place: DiagramPosition | null = at < 0 ? null : { frame, after: before };
  const rows: readonly DiagramRow[] = [
    { label: 'expected', marks: marksOf(expected, alphabet) },
    { label: 'actual', marks: marksOf(actual, alphabet) },
  ];
  const letters = rows.flatMap(({ marks }) => marks.map(({ letter }) => letter));
  return [
    ...drawDiagram(rows, place),
    ...(at < 0 ? [] : explainDifference(wanted, came, alphabet)),
    ...alphabet.legend(letters),
  ].join('\n');
};

const subscriptionRowOf = (label: string, log: NotedSubscription | undefined): DiagramRow => ({
  label,
  marks: (log ? [['^', log.subscribedFrame] as const, ['!', log.unsubscribedFrame] as const] : [])
    .filter(([, frame]) => Number.isFinite(frame))
    .map(([letter, frame]) => ({ letter, frame })),
});

const framesOf = (log: NotedSubscription | undefined): readonly number[] =>
  log ? [log.subscribedFrame, log.unsubscribedFrame] : [Infinity, Infinity];

/** The same for subscriptions, which are drawn in pairs. */
export const formatSubscriptionFailure = (
  expected: readonly NotedSubscription[],
  actual: readonly NotedSubscription[],
): string => {
  const longer = expected.length > actual.length ? expected : actual;
  const at = longer.findIndex(
    (_, index) => findDifference(framesOf(expected[index]), framesOf(actual[index])) !== null,
  );
  const [wanted, came] = [framesOf(expected[at]), framesOf(actual[at])];
  const which = wanted[0] === came[0] ? 1 : 0;
  const frame = Math.min(wanted[which] ?? Infinity, came[which] ?? Infinity);
  const rows = [subscriptionRowOf('expected', expected[at]), subscriptionRowOf('actual', actual[at])];
  const count = `subscription ${at + 1}; ${expected.length} expected, ${actual.length} made`;
  return [...drawDiagram(rows, { frame, after: 0 }), count].join('\n');
};
