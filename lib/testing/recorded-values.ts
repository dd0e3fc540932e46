import {
  ClientResetError,
  ObjectSetAsideError,
  CompensatingWriteError,
  StalledError,
  SyncError,
  type AnySyncError,
} from '../model/errors.js';
import { syncErrors, type SyncErrorCode } from '../model/error-catalogue.js';
import { isCount } from '../model/version.js';
import { EMPTY } from 'rxjs';
import type { Progress } from '../session/api/progress.js';
import type { ConnectionState, ConnectionStatus, Reason, SyncState, SyncStatus } from '../session/state/status.js';
import { connectionLetters, syncLetters } from './marble-letters.js';
import { parseSpan, RecordingError, type RecordedNote } from './read-recording.js';

/*
 * What the words of a recording mean. Times in them count from the moment of the value, `now`, in milliseconds since the epoch of
 * whoever plays. Everything here throws a `RecordingError` for words that are none of `lib/session/recording/recording-format.ts`.
 */

type Fields = ReadonlyMap<string, string>;
type Parser<T> = (text: string) => T | null;

/** Pairs of these names, each once. One that is not known may be one that is meant and was damaged. */
const fieldsOf = ({ text, line }: RecordedNote, names: readonly string[]): Fields => {
  const pairs = new Map<string, string>();
  for (const pair of text.split(' ')) {
    const [name = '', value, ...more] = pair.split('=');
    if (value === undefined || more.length > 0) throw new RecordingError(line, 'words like name=value', pair);
    if (!names.includes(name) || pairs.has(name))
      throw new RecordingError(line, `each of ${names.join(', ')} once at most`, pair);
    pairs.set(name, value);
  }
  return pairs;
};

const connectionFields = {
  disconnected: ['connection', 'reason', 'attempt', 'retry'],
  connecting: ['connection', 'attempt'],
  connected: ['connection', 'since', 'ping'],
} as const satisfies Record<ConnectionState, readonly string[]>;

/** What a status may say: the words of a connection only with its state. */
const fieldNamesOf = ({ text }: RecordedNote): readonly string[] => {
  const state = connectionStates.find((each) => text.split(' ').includes(`connection=${each}`));
  const connection = state === undefined ? ['connection'] : connectionFields[state];
  const behind = /(^| )downloaded=/.test(text) ? ['behind'] : [];
  return ['sync', ...connection, 'pending', 'downloaded', ...behind, 'synced', 'stalled'];
};

const readField = <T>(
  { line, text: all }: RecordedNote,
  words: Fields,
  name: string,
  expected: string,
  meant: Parser<T>,
): T => {
  const text = words.get(name);
  const value = text === undefined ? null : meant(text);
  if (value !== null) return value;
  throw new RecordingError(line, `${name}=${expected}`, text === undefined ? all : `${name}=${text}`);
};

const parseOneOf =
  <T extends string>(values: readonly T[]): Parser<T> =>
  (text) =>
    values.find((value) => value === text) ?? null;

const connectionStates: readonly ConnectionState[] = Object.values(connectionLetters);
const syncStates: readonly SyncState[] = Object.values(syncLetters);

const joinAlternatives = (values: readonly string[]): string => values.join(' or ');

const readOneOf = <T extends string>(values: readonly T[], { text, line }: RecordedNote): T => {
  const value = parseOneOf(values)(text);
  if (value !== null) return value;
  throw new RecordingError(line, joinAlternatives(values), text);
};

export const connectionOf = (said: RecordedNote): ConnectionState => readOneOf(connectionStates, said);
export const syncOf = (said: RecordedNote): SyncState => readOneOf(syncStates, said);

const parseCount: Parser<number> = (text) => (/^\d+$/.test(text) && isCount(Number(text)) ? Number(text) : null);

/** `12/400`, with a unit perhaps; the second may be `unknown` where that makes sense. */
const parsePair =
  (unit: string): Parser<readonly [number, number]> =>
  (text) => {
    const [, one = '', other = ''] = new RegExp(`^(\\d+)/(\\d+)${unit}$`).exec(text) ?? [];
    const [first, second] = [parseCount(one), parseCount(other)];
    return first === null || second === null ? null : [first, second];
  };

/** A word for nothing, wrapped so that nothing can be told from what cannot be read. */
const parseOrNothing =
  <T>(nothing: string, meant: Parser<T>): Parser<{ readonly value: T | null }> =>
  (text) => {
    if (text === nothing) return { value: null };
    const value = meant(text);
    return value === null ? null : { value };
  };

const parseMoment =
  (now: number): Parser<number> =>
  (text) => {
    const ms = parseSpan(text.slice(1));
    if (ms === null) return null;
    return text.startsWith('+') ? now + ms : text.startsWith('-') ? now - ms : null;
  };

const parseTimedOut = parseOneOf(['connect', 'bind', 'read', 'probe', 'stall']);
const codes = Object.keys(syncErrors) as SyncErrorCode[];
type PlainReason = 'idle' | 'paused' | 'logged-out' | 'token-expired' | 'token-wanted' | 'closed';
const plainReasons: readonly string[] = [
  'idle',
  'paused',
  'closed',
  'logged-out',
  'token-expired',
  'token-wanted',
] satisfies readonly PlainReason[];
const isPlainReason = (text: string): text is PlainReason => plainReasons.includes(text);
const parseServerCode: Parser<string> = (text) => (/^[a-z-]{1,40}$/.test(text) ? text : null);

const reasonOf = (text: string): Reason | null => {
  if (isPlainReason(text)) return { kind: text };
  if (text === 'unreachable') return { kind: 'unreachable', detail: '' };
  const [kind, more = ''] = text.split(':');
  const [what, failed, said, close] = [
    parseTimedOut(more),
    parseOneOf(codes)(more),
    parseServerCode(more),
    parseCount(more),
  ];
  if (kind === 'timed-out' && what !== null) return { kind, what };
  if (kind === 'failed' && failed !== null) return { kind, code: failed };
  if ((kind === 'server-error' || kind === 'suspended') && said !== null) return { kind, code: said, text: '' };
  return kind === 'closed-by-server' && close !== null ? { kind, code: close, text: '' } : null;
};

const readConnection = (said: RecordedNote, words: Fields, now: number): ConnectionStatus => {
  const state = readField(said, words, 'connection', joinAlternatives(connectionStates), parseOneOf(connectionStates));
  const attempt = (): number => readField(said, words, 'attempt', 'a number', parseCount);
  const time = 'a time from then on like +1.5s';
  switch (state) {
    case 'disconnected':
      return {
        state,
        reason: readField(said, words, 'reason', 'a reason like timed-out:read', reasonOf),
        attempt: attempt(),
        retryAt: readField(said, words, 'retry', `${time}, or never`, parseOrNothing('never', parseMoment(now))).value,
      };
    case 'connecting':
      return { state, attempt: attempt() };
    case 'connected':
      return {
        state,
        since: readField(said, words, 'since', time, parseMoment(now)),
        roundTripMs: readField(said, words, 'ping', 'a time like 12ms, or none', parseOrNothing('none', parseSpan))
          .value,
      };
  }
};

/** The status after the one before: what the words leave out stays. The first says all. */
export const statusOf = (said: RecordedNote, before: SyncStatus | null, now: number): SyncStatus => {
  if (said.text === 'same' && before !== null) return { ...before };
  const words = fieldsOf(said, fieldNamesOf(said));
  const part = <T>(name: string, read: () => T, from: (status: SyncStatus) => T): T =>
    before !== null && !words.has(name) ? from(before) : read();
  const past = 'a time from then on like -1.5s';
  return {
    sync: part(
      'sync',
      () => readField(said, words, 'sync', joinAlternatives(syncStates), parseOneOf(syncStates)),
      ({ sync }) => sync,
    ),
    connection: part(
      'connection',
      () => readConnection(said, words, now),
      ({ connection }) => connection,
    ),
    pending: part(
      'pending',
      () => {
        const [changesets, bytes] = readField(said, words, 'pending', 'changesets/bytes like 3/1200B', parsePair('B'));
        return { changesets, bytes };
      },
      ({ pending }) => pending,
    ),
    downloaded: part(
      'downloaded',
      () => ({
        version: readField(said, words, 'downloaded', 'a version', parseCount),
        behind: readField(said, words, 'behind', 'a number or unknown', parseOrNothing('unknown', parseCount)).value,
      }),
      ({ downloaded }) => downloaded,
    ),
    lastSyncedAt: part(
      'synced',
      () => readField(said, words, 'synced', `${past}, or never`, parseOrNothing('never', parseMoment(now))).value,
      ({ lastSyncedAt }) => lastSyncedAt,
    ),
    stalledSince: part(
      'stalled',
      () => readField(said, words, 'stalled', `${past}, or no`, parseOrNothing('no', parseMoment(now))).value,
      ({ stalledSince }) => stalledSince,
    ),
  };
};

const parseShare: Parser<number> = (text) => {
  const value = Number(text);
  return /^\d(?:\.\d{1,4})?$/.test(text) && value <= 1 ? value : null;
};

const parsePairOrUnknown: Parser<readonly [number, number | null]> = (text) => {
  const known = parsePair('')(text);
  if (known) return known;
  const done = text.endsWith('/unknown') ? parseCount(text.slice(0, -'/unknown'.length)) : null;
  return done === null ? null : [done, null];
};

export const progressOf = (said: RecordedNote): Progress => {
  const words = fieldsOf(said, ['bytes', 'changesets', 'estimate']);
  const [transferredBytes, transferableBytes] = readField(
    said,
    words,
    'bytes',
    'two numbers like 12/400',
    parsePair(''),
  );
  const changesets = readField(said, words, 'changesets', 'two numbers like 1/3, or 1/unknown', parsePairOrUnknown);
  const estimate = readField(said, words, 'estimate', 'a number from 0 to 1', parseShare);
  const [transferredChangesets, transferableChangesets] = changesets;
  return { transferredBytes, transferableBytes, transferredChangesets, transferableChangesets, estimate };
};

const playedText = 'played from a recording, which has no texts';

export const errorOf = (said: RecordedNote, now: number): AnySyncError => {
  const [name = '', ...rest] = said.text.split(' ');
  const code = readOneOf(codes, { ...said, text: name });
  const words = (one: string): Fields => fieldsOf({ ...said, text: rest.join(' ') }, [one]);
  switch (code) {
    case 'stalled':
      return new StalledError(
        readField(said, words('since'), 'since', 'a time from then on like -1.5s', parseMoment(now)),
      );
    case 'write-refused':
      return new CompensatingWriteError(readField(said, words('version'), 'version', 'a version', parseCount), []);
    case 'history-changed':
      return new ClientResetError(
        playedText,
        readField(said, words('why'), 'why', 'asked or again', parseOneOf(['asked', 'again'])),
        () => EMPTY,
      );
    case 'object-set-aside':
      return new ObjectSetAsideError(null);
    default:
      if (rest.length > 0) throw new RecordingError(said.line, `nothing behind ${code}`, said.text);
      return new SyncError(code, playedText);
  }
};
