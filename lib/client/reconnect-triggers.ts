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
import { checkClock } from './check-arguments.js';

/**
 * Why it may be worth trying now: the network is back (`online`) or gone (`offline`: a line that looks alive is probed,
 * nothing else), the page is looked at again (`visible`) or came back out of the back/forward cache (`restored`), the
 * machine has slept (`woke`).
 */
export type ReconnectTrigger = 'online' | 'offline' | 'visible' | 'restored' | 'woke';

/** What can be listened to: an `EventTarget`. */
export interface ReconnectTriggerSource {
  addEventListener: (type: string, heard: (event: unknown) => void) => void;
  removeEventListener: (type: string, heard: (event: unknown) => void) => void;
}

/** A window or a worker's global scope, or less: what is not there says nothing. */
export interface ReconnectTriggerSources extends Partial<ReconnectTriggerSource> {
  readonly document?: (Partial<ReconnectTriggerSource> & { readonly visibilityState?: string }) | undefined;
}

export interface ReconnectTriggerOptions {
  /** Tells the time that a sleep shows in; virtual in tests. */
  readonly clock?: Clock;
  /** Where the events come from: `globalThis`, unless a test has a page of its own. */
  readonly sources?: ReconnectTriggerSources;
}

/** How often somebody looks whether the machine has slept, in milliseconds: seldom enough to cost nothing. */
const checkIntervalMs = 5_000;

/**
 * How late a look has to be to mean sleep: later than a busy page or a throttled timer of a page that is seen ever is.
 */
const sleepMsMin = 15_000;

/**
 * What this platform says that means "try now", each time it says it. Cold: it listens, and looks at the time every 5
 * 000 ms, only while somebody is subscribed; a client is while a session of its wants the line. Never errors, never
 * completes, and never emits on subscription.
 *
 * - `online`, `offline`: the events of those names. `offline` is known to lie, so it only probes a line that looks
 *   alive.
 * - `visible`: `visibilitychange` to a page that is shown.
 * - `restored`: `pageshow` of a page that was kept in the back/forward cache.
 * - `woke`: the clock went on by over 15 000 ms more than the 5 000 ms between two looks. It comes up to 5 000 ms after
 *   the waking. A shorter sleep is not noticed, nor is one in which the clock was set back. A clock that is set forward
 *   that far, and a process that was stopped or kept busy that long, look the same: it costs a probe. Nobody looks
 *   while the page is hidden, because browsers hold its timers back for a minute; `visible` speaks for it.
 *
 * A source that the platform does not have is absent: in Node there is `woke` only. Several may speak of one event (a
 * laptop that is opened: `woke`, `visible`, `online`); a second trigger has no further effect.
 *
 * The client's `reconnect$` unless another is given.
 * `watchReconnectTriggers().pipe(filter((trigger) => trigger !== 'visible'))` is all of it but one;
 * `merge(watchReconnectTriggers(), mine$)` adds to it; `NEVER` is none of it. Throws an `InvalidArgumentError` for
 * options that make no sense.
 */
export const watchReconnectTriggers = (options: ReconnectTriggerOptions = {}): Observable<ReconnectTrigger> => {
  const { clock = systemClock, sources = globalThis } = checkOptions('options', options, ['clock', 'sources']);
  if (typeof sources !== 'object' || (sources as unknown) === null)
    throw new InvalidArgumentError('sources', 'a window, or what is like one', sources);
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

/** A timer tells awake time and the wall clock tells all time: the difference was slept. */
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
