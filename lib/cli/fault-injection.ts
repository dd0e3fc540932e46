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
import { createSeededRandom } from '../model/seeded-random.js';
import { limits } from '../model/limits.js';
import type { Authenticate, ServerWire, ServerOptions, User } from '../server/index.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import { createCloseError, type ConnectionError } from '../transport/wire.js';
import type { ChaosSettings, MsRange } from './chaos-settings.js';

type Random = () => number;
type Time = Pick<Clock, 'scheduler' | 'now'>;

/**
 * Close codes after which a client comes again: going away, failed, restarting, busy, and ours of too much and of a
 * failure.
 */
const closeCodes = [1001, 1011, 1012, 1013, 4429, 4500] as const;

const drawFrom = (random: Random, [least, most]: MsRange): number => least + Math.floor(random() * (most - least + 1));
/** How long something lasts that happens every so often on average. */
const drawAround = (random: Random, ms: number): number =>
  Math.min(limits.timerMsMax, Math.ceil(-Math.log(1 - random()) * ms));

/**
 * Holds each message up for a while of its own, and keeps their order: the end of a line does not overtake what was
 * said before it. A line on which too many wait breaks.
 */
const delayInOrder = <A>({ scheduler }: Time, random: Random, span: MsRange | null): MonoTypeOperatorFunction<A> =>
  span === null
    ? (stream) => stream
    : (stream) =>
        defer(() => {
          const held = { last: 0, count: 0 };
          return stream.pipe(
            materialize(),
            map((note) => {
              const drawn = note.kind === 'N' ? drawFrom(random, span) : 0;
              held.last = Math.max(held.last, scheduler.now() + drawn);
              held.count += 1;
              if (held.count > limits.chaosHeldMax) throw createCloseError(1006, '');
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
const breakAfter = ({ drop, close }: ChaosSettings, { scheduler }: Time, random: Random): Observable<never> => {
  const after = (ms: number | null, end: () => ConnectionError): Observable<never> =>
    ms === null
      ? EMPTY
      : timer(drawAround(random, ms), scheduler).pipe(concatMap(() => throwError((): ConnectionError => end())));
  const code = (): number => closeCodes[Math.floor(random() * closeCodes.length)] ?? closeCodes[0];
  return merge(
    after(drop, () => createCloseError(1006, '')),
    after(close, () => createCloseError(code(), 'chaos')),
  );
};

export const createFaultMiddleware =
  (chaos: ChaosSettings, time: Time, random: Random) =>
  (wire: ServerWire): ServerWire =>
  (said) =>
    defer(() =>
      wire(said.pipe(delayInOrder(time, random, chaos.delay))).pipe(
        delayInOrder(time, random, chaos.delay),
        takeUntil(breakAfter(chaos, time, random)),
      ),
    );

/**
 * Does what it is asked at once, and answers late: an acknowledgement still means durable, and whoever lets go loses
 * nothing.
 */
export const delayStorage = (storage: Storage, { scheduler }: Time, random: Random, span: MsRange): Storage => {
  let last = 0;
  const answered = (): Observable<unknown> => {
    last = Math.max(last, scheduler.now() + drawFrom(random, span)); // Batches are answered in their order.
    return timer(last - scheduler.now(), scheduler);
  };
  return {
    ...storage,
    range: (range) => storage.range(range).pipe(delayWhen(() => timer(drawFrom(random, span), scheduler))),
    batch: (changes, how) => concat(storage.batch(changes, how), defer(answered).pipe(ignoreElements())),
  };
};

/** Tokens that are good for a short time only, from when they are shown. */
const limitTokenLifetime =
  (authenticate: Authenticate, { now }: Time, random: Random, ms: number): Authenticate =>
  async (token) => {
    const answer = authenticate(token);
    const user: User = await (isObservable(answer) ? firstValueFrom(answer) : answer);
    const ends = now() + Math.ceil(ms * (0.5 + random() / 2));
    return { ...user, expiresAt: Math.min(user.expiresAt ?? Infinity, ends) };
  };

/** What is drawn for one kind of trouble is the same, whatever else there is. */
const createRandom = (seed: number, kind: number): Random => createSeededRandom(seed ^ Math.imul(kind, 0x9e3779b9));

/**
 * The options of a server with which things go wrong as they do in the world: on its lines, with its tokens, on its
 * disk. It promises what it promises.
 */
export const injectFaults = (
  options: ServerOptions & { readonly storage: OpenStorage },
  chaos: ChaosSettings,
  time: Time,
): ServerOptions => {
  const { seed, disk, expire } = chaos;
  const { storage, authenticate } = options;
  const [ofLines, ofDisk, ofTokens] = [1, 2, 3].map((kind) => createRandom(seed, kind)) as [Random, Random, Random];
  return {
    ...options,
    middleware: createFaultMiddleware(chaos, time, ofLines),
    storage: disk === null ? storage : storage.pipe(map((opened) => delayStorage(opened, time, ofDisk, disk))),
    ...(expire === null || authenticate === undefined
      ? {}
      : { authenticate: limitTokenLifetime(authenticate, time, ofTokens, expire) }),
  };
};
