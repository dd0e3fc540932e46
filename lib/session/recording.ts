import { catchError, endWith, isObservable, map, merge, type Observable, of, scan } from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { type AnySyncError, InvalidArgumentError } from '../model/errors.js';
import { checkedNumber, checkedOptions, limits } from '../model/limits.js';
import type { Progress, ProgressDirection } from './progress.js';
import { drawnStaves, type Note, type Track } from './staff.js';
import type { SyncStatus } from './status.js';
import type { SyncSession } from './syncsession.js';
import { errorWords, progressWords, span, statusWords } from './words.js';

/** What a recording is made of: all streams of a session that do not ask anything. */
export type Recordable = Pick<SyncSession, 'connectionState$' | 'syncState$' | 'status$' | 'progress$' | 'errors$'>;

export interface RecordOptions {
  /** The clock of the client whose session it is; the machine's own unless given. */
  readonly clock?: Pick<Clock, 'now'>;
  /** Values of each stream that are kept, the latest ones, from 1 to 100 000; 500 unless given. So much progress does not push a drop out. */
  readonly eventsMax?: number;
}

export interface Recording {
  /**
   * What happened so far, as text: see docs/testing.md. States, numbers, codes and times only: no data, no names, no tokens, no texts of
   * servers, so that it can go into a report. It is made when it is asked for.
   */
  readonly text: () => string;
  /** Records no more; what was recorded stays, and `until` is this moment. Nothing the second time. */
  readonly stop: () => void;
}

/** What is kept of a value: the record itself where it can be put into words later. */
type Entry =
  | { readonly is: 'words'; readonly words: string }
  | { readonly is: 'status'; readonly status: SyncStatus }
  | { readonly is: 'progress'; readonly progress: Progress };

const inWords = (words: string): Entry => ({ is: 'words', words });

const names = ['connection', 'sync', 'status', 'upload', 'download', 'errors'] as const;
type Name = (typeof names)[number];

interface Happening {
  readonly name: Name;
  readonly entry: Entry;
}

/** A value and those before it: taking one more in costs the same however many there are. */
interface Link {
  readonly at: number;
  readonly entry: Entry;
  readonly before: Link | null;
}

/** The latest values of one stream: at least so many as are asked for, at most twice that. */
interface Kept {
  readonly older: Link | null;
  readonly newer: Link | null;
  readonly newerCount: number;
  readonly total: number;
}

interface Tape {
  /** Milliseconds from the beginning to the last value. Does not go back when the clock does. */
  readonly at: number;
  readonly kept: Readonly<Partial<Record<Name, Kept>>>;
}

const empty: Kept = { older: null, newer: null, newerCount: 0, total: 0 };

const keeping = ({ older, newer, newerCount, total }: Kept, link: Omit<Link, 'before'>, eventsMax: number): Kept =>
  newerCount < eventsMax
    ? { older, newer: { ...link, before: newer }, newerCount: newerCount + 1, total: total + 1 }
    : { older: newer, newer: { ...link, before: null }, newerCount: 1, total: total + 1 };

/** The kept values in order, the latest ones. */
const latest = ({ older, newer }: Kept, eventsMax: number): readonly Link[] => {
  const links: Link[] = [];
  for (const first of [newer, older])
    for (let link = first; link !== null && links.length < eventsMax; link = link.before) links.push(link);
  return links.reverse();
};

/** One stream of the session, and how it ends. */
const heard = <T>(name: Name, stream$: Observable<T>, entryOf: (value: T) => Entry): Observable<Happening> =>
  stream$.pipe(
    map(entryOf),
    endWith(inWords('|')),
    catchError(() => of(inWords('#'))),
    map((entry) => ({ name, entry })),
  );

const happenings = (session: Recordable, now: () => number): Observable<Happening> => {
  const { connectionState$, syncState$, status$, progress$, errors$ } = session;
  const progress = (name: ProgressDirection): Observable<Happening> =>
    heard(name, progress$({ direction: name, mode: 'reportIndefinitely' }), (value) => ({
      is: 'progress',
      progress: value,
    }));
  return merge(
    heard('connection', connectionState$, inWords),
    heard('sync', syncState$, inWords),
    heard('status', status$, (status) => ({ is: 'status', status })),
    progress('upload'),
    progress('download'),
    // In words at once: an error may hold on to what a refused write was about.
    heard('errors', errors$, (error: AnySyncError) => inWords(errorWords(error, now()))),
  );
};

const connectionLetters = new Map([
  ['disconnected', 'd'],
  ['connecting', 'c'],
  ['connected', 'C'],
]);
const syncLetters = new Map([
  ['active', 'a'],
  ['paused', 'p'],
  ['inactive', 'i'],
  ['dying', 'y'],
  ['waitingForAccessToken', 't'],
]);
const letters: Readonly<Partial<Record<Name, ReadonlyMap<string, string>>>> = {
  connection: connectionLetters,
  sync: syncLetters,
};

const notesOf = (links: readonly Link[], began: number): readonly Note[] => {
  let before: SyncStatus | null = null; // Of this walk alone.
  return links.map(({ at, entry }) => {
    if (entry.is === 'words') return { at, words: entry.words };
    if (entry.is === 'progress') return { at, words: progressWords(entry.progress) };
    const words = statusWords(before, entry.status, began + at);
    before = entry.status;
    return { at, words };
  });
};

const textOf = ({ kept }: Tape, began: number, until: number, eventsMax: number): string => {
  const tracks = names.map((name): Track => {
    const notes = notesOf(latest(kept[name] ?? empty, eventsMax), began);
    return { name, letters: letters[name] ?? null, notes };
  });
  const leftOut = names.flatMap((name) => {
    const { total } = kept[name] ?? empty;
    return total > eventsMax ? [`${name} ${total - eventsMax}`] : [];
  });
  const legend = [...connectionLetters, ...syncLetters].map(([state, letter]) => `${letter} ${state}`);
  const head = [
    'tidemark recording 1',
    `began ${new Date(began).toISOString()}`,
    `until ${span(until)}`,
    ...(leftOut.length > 0 ? [`left out ${leftOut.join(', ')}`] : []),
    `letters ${legend.join(', ')}`,
  ].join('\n');
  return `${[head, ...drawnStaves(tracks)].join('\n\n')}\n`;
};

/** What a stream throws is recorded; this is something else, and must not go unheard. */
const defect = (thrown: unknown): void => {
  throw thrown;
};

/**
 * Records what a session does, from now on: every value of its state streams, of its progress in both directions and of its errors, and
 * when it came. It subscribes at once and lets go when the session is over, or with `stop`; a value costs one small record, and no more are
 * kept than `eventsMax` of each stream. `play` of `tidemark/testing` makes streams of the text again. Throws an `InvalidArgumentError` for
 * options that make no sense.
 */
export const record = (session: Recordable, options: RecordOptions = {}): Recording => {
  const { clock = systemClock, eventsMax = limits.recordedEventsMax } = checkedOptions('options', options, [
    'clock',
    'eventsMax',
  ]);
  checkedNumber('options.eventsMax', eventsMax, 1, 100_000);
  const { connectionState$ } = Object(session) as Partial<Recordable>;
  if (!isObservable(connectionState$)) throw new InvalidArgumentError('session', 'a session', session);
  const began = Math.round(clock.now());
  const now = (): number => Math.round(clock.now());
  const noted = ({ at: last, kept }: Tape, { name, entry }: Happening): Tape => {
    const at = Math.max(last, now() - began);
    return { at, kept: { ...kept, [name]: keeping(kept[name] ?? empty, { at, entry }, eventsMax) } };
  };
  let tape: Tape = { at: 0, kept: {} }; // The last value of the scan below, for those who ask instead of listening.
  const running = happenings(session, now)
    .pipe(scan(noted, tape))
    .subscribe({ next: (next) => (tape = next), error: defect });
  const present = (): number => Math.max(tape.at, now() - began);
  let stoppedAt: number | null = null; // From then on it knows nothing.
  return {
    text: () => textOf(tape, began, stoppedAt ?? present(), eventsMax),
    stop: () => {
      stoppedAt ??= present();
      running.unsubscribe();
    },
  };
};
