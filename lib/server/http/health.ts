import { catchError, defer, map, of, switchMap, tap, timeout, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import { serverLimits } from '../server-limits.js';
import { readManyPartOf } from '../../storage/read-many.js';
import type { Storage } from '../../storage/storage.js';
import { wrapStorage } from '../../storage/wrap-storage.js';

/**
 * Whether a server works, and the reason if it does not. With `clock-behind` the server works, but its clock is behind
 * the stamps in its histories.
 */
export type Readiness = 'ready' | 'clock-behind' | 'opening' | 'draining' | 'storage';

export interface Health {
  /** Observes the durable writes of an open storage. */
  readonly watchStorage: (storage: Storage) => Storage;
  /** Emits the present readiness once, within two seconds. Cold. */
  readonly readiness$: Observable<Readiness>;
}

export interface HealthPorts {
  readonly storage$: Observable<Storage>;
  readonly isClosing: () => boolean;
  readonly clock: Clock;
  /** Called with the duration of each durable batch, in milliseconds. */
  readonly onBatchWritten: (ms: number) => void;
}

const anyRange = { from: ' ', to: '~', limit: 1, bytesMax: 1 };

/**
 * Creates the health check. A server is ready if its storage answers and no durable write has failed within
 * `limits.notReadyMs`.
 */
export const createHealth = ({ storage$, isClosing, clock, onBatchWritten: written }: HealthPorts): Health => {
  let isOpen = false;
  let failedAt = -Infinity;

  const observeBatch = (storage: Storage): Storage['batch'] => {
    const writeDurable: Storage['batch'] = (changes, options) =>
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
    return (changes, options) => (options.durable ? writeDurable(changes, options) : storage.batch(changes, options));
  };

  const probe$ = storage$.pipe(
    switchMap((storage) => storage.range(anyRange)),
    map((): Readiness => 'ready'),
    timeout({ first: serverLimits.readyMsMax, scheduler: clock.scheduler }),
    catchError(() => of<Readiness>('storage')),
  );
  return {
    watchStorage: (storage) => {
      isOpen = true;
      return wrapStorage(storage, { ...readManyPartOf(storage), batch: observeBatch(storage) });
    },
    readiness$: defer(() => {
      if (isClosing()) return of<Readiness>('draining');
      if (!isOpen) return of<Readiness>('opening');
      return clock.scheduler.now() - failedAt < serverLimits.notReadyMs ? of<Readiness>('storage') : probe$;
    }),
  };
};
