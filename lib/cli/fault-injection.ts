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
import { wrapStorage } from '../storage/wrap-storage.js';
import { createCloseError, type ConnectionError } from '../transport/wire.js';
import type { ChaosSettings, MsRange } from './chaos-settings.js';

type Random = () => number;
type Time = Pick<Clock, 'scheduler' | 'now'>;

/**
 * Close codes after which a client reconnects: going away, failed, restarting, busy, and this library's codes for too
 * much data and for a failure.
 */
const closeCodes = [1001, 1011, 1012, 1013, 4429, 4500] as const;

const drawFrom = (random: Random, [least, most]: MsRange): number => least + Math.floor(random() * (most - least + 1));
/** The duration until an event with this average interval. */
const drawAround = (random: Random, ms: number): number =>
  Math.min(limits.timerMsMax, Math.ceil(-Math.log(1 - random()) * ms));

/**
 * Delays each message for a random time and keeps their order: the end of a connection does not overtake its last
 * messages. A connection with too many waiting messages breaks.
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

/** Errors after a while, like a connection that breaks or is closed. Never emits. */
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
  (sent$) =>
    defer(() =>
      wire(sent$.pipe(delayInOrder(time, random, chaos.delay))).pipe(
        delayInOrder(time, random, chaos.delay),
        takeUntil(breakAfter(chaos, time, random)),
      ),
    );

/**
 * Runs each call immediately and delays its answer: an acknowledgement still means durable, and unsubscribing loses
 * nothing.
 */
export const delayStorage = (storage: Storage, { scheduler }: Time, random: Random, span: MsRange): Storage => {
  let last = 0;
  const delayAnswer = (): Observable<unknown> => {
    last = Math.max(last, scheduler.now() + drawFrom(random, span)); // Batches are answered in their order.
    return timer(last - scheduler.now(), scheduler);
  };
  return wrapStorage(storage, {
    range: (range) => storage.range(range).pipe(delayWhen(() => timer(drawFrom(random, span), scheduler))),
    batch: (changes, options) => concat(storage.batch(changes, options), defer(delayAnswer).pipe(ignoreElements())),
  });
};

/** Limits the lifetime of tokens, from their use on. */
const limitTokenLifetime =
  (authenticate: Authenticate, { now }: Time, random: Random, ms: number): Authenticate =>
  async (token) => {
    const answer = authenticate(token);
    const user: User = await (isObservable(answer) ? firstValueFrom(answer) : answer);
    const ends = now() + Math.ceil(ms * (0.5 + random() / 2));
    return { ...user, expiresAt: Math.min(user.expiresAt ?? Infinity, ends) };
  };

/** Random numbers for one kind of fault, independent of the other kinds. */
const createRandom = (seed: number, kind: number): Random => createSeededRandom(seed ^ Math.imul(kind, 0x9e3779b9));

/**
 * Adds realistic faults to the options of a server: on its connections, tokens and disk. The server keeps all of its
 * promises.
 */
export const injectFaults = (
  options: ServerOptions & { readonly storage: OpenStorage },
  chaos: ChaosSettings,
  time: Time,
): ServerOptions => {
  const { seed, disk, expire } = chaos;
  const { storage, authenticate } = options;
  const [connectionRandom, diskRandom, tokenRandom] = [1, 2, 3].map((kind) => createRandom(seed, kind)) as [
    Random,
    Random,
    Random,
  ];
  return {
    ...options,
    middleware: createFaultMiddleware(chaos, time, connectionRandom),
    storage: disk === null ? storage : storage.pipe(map((opened) => delayStorage(opened, time, diskRandom, disk))),
    ...(expire === null || authenticate === undefined
      ? {}
      : { authenticate: limitTokenLifetime(authenticate, time, tokenRandom, expire) }),
  };
};
