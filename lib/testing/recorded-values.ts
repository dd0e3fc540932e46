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
import { connectionLetters, syncLetters } from '../model/marble-drawing.js';
import { parseSpan, RecordingError, type RecordedNote } from './read-recording.js';

/*
 * Parses the values of a recording. Times in them count from `now`, the time at which the value is played, in
 * milliseconds since the epoch. Every function here throws a `RecordingError` for a text that
 * `lib/session/recording/recording-format.ts` does not write.
 */

type Fields = ReadonlyMap<string, string>;
type Parser<T> = (text: string) => T | null;

/** Reads pairs of the given names, each at most once. An unknown name is an error: it may be a damaged one. */
const fieldsOf = ({ text, line }: RecordedNote, names: readonly string[]): Fields => {
  const pairs = new Map<string, string>();
  for (const pair of text.split(' ')) {
    const [name = '', value, ...more] = pair.split('=');
    if (value === undefined || more.length > 0) throw new RecordingError(line, 'pairs like name=value', pair);
    if (!names.includes(name) || pairs.has(name))
      throw new RecordingError(line, `pairs of the names ${names.join(', ')}, each at most once`, pair);
    pairs.set(name, value);
  }
  return pairs;
};

const connectionFields = {
  disconnected: ['connection', 'reason', 'attempt', 'retry'],
  connecting: ['connection', 'attempt'],
  connected: ['connection', 'since', 'ping'],
} as const satisfies Record<ConnectionState, readonly string[]>;

/** The names that a status may have: those of a connection only with its state. */
const fieldNamesOf = ({ text }: RecordedNote): readonly string[] => {
  const state = connectionStates.find((each) => text.split(' ').includes(`connection=${each}`));
  const connection = state === undefined ? ['connection'] : connectionFields[state];
  const behind = /(^| )downloaded=/.test(text) ? ['behind'] : [];
  return ['sync', ...connection, 'pending', 'downloaded', ...behind, 'synced', 'stalled'];
};

const readField = <T>(
  { line, text: all }: RecordedNote,
  fields: Fields,
  name: string,
  expected: string,
  parse: Parser<T>,
): T => {
  const text = fields.get(name);
  const value = text === undefined ? null : parse(text);
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

export const connectionOf = (note: RecordedNote): ConnectionState => readOneOf(connectionStates, note);
export const syncOf = (note: RecordedNote): SyncState => readOneOf(syncStates, note);

const parseCount: Parser<number> = (text) => (/^\d+$/.test(text) && isCount(Number(text)) ? Number(text) : null);

/** Parses a pair such as `12/400`, with a unit if there is one. */
const parsePair =
  (unit: string): Parser<readonly [number, number]> =>
  (text) => {
    const [, one = '', other = ''] = new RegExp(`^(\\d+)/(\\d+)${unit}$`).exec(text) ?? [];
    const [first, second] = [parseCount(one), parseCount(other)];
    return first === null || second === null ? null : [first, second];
  };

/** Parses a word for nothing, or a value. The result is wrapped, so that nothing differs from an invalid text. */
const parseOrNothing =
  <T>(nothing: string, parse: Parser<T>): Parser<{ readonly value: T | null }> =>
  (text) => {
    if (text === nothing) return { value: null };
    const value = parse(text);
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
  const [what, failed, serverCode, close] = [
    parseTimedOut(more),
    parseOneOf(codes)(more),
    parseServerCode(more),
    parseCount(more),
  ];
  if (kind === 'timed-out' && what !== null) return { kind, what };
  if (kind === 'failed' && failed !== null) return { kind, code: failed };
  if ((kind === 'server-error' || kind === 'suspended') && serverCode !== null)
    return { kind, code: serverCode, text: '' };
  return kind === 'closed-by-server' && close !== null ? { kind, code: close, text: '' } : null;
};

const readConnection = (note: RecordedNote, fields: Fields, now: number): ConnectionStatus => {
  const state = readField(note, fields, 'connection', joinAlternatives(connectionStates), parseOneOf(connectionStates));
  const attempt = (): number => readField(note, fields, 'attempt', 'a number', parseCount);
  const time = 'a time from then on like +1.5s';
  switch (state) {
    case 'disconnected':
      return {
        state,
        reason: readField(note, fields, 'reason', 'a reason like timed-out:read', reasonOf),
        attempt: attempt(),
        retryAt: readField(note, fields, 'retry', `${time}, or never`, parseOrNothing('never', parseMoment(now))).value,
      };
    case 'connecting':
      return { state, attempt: attempt() };
    case 'connected':
      return {
        state,
        since: readField(note, fields, 'since', time, parseMoment(now)),
        roundTripMs: readField(note, fields, 'ping', 'a time like 12ms, or none', parseOrNothing('none', parseSpan))
          .value,
      };
  }
};

/** Applies a status to the one before: fields that the text leaves out stay. The first status has all fields. */
export const statusOf = (note: RecordedNote, before: SyncStatus | null, now: number): SyncStatus => {
  if (note.text === 'same' && before !== null) return { ...before };
  const fields = fieldsOf(note, fieldNamesOf(note));
  const part = <T>(name: string, read: () => T, from: (status: SyncStatus) => T): T =>
    before !== null && !fields.has(name) ? from(before) : read();
  const past = 'a time from then on like -1.5s';
  return {
    sync: part(
      'sync',
      () => readField(note, fields, 'sync', joinAlternatives(syncStates), parseOneOf(syncStates)),
      ({ sync }) => sync,
    ),
    connection: part(
      'connection',
      () => readConnection(note, fields, now),
      ({ connection }) => connection,
    ),
    pending: part(
      'pending',
      () => {
        const [changesets, bytes] = readField(note, fields, 'pending', 'changesets/bytes like 3/1200B', parsePair('B'));
        return { changesets, bytes };
      },
      ({ pending }) => pending,
    ),
    downloaded: part(
      'downloaded',
      () => ({
        version: readField(note, fields, 'downloaded', 'a version', parseCount),
        behind: readField(note, fields, 'behind', 'a number or unknown', parseOrNothing('unknown', parseCount)).value,
      }),
      ({ downloaded }) => downloaded,
    ),
    lastSyncedAt: part(
      'synced',
      () => readField(note, fields, 'synced', `${past}, or never`, parseOrNothing('never', parseMoment(now))).value,
      ({ lastSyncedAt }) => lastSyncedAt,
    ),
    stalledSince: part(
      'stalled',
      () => readField(note, fields, 'stalled', `${past}, or no`, parseOrNothing('no', parseMoment(now))).value,
      ({ stalledSince }) => stalledSince,
    ),
  };
};

const parseShare: Parser<number> = (text) => {
  const value = Number(text);
  return /^\d(?:\.\d{1,4})?$/.test(text) && value <= 1 ? value : null;
};

const parsePairOrUnknown: Parser<readonly [number, number | null]> = (text) => {
  const pair = parsePair('')(text);
  if (pair) return pair;
  const done = text.endsWith('/unknown') ? parseCount(text.slice(0, -'/unknown'.length)) : null;
  return done === null ? null : [done, null];
};

export const progressOf = (note: RecordedNote): Progress => {
  const fields = fieldsOf(note, ['bytes', 'changesets', 'estimate']);
  const [transferredBytes, transferableBytes] = readField(
    note,
    fields,
    'bytes',
    'two numbers like 12/400',
    parsePair(''),
  );
  const changesets = readField(note, fields, 'changesets', 'two numbers like 1/3, or 1/unknown', parsePairOrUnknown);
  const estimate = readField(note, fields, 'estimate', 'a number from 0 to 1', parseShare);
  const [transferredChangesets, transferableChangesets] = changesets;
  return { transferredBytes, transferableBytes, transferredChangesets, transferableChangesets, estimate };
};

const playedText = 'Played from a recording, which has no texts.';

export const errorOf = (note: RecordedNote, now: number): AnySyncError => {
  const [name = '', ...rest] = note.text.split(' ');
  const code = readOneOf(codes, { ...note, text: name });
  const fieldOf = (one: string): Fields => fieldsOf({ ...note, text: rest.join(' ') }, [one]);
  switch (code) {
    case 'stalled':
      return new StalledError(
        readField(note, fieldOf('since'), 'since', 'a time from then on like -1.5s', parseMoment(now)),
      );
    case 'write-refused':
      return new CompensatingWriteError(readField(note, fieldOf('version'), 'version', 'a version', parseCount), []);
    case 'history-changed':
      return new ClientResetError(
        playedText,
        readField(note, fieldOf('why'), 'why', 'manual or again', parseOneOf(['manual', 'again'])),
        () => EMPTY,
      );
    case 'object-set-aside':
      return new ObjectSetAsideError(null);
    default:
      if (rest.length > 0) throw new RecordingError(note.line, `only ${code}`, note.text);
      return new SyncError(code, playedText);
  }
};
