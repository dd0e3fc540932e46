import { Observable, type ObservableNotification } from 'rxjs';
import { diagram, spanOf, type Mark, type Place, type Row } from './diagram.js';
import { difference, shown } from './differ.js';
import { isLetter } from './letters.js';

/** What `TestScheduler` notes of a stream. */
export interface Noted {
  readonly frame: number;
  readonly notification: ObservableNotification<unknown>;
}

/** What it notes of a subscription. */
export interface Subscribed {
  readonly subscribedFrame: number;
  readonly unsubscribedFrame: number;
}

/** The values that a diagram's letters stand for. */
export type Values = Readonly<Record<string, unknown>>;

/** A marble test that came out differently. Its message has both diagrams. */
export class MarbleError extends Error {
  override readonly name = 'MarbleError';
}

const spare = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');

/** Streams in streams are noted as what the inner one did. */
const meaning = (value: unknown): unknown =>
  value instanceof Observable && 'messages' in value ? value.messages : value;

interface Alphabet {
  readonly letterOf: (value: unknown) => string;
  /** What letters stand for, a line each, those left out that stand for themselves. */
  readonly legend: (letters: readonly string[]) => readonly string[];
}

const standsForItself = (value: unknown): value is string => typeof value === 'string' && isLetter(value);

/** Letters of values: those that the spec gave; what it did not name gets one that is free, or `?` when none is left. */
const alphabetOf = (values: Values | undefined, all: readonly unknown[]): Alphabet => {
  const given = Object.entries(values ?? {})
    .filter(([letter]) => isLetter(letter))
    .map(([letter, value]) => [letter, meaning(value)] as const);
  const known = new Map<string, unknown>(given);
  const named = (value: unknown): string | undefined => {
    const letters = Array.from(known);
    return (letters.find(([, one]) => Object.is(one, value)) ??
      letters.find(([, one]) => difference(one, value) === null))?.[0];
  };
  const taken = new Set(all);
  const free = spare.filter((letter) => !known.has(letter) && !taken.has(letter));
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
            `${letter} = ${shown(value)}${values && !isGiven(letter) ? '  (no letter was given for it)' : ''}`,
        ),
  };
};

const letterOf = ({ notification }: Noted, alphabet: Alphabet): string => {
  if (notification.kind === 'N') return alphabet.letterOf(notification.value);
  return notification.kind === 'C' ? '|' : '#';
};

const valueOf = ({ notification }: Noted): unknown => {
  if (notification.kind === 'N') return notification.value;
  return notification.kind === 'E' ? notification.error : undefined;
};

const isSame = (expected: Noted | undefined, actual: Noted | undefined): boolean =>
  expected?.frame === actual?.frame && difference(expected?.notification, actual?.notification) === null;

/** The first place at which two lists of notes part. */
const firstOf = (expected: readonly Noted[], actual: readonly Noted[]): number => {
  const longer = expected.length > actual.length ? expected : actual;
  return longer.findIndex((_, index) => !isSame(expected[index], actual[index]));
};

/** What was to come, and what came instead, in words. */
const explained = (expected: Noted | undefined, actual: Noted | undefined, alphabet: Alphabet): readonly string[] => {
  const frame = Math.min(expected?.frame ?? Infinity, actual?.frame ?? Infinity);
  const said = (one: Noted | undefined): string => (one?.frame === frame ? letterOf(one, alphabet) : 'nothing');
  const first = `at ${spanOf(frame)}: expected ${said(expected)}, got ${said(actual)}`;
  if (expected?.frame !== actual?.frame || !expected || !actual) return [first];
  const apart = difference(valueOf(expected), valueOf(actual));
  if (!apart || expected.notification.kind !== actual.notification.kind) return [first];
  const where = apart.path === '' ? '' : ` at ${apart.path}`;
  return [first, `which differ${where}: expected ${shown(apart.expected)}, got ${shown(apart.actual)}`];
};

const marksOf = (notes: readonly Noted[], alphabet: Alphabet): readonly Mark[] =>
  notes.map((note) => ({ frame: note.frame, letter: letterOf(note, alphabet) }));

/**
 * How a stream came out differently: what was expected and what came as diagrams under each other, a caret under the first difference,
 * what it is in words, and what the letters stand for.
 */
export const streamFailure = (expected: readonly Noted[], actual: readonly Noted[], values?: Values): string => {
  const nexts = [...expected, ...actual].filter(({ notification }) => notification.kind === 'N').map(valueOf);
  const alphabet = alphabetOf(values, nexts);
  const at = firstOf(expected, actual);
  const [wanted, came] = [expected[at], actual[at]];
  const frame = Math.min(wanted?.frame ?? Infinity, came?.frame ?? Infinity);
  const before = expected.slice(0, Math.max(at, 0)).filter((note) => note.frame === frame).length;
  const place: Place | null = at < 0 ? null : { frame, after: before };
  const rows: readonly Row[] = [
    { label: 'expected', marks: marksOf(expected, alphabet) },
    { label: 'actual', marks: marksOf(actual, alphabet) },
  ];
  const letters = rows.flatMap(({ marks }) => marks.map(({ letter }) => letter));
  return [
    ...diagram(rows, place),
    ...(at < 0 ? [] : explained(wanted, came, alphabet)),
    ...alphabet.legend(letters),
  ].join('\n');
};

const subscribedRow = (label: string, log: Subscribed | undefined): Row => ({
  label,
  marks: (log ? [['^', log.subscribedFrame] as const, ['!', log.unsubscribedFrame] as const] : [])
    .filter(([, frame]) => Number.isFinite(frame))
    .map(([letter, frame]) => ({ letter, frame })),
});

const framesOf = (log: Subscribed | undefined): readonly number[] =>
  log ? [log.subscribedFrame, log.unsubscribedFrame] : [Infinity, Infinity];

/** The same for subscriptions, which are drawn in pairs. */
export const subscriptionFailure = (expected: readonly Subscribed[], actual: readonly Subscribed[]): string => {
  const longer = expected.length > actual.length ? expected : actual;
  const at = longer.findIndex((_, index) => difference(framesOf(expected[index]), framesOf(actual[index])) !== null);
  const [wanted, came] = [framesOf(expected[at]), framesOf(actual[at])];
  const which = wanted[0] === came[0] ? 1 : 0;
  const frame = Math.min(wanted[which] ?? Infinity, came[which] ?? Infinity);
  const rows = [subscribedRow('expected', expected[at]), subscribedRow('actual', actual[at])];
  const count = `subscription ${at + 1}; ${expected.length} expected, ${actual.length} made`;
  return [...diagram(rows, { frame, after: 0 }), count].join('\n');
};
