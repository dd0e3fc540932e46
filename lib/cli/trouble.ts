import {
  concat,
  concatMap,
  defer,
  delayWhen,
  dematerialize,
  EMPTY,
  firstValueFrom,
  ignoreElements,
  isObservable,
  map,
  materialize,
  merge,
} from 'rxjs';
import { type MonoTypeOperatorFunction, type Observable, takeUntil, throwError, timer } from 'rxjs';
import type { Clock } from '../clock.js';
import { seeded } from '../model/chance.js';
import { limits } from '../model/limits.js';
import type { Authenticate, ServerLine, ServerOptions, User } from '../server/index.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import { hangUp, type LineError } from '../transport/wire.js';
import type { Chaos, Span } from './chaos.js';

type Random = () => number;
type Time = Pick<Clock, 'scheduler' | 'now'>;

/** Close codes after which a client comes again: going away, failed, restarting, busy, and ours of too much and of a failure. */
const codes = [1001, 1011, 1012, 1013, 4429, 4500] as const;

const drawnFrom = (random: Random, [least, most]: Span): number => least + Math.floor(random() * (most - least + 1));
/** How long something lasts that happens every so often on average. */
const drawnAround = (random: Random, ms: number): number =>
  Math.min(limits.timerMsMax, Math.ceil(-Math.log(1 - random()) * ms));

/**
 * Holds each message up for a while of its own, and keeps their order: the end of a line does not overtake what was said before it. A line on which
 * too many wait breaks.
 */
const late = <A>({ scheduler }: Time, random: Random, span: Span | null): MonoTypeOperatorFunction<A> =>
  span === null
    ? (stream) => stream
    : (stream) =>
        defer(() => {
          const held = { last: 0, count: 0 };
          return stream.pipe(
            materialize(),
            map((note) => {
              const drawn = note.kind === 'N' ? drawnFrom(random, span) : 0;
              held.last = Math.max(held.last, scheduler.now() + drawn);
              held.count += 1;
              if (held.count > limits.chaosHeldMax) throw hangUp(1006, '');
              return [note, held.last] as const;
            }),
            concatMap(([note, due]) =>
              timer(Math.max(0, due - scheduler.now()), scheduler).pipe(
                map(() => {
                  held.count -= 1;
                  return note;
                }),
              ),
            ),
            dematerialize(),
          );
        });

/** Errors after a while, like a line that breaks or is closed. Never emits. */
const brokenAfter = ({ drop, close }: Chaos, { scheduler }: Time, random: Random): Observable<never> => {
  const after = (ms: number | null, end: () => LineError): Observable<never> =>
    ms === null
      ? EMPTY
      : timer(drawnAround(random, ms), scheduler).pipe(concatMap(() => throwError((): LineError => end())));
  const code = (): number => codes[Math.floor(random() * codes.length)] ?? codes[0];
  return merge(
    after(drop, () => hangUp(1006, '')),
    after(close, () => hangUp(code(), 'chaos')),
  );
};

export const troubledLine =
  (chaos: Chaos, time: Time, random: Random) =>
  (wire: ServerLine): ServerLine =>
  (said) =>
    defer(() =>
      wire(said.pipe(late(time, random, chaos.delay))).pipe(
        late(time, random, chaos.delay),
        takeUntil(brokenAfter(chaos, time, random)),
      ),
    );

/** Does what it is asked at once, and answers late: an acknowledgement still means durable, and whoever lets go loses nothing. */
export const slow = (storage: Storage, { scheduler }: Time, random: Random, span: Span): Storage => {
  let last = 0;
  const answered = (): Observable<unknown> => {
    last = Math.max(last, scheduler.now() + drawnFrom(random, span)); // Batches are answered in their order.
    return timer(last - scheduler.now(), scheduler);
  };
  return {
    ...storage,
    range: (range) => storage.range(range).pipe(delayWhen(() => timer(drawnFrom(random, span), scheduler))),
    batch: (changes, how) => concat(storage.batch(changes, how), defer(answered).pipe(ignoreElements())),
  };
};

/** Tokens that are good for a short time only, from when they are shown. */
const brief =
  (authenticate: Authenticate, { now }: Time, random: Random, ms: number): Authenticate =>
  async (token) => {
    const answer = authenticate(token);
    const user: User = await (isObservable(answer) ? firstValueFrom(answer) : answer);
    const ends = now() + Math.ceil(ms * (0.5 + random() / 2));
    return { ...user, expiresAt: Math.min(user.expiresAt ?? Infinity, ends) };
  };

/** What is drawn for one kind of trouble is the same, whatever else there is. */
const chanceOf = (seed: number, kind: number): Random => seeded(seed ^ Math.imul(kind, 0x9e3779b9));

/** The options of a server with which things go wrong as they do in the world: on its lines, with its tokens, on its disk. It promises what it promises. */
export const troubled = (
  options: ServerOptions & { readonly storage: OpenStorage },
  chaos: Chaos,
  time: Time,
): ServerOptions => {
  const { seed, disk, expire } = chaos;
  const { storage, authenticate } = options;
  const [ofLines, ofDisk, ofTokens] = [1, 2, 3].map((kind) => chanceOf(seed, kind)) as [Random, Random, Random];
  return {
    ...options,
    lines: troubledLine(chaos, time, ofLines),
    storage: disk === null ? storage : storage.pipe(map((opened) => slow(opened, time, ofDisk, disk))),
    ...(expire === null || authenticate === undefined
      ? {}
      : { authenticate: brief(authenticate, time, ofTokens, expire) }),
  };
};
