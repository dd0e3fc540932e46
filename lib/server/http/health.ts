import { catchError, defer, map, of, switchMap, tap, timeout, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Storage } from '../../storage/storage.js';

/**
 * Whether a server does its work, and why not. `clock-behind`: it does, but its clock is behind what is stamped in its
 * histories.
 */
export type Readiness = 'ready' | 'clock-behind' | 'opening' | 'draining' | 'storage';

export interface Health {
  /** Looks over the shoulder of a storage that was opened. */
  readonly watchStorage: (storage: Storage) => Storage;
  /** How it is now: emits once, within two seconds. */
  readonly readiness$: Observable<Readiness>;
}

export interface HealthPorts {
  readonly storage$: Observable<Storage>;
  readonly isClosing: () => boolean;
  readonly clock: Clock;
  /** Told how long each durable batch took, in milliseconds. */
  readonly written: (ms: number) => void;
}

const anyRange = { from: ' ', to: '~', limit: 1, bytesMax: 1 };

/** A server is ready when its storage answers and its last durable write did not fail a moment ago. */
export const createHealth = ({ storage$, isClosing, clock, written }: HealthPorts): Health => {
  let isOpen = false;
  let failedAt = -Infinity;

  const batched = (storage: Storage): Storage['batch'] => {
    const durable: Storage['batch'] = (changes, options) =>
      defer(() => {
        const since = clock.scheduler.now();
        return storage.batch(changes, options).pipe(
          tap({
            error: () => (failedAt = clock.scheduler.now()),
            complete: () => {
              failedAt = -Infinity;
              written(clock.scheduler.now() - since);
            },
          }),
        );
      });
    return (changes, options) => (options.durable ? durable(changes, options) : storage.batch(changes, options));
  };

  const probe$ = storage$.pipe(
    switchMap((storage) => storage.range(anyRange)),
    map((): Readiness => 'ready'),
    timeout({ first: limits.readyMsMax, scheduler: clock.scheduler }),
    catchError(() => of<Readiness>('storage')),
  );
  return {
    watchStorage: (storage) => {
      isOpen = true;
      const { copy, lost$ } = storage;
      return {
        range: (range) => storage.range(range),
        batch: batched(storage),
        close: () => storage.close(),
        ...(copy === undefined ? {} : { copy: (sink) => copy.call(storage, sink) }),
        ...(lost$ === undefined ? {} : { lost$ }),
      };
    },
    readiness$: defer(() => {
      if (isClosing()) return of<Readiness>('draining');
      if (!isOpen) return of<Readiness>('opening');
      return clock.scheduler.now() - failedAt < limits.notReadyMs ? of<Readiness>('storage') : probe$;
    }),
  };
};
