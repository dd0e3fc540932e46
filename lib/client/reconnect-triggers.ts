import {
  defer,
  EMPTY,
  filter,
  fromEvent,
  interval,
  map,
  merge,
  type Observable,
  pairwise,
  startWith,
  switchMap,
} from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkOptions } from '../model/limits.js';
import { checkClock } from '../model/check-arguments.js';

/**
 * An event after which a new connection attempt is worthwhile.
 *
 * - `online`: the network is back.
 * - `offline`: the network is gone. The client only probes a connection that looks alive.
 * - `visible`: the page is visible again.
 * - `restored`: the page returned from the back/forward cache.
 * - `woke`: the machine woke from sleep.
 */
export type ReconnectTrigger = 'online' | 'offline' | 'visible' | 'restored' | 'woke';

/**
 * The part of `EventTarget` that `watchReconnectTriggers` uses.
 *
 * @see {@link watchReconnectTriggers}
 */
export interface ReconnectTriggerSource {
  /**
   * Adds a listener of an event, as `EventTarget` does.
   *
   * @param type - The name of the event.
   * @param listener - The function to call at the event.
   */
  addEventListener: (type: string, listener: (event: unknown) => void) => void;
  /**
   * Removes a listener of an event, as `EventTarget` does.
   *
   * @param type - The name of the event.
   * @param listener - The function that was added.
   */
  removeEventListener: (type: string, listener: (event: unknown) => void) => void;
}

/**
 * A window, the global scope of a worker, or any part of them. A missing part emits no triggers.
 *
 * @see {@link watchReconnectTriggers}
 */
export interface ReconnectTriggerSources extends Partial<ReconnectTriggerSource> {
  /** The document whose visibility is watched. A worker has none. */
  readonly document?: (Partial<ReconnectTriggerSource> & { readonly visibilityState?: string }) | undefined;
}

/**
 * Options of `watchReconnectTriggers`.
 *
 * @example
 * ```ts
 * const reconnect$ = watchReconnectTriggers({ clock, sources: new EventTarget() });
 * ```
 */
export interface ReconnectTriggerOptions {
  /**
   * The clock that detects sleep; virtual in tests.
   *
   * @defaultValue `systemClock`
   */
  readonly clock?: Clock;
  /**
   * The object that dispatches the events; a fake page in tests.
   *
   * @defaultValue `globalThis`
   */
  readonly sources?: ReconnectTriggerSources;
}

/** Milliseconds between two checks for sleep: rare enough to cost nothing. */
const checkIntervalMs = 5_000;

/**
 * Milliseconds by which a check must be late to count as sleep: more than a busy page or a throttled timer of a visible
 * page causes.
 */
const sleepMsMin = 15_000;

/**
 * Observes the events of the platform after which a client should try to connect immediately. It is the default of the
 * client's option `reconnect$`. Cold: listens, and checks the time every 5 000 ms, only while subscribed. Emits each
 * event when it happens, never on subscription. Never completes. Never errors. Each value is a `ReconnectTrigger`:
 *
 * - `online`, `offline`: the events of the same names. `offline` is unreliable, so it only probes a connection that
 *   looks alive.
 * - `visible`: `visibilitychange` to a visible page.
 * - `restored`: `pageshow` of a page from the back/forward cache.
 * - `woke`: between two checks the clock advanced by over 15 000 ms more than the 5 000 ms of the interval. Emits up to
 *   5 000 ms after the machine woke. A shorter sleep goes unnoticed, and so does a sleep during which the clock was set
 *   back. A clock that was set forward that far, and a process that was stopped or busy that long, look like sleep and
 *   cost one probe. There are no checks while the page is hidden, because browsers delay its timers by up to a minute;
 *   `visible` follows instead.
 *
 * An event that the platform does not have never emits: Node has only `woke`. Several triggers may follow one event (a
 * laptop that is opened: `woke`, `visible`, `online`); the second one has no further effect.
 *
 * @param options - A clock and a source of events, for tests.
 * @returns A stream of triggers.
 * @throws InvalidArgumentError for invalid options.
 *
 * @example
 * ```ts
 * createSyncClient({ url, reconnect$: watchReconnectTriggers().pipe(filter((trigger) => trigger !== 'visible')) });
 * createSyncClient({ url, reconnect$: merge(watchReconnectTriggers(), retryClicks$) });
 * createSyncClient({ url, reconnect$: NEVER });
 * ```
 */
export const watchReconnectTriggers = (options: ReconnectTriggerOptions = {}): Observable<ReconnectTrigger> => {
  const { clock = systemClock, sources = globalThis } = checkOptions('options of watchReconnectTriggers', options, [
    'clock',
    'sources',
  ]);
  if (typeof sources !== 'object' || (sources as unknown) === null)
    throw new InvalidArgumentError('sources', 'an object such as window', sources);
  return reconnectTriggersOf(checkClock(clock), sources);
};

const reconnectTriggersOf = (clock: Clock, sources: ReconnectTriggerSources): Observable<ReconnectTrigger> =>
  defer(() => {
    const { document } = sources;
    const isShown = (): boolean => document?.visibilityState !== 'hidden';
    const shown$ = eventsOf(document, 'visibilitychange').pipe(map(isShown));
    return merge(
      eventsOf(sources, 'online').pipe(map((): ReconnectTrigger => 'online')),
      eventsOf(sources, 'offline').pipe(map((): ReconnectTrigger => 'offline')),
      shown$.pipe(
        filter(Boolean),
        map((): ReconnectTrigger => 'visible'),
      ),
      eventsOf(sources, 'pageshow').pipe(
        filter(isPersisted),
        map((): ReconnectTrigger => 'restored'),
      ),
      shown$.pipe(
        startWith(isShown()),
        switchMap((shown) => (shown ? watchWakeUps(clock) : EMPTY)),
      ),
    );
  });

/** Emits when the wall clock advanced further than the timer: the difference is time asleep. */
const watchWakeUps = ({ scheduler, now }: Clock): Observable<ReconnectTrigger> =>
  defer(() =>
    interval(checkIntervalMs, scheduler).pipe(
      map(() => now()),
      startWith(now()),
      pairwise(),
      filter(([before, after]) => after - before > checkIntervalMs + sleepMsMin),
      map((): ReconnectTrigger => 'woke'),
    ),
  );

const eventsOf = (source: Partial<ReconnectTriggerSource> | undefined, type: string): Observable<unknown> =>
  typeof source?.addEventListener === 'function' && typeof source.removeEventListener === 'function'
    ? fromEvent(source as ReconnectTriggerSource, type)
    : EMPTY;

const isPersisted = (event: unknown): boolean => (event as { readonly persisted?: unknown }).persisted === true;
