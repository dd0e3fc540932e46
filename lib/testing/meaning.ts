import {
  ClientResetError,
  ObjectSetAsideError,
  CompensatingWriteError,
  StalledError,
  SyncError,
  type AnySyncError,
} from '../model/errors.js';
import { syncErrors, type SyncErrorCode } from '../model/sync-error-codes.js';
import { isVersion } from '../model/version.js';
import { EMPTY } from 'rxjs';
import type { Progress } from '../session/progress.js';
import type { ConnectionState, ConnectionStatus, Reason, SyncState, SyncStatus } from '../session/status.js';
import { connectionLetters, syncLetters } from './letters.js';
import { msIn, RecordingError, type Said } from './reading.js';

/*
 * What the words of a recording mean. Times in them count from the moment of the value, `now`, in milliseconds since the epoch of
 * whoever plays. Everything here throws a `RecordingError` for words that are none of `lib/session/words.ts`.
 */

type Words = ReadonlyMap<string, string>;
type Meant<T> = (text: string) => T | null;

/** Pairs of these names, each once. One that is not known may be one that is meant and was damaged. */
const wordsOf = ({ words, line }: Said, names: readonly string[]): Words => {
  const pairs = new Map<string, string>();
  for (const pair of words.split(' ')) {
    const [name = '', value, ...more] = pair.split('=');
    if (value === undefined || more.length > 0) throw new RecordingError(line, 'words like name=value', pair);
    if (!names.includes(name) || pairs.has(name))
      throw new RecordingError(line, `each of ${names.join(', ')} once at most`, pair);
    pairs.set(name, value);
  }
  return pairs;
};

const ofConnection = {
  disconnected: ['connection', 'reason', 'attempt', 'retry'],
  connecting: ['connection', 'attempt'],
  connected: ['connection', 'since', 'ping'],
} as const satisfies Record<ConnectionState, readonly string[]>;

/** What a status may say: the words of a connection only with its state. */
const namesOf = ({ words }: Said): readonly string[] => {
  const state = connectionStates.find((each) => words.split(' ').includes(`connection=${each}`));
  const connection = state === undefined ? ['connection'] : ofConnection[state];
  const behind = /(^| )downloaded=/.test(words) ? ['behind'] : [];
  return ['sync', ...connection, 'pending', 'downloaded', ...behind, 'synced', 'stalled'];
};

const field = <T>({ line, words: all }: Said, words: Words, name: string, expected: string, meant: Meant<T>): T => {
  const text = words.get(name);
  const value = text === undefined ? null : meant(text);
  if (value !== null) return value;
  throw new RecordingError(line, `${name}=${expected}`, text === undefined ? all : `${name}=${text}`);
};

const oneOf =
  <T extends string>(values: readonly T[]): Meant<T> =>
  (text) =>
    values.find((value) => value === text) ?? null;

const connectionStates: readonly ConnectionState[] = Object.values(connectionLetters);
const syncStates: readonly SyncState[] = Object.values(syncLetters);

const either = (values: readonly string[]): string => values.join(' or ');

const oneWord = <T extends string>(values: readonly T[], { words, line }: Said): T => {
  const value = oneOf(values)(words);
  if (value !== null) return value;
  throw new RecordingError(line, either(values), words);
};

export const connectionOf = (said: Said): ConnectionState => oneWord(connectionStates, said);
export const syncOf = (said: Said): SyncState => oneWord(syncStates, said);

const count: Meant<number> = (text) => (/^\d+$/.test(text) && isVersion(Number(text)) ? Number(text) : null);

/** `12/400`, with a unit perhaps; the second may be `unknown` where that makes sense. */
const pair =
  (unit: string): Meant<readonly [number, number]> =>
  (text) => {
    const [, one = '', other = ''] = new RegExp(`^(\\d+)/(\\d+)${unit}$`).exec(text) ?? [];
    const [first, second] = [count(one), count(other)];
    return first === null || second === null ? null : [first, second];
  };

/** A word for nothing, wrapped so that nothing can be told from what cannot be read. */
const orNothing =
  <T>(nothing: string, meant: Meant<T>): Meant<{ readonly value: T | null }> =>
  (text) => {
    if (text === nothing) return { value: null };
    const value = meant(text);
    return value === null ? null : { value };
  };

const moment =
  (now: number): Meant<number> =>
  (text) => {
    const ms = msIn(text.slice(1));
    if (ms === null) return null;
    return text.startsWith('+') ? now + ms : text.startsWith('-') ? now - ms : null;
  };

const timedOut = oneOf(['connect', 'bind', 'read', 'probe', 'stall']);
const codes = Object.keys(syncErrors) as SyncErrorCode[];
type Plain = 'idle' | 'paused' | 'logged-out' | 'token-expired' | 'token-wanted' | 'closed';
const plain: readonly string[] = [
  'idle',
  'paused',
  'closed',
  'logged-out',
  'token-expired',
  'token-wanted',
] satisfies readonly Plain[];
const isPlain = (text: string): text is Plain => plain.includes(text);
const serverCode: Meant<string> = (text) => (/^[a-z-]{1,40}$/.test(text) ? text : null);

const reasonOf = (text: string): Reason | null => {
  if (isPlain(text)) return { kind: text };
  if (text === 'unreachable') return { kind: 'unreachable', detail: '' };
  const [kind, more = ''] = text.split(':');
  const [what, failed, said, close] = [timedOut(more), oneOf(codes)(more), serverCode(more), count(more)];
  if (kind === 'timed-out' && what !== null) return { kind, what };
  if (kind === 'failed' && failed !== null) return { kind, code: failed };
  if ((kind === 'server-error' || kind === 'suspended') && said !== null) return { kind, code: said, text: '' };
  return kind === 'closed-by-server' && close !== null ? { kind, code: close, text: '' } : null;
};

const connectionIn = (said: Said, words: Words, now: number): ConnectionStatus => {
  const state = field(said, words, 'connection', either(connectionStates), oneOf(connectionStates));
  const attempt = (): number => field(said, words, 'attempt', 'a number', count);
  const time = 'a time from then on like +1.5s';
  switch (state) {
    case 'disconnected':
      return {
        state,
        reason: field(said, words, 'reason', 'a reason like timed-out:read', reasonOf),
        attempt: attempt(),
        retryAt: field(said, words, 'retry', `${time}, or never`, orNothing('never', moment(now))).value,
      };
    case 'connecting':
      return { state, attempt: attempt() };
    case 'connected':
      return {
        state,
        since: field(said, words, 'since', time, moment(now)),
        roundTripMs: field(said, words, 'ping', 'a time like 12ms, or none', orNothing('none', msIn)).value,
      };
  }
};

/** The status after the one before: what the words leave out stays. The first says all. */
export const statusOf = (said: Said, before: SyncStatus | null, now: number): SyncStatus => {
  if (said.words === 'same' && before !== null) return { ...before };
  const words = wordsOf(said, namesOf(said));
  const part = <T>(name: string, read: () => T, from: (status: SyncStatus) => T): T =>
    before !== null && !words.has(name) ? from(before) : read();
  const past = 'a time from then on like -1.5s';
  return {
    sync: part(
      'sync',
      () => field(said, words, 'sync', either(syncStates), oneOf(syncStates)),
      ({ sync }) => sync,
    ),
    connection: part(
      'connection',
      () => connectionIn(said, words, now),
      ({ connection }) => connection,
    ),
    pending: part(
      'pending',
      () => {
        const [changesets, bytes] = field(said, words, 'pending', 'changesets/bytes like 3/1200B', pair('B'));
        return { changesets, bytes };
      },
      ({ pending }) => pending,
    ),
    downloaded: part(
      'downloaded',
      () => ({
        version: field(said, words, 'downloaded', 'a version', count),
        behind: field(said, words, 'behind', 'a number or unknown', orNothing('unknown', count)).value,
      }),
      ({ downloaded }) => downloaded,
    ),
    lastSyncedAt: part(
      'synced',
      () => field(said, words, 'synced', `${past}, or never`, orNothing('never', moment(now))).value,
      ({ lastSyncedAt }) => lastSyncedAt,
    ),
    stalledSince: part(
      'stalled',
      () => field(said, words, 'stalled', `${past}, or no`, orNothing('no', moment(now))).value,
      ({ stalledSince }) => stalledSince,
    ),
  };
};

const share: Meant<number> = (text) => {
  const value = Number(text);
  return /^\d(?:\.\d{1,4})?$/.test(text) && value <= 1 ? value : null;
};

const ofUnknown: Meant<readonly [number, number | null]> = (text) => {
  const known = pair('')(text);
  if (known) return known;
  const done = text.endsWith('/unknown') ? count(text.slice(0, -'/unknown'.length)) : null;
  return done === null ? null : [done, null];
};

export const progressOf = (said: Said): Progress => {
  const words = wordsOf(said, ['bytes', 'changesets', 'estimate']);
  const [transferredBytes, transferableBytes] = field(said, words, 'bytes', 'two numbers like 12/400', pair(''));
  const changesets = field(said, words, 'changesets', 'two numbers like 1/3, or 1/unknown', ofUnknown);
  const estimate = field(said, words, 'estimate', 'a number from 0 to 1', share);
  const [transferredChangesets, transferableChangesets] = changesets;
  return { transferredBytes, transferableBytes, transferredChangesets, transferableChangesets, estimate };
};

const text = 'played from a recording, which has no texts';

export const errorOf = (said: Said, now: number): AnySyncError => {
  const [name = '', ...rest] = said.words.split(' ');
  const code = oneWord(codes, { ...said, words: name });
  const words = (one: string): Words => wordsOf({ ...said, words: rest.join(' ') }, [one]);
  switch (code) {
    case 'stalled':
      return new StalledError(field(said, words('since'), 'since', 'a time from then on like -1.5s', moment(now)));
    case 'write-refused':
      return new CompensatingWriteError(field(said, words('version'), 'version', 'a version', count), []);
    case 'history-changed':
      return new ClientResetError(
        text,
        field(said, words('why'), 'why', 'asked or again', oneOf(['asked', 'again'])),
        () => EMPTY,
      );
    case 'object-set-aside':
      return new ObjectSetAsideError(null);
    default:
      if (rest.length > 0) throw new RecordingError(said.line, `nothing behind ${code}`, said.words);
      return new SyncError(code, text);
  }
};
