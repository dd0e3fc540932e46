import { concat, defer, distinctUntilChanged, filter, map, type Observable, scan, takeWhile, throwError } from 'rxjs';
import { checkOneOf } from '../../model/check-arguments.js';
import { checkOptions } from '../../model/limits.js';
import type { SessionStore } from '../state/session-store.js';
import type { SessionState } from '../state/session-state.js';
import type { TransferBatch, Transfers } from '../state/transfer-progress.js';
import { throwIfInterrupted, createSessionOverError } from './completion.js';

/** The direction of a transfer: to the server (`upload`) or from the server (`download`). */
export type ProgressDirection = 'upload' | 'download';

/**
 * The work that `progress$` reports. `reportIndefinitely`: all work, while the totals grow.
 * `forCurrentlyOutstandingWork`: only the work that is outstanding at the subscription, until it is done.
 */
export type ProgressMode = 'reportIndefinitely' | 'forCurrentlyOutstandingWork';

/**
 * Selects the progress that `progress$` emits.
 *
 * @example
 * ```ts
 * const options: ProgressOptions = { direction: 'download', mode: 'forCurrentlyOutstandingWork' };
 * ```
 */
export interface ProgressOptions {
  /** `upload` or `download`. */
  readonly direction: ProgressDirection;
  /**
   * `reportIndefinitely`: every change, while the totals grow. `forCurrentlyOutstandingWork`: only the work that is
   * outstanding at the subscription, until it is done.
   */
  readonly mode: ProgressMode;
}

/**
 * Progress of a transfer. Bytes and changesets count from the beginning of the realm, also after a restart.
 *
 * @example
 * ```ts
 * const percentOf = ({ estimate }: Progress) => `${Math.floor(100 * estimate)} %`;
 * ```
 */
export interface Progress {
  /**
   * Upload: bytes that the server has acknowledged as durable. Download: bytes of the history that are stored here.
   *
   * Decreases only at a client reset.
   */
  readonly transferredBytes: number;
  /** The transferred bytes and the outstanding ones. */
  readonly transferableBytes: number;
  /** Changesets that were transferred, counted like the transferred bytes. */
  readonly transferredChangesets: number;
  /** The transferred changesets and the outstanding ones. `null`: the server has not sent their number yet. */
  readonly transferableChangesets: number | null;
  /**
   * The transferred share of the current batch of work, from 0 to 1.
   *
   * A batch begins when new work is outstanding and no other is: then the share is near 0. It is exactly 1 while no
   * work is outstanding.
   */
  readonly estimate: number;
}

const toProgress = ({ bytes, ofBytes, changesets, ofChangesets, from }: TransferBatch): Progress => ({
  transferredBytes: bytes,
  transferableBytes: ofBytes,
  transferredChangesets: changesets,
  transferableChangesets: ofChangesets,
  estimate: bytes >= ofBytes ? 1 : (bytes - from) / (ofBytes - from),
});

/** Returns the batch that a progress was made of. Its start is computed from the estimate. */
export const toBatch = (progress: Progress): TransferBatch => {
  const { transferredBytes: bytes, transferableBytes: ofBytes, estimate } = progress;
  const from = estimate < 1 ? Math.round((bytes - estimate * ofBytes) / (1 - estimate)) : bytes;
  return {
    ...{ bytes, ofBytes, from: Math.max(0, Math.min(from, bytes)) },
    changesets: progress.transferredChangesets,
    ofChangesets: progress.transferableChangesets,
  };
};

const isSameProgress = (a: Progress, b: Progress): boolean =>
  a.transferredBytes === b.transferredBytes &&
  a.transferableBytes === b.transferableBytes &&
  a.transferredChangesets === b.transferredChangesets &&
  a.transferableChangesets === b.transferableChangesets;

/**
 * Limits a batch to the work that was outstanding at first: the total never grows, and shrinks only when less turns out
 * to be outstanding.
 */
const limitToFirst = (first: TransferBatch | null, next: TransferBatch): TransferBatch => {
  const total = first ?? next;
  const ofBytes = Math.min(total.ofBytes, next.ofBytes);
  const ofChangesets = total.ofChangesets;
  const changesets = ofChangesets === null ? next.changesets : Math.min(next.changesets, ofChangesets);
  return { bytes: Math.min(next.bytes, ofBytes), ofBytes, changesets, ofChangesets, from: total.from };
};

const isUnderWay = ({ transferredBytes, transferableBytes }: Progress): boolean => transferredBytes < transferableBytes;

/**
 * Whether the total of a batch is up to date. A finished download is not while the session is disconnected, because the
 * server may have more by now.
 */
const isKnown = (
  { connection }: SessionState,
  { bytes, ofBytes }: TransferBatch,
  direction: ProgressDirection,
): boolean => direction === 'upload' || bytes < ofBytes || connection.state === 'connected';

/**
 * Emits the progress of the outstanding work until it is done.
 *
 * Completes with the value in which nothing is left. Errors when the batches end before that.
 */
export const outstandingProgressOf = (batches$: Observable<TransferBatch>): Observable<Progress> =>
  concat(
    batches$,
    throwError(() => createSessionOverError()),
  ).pipe(
    scan(limitToFirst, null),
    filter((batch) => batch !== null),
    map(toProgress),
    distinctUntilChanged(isSameProgress),
    takeWhile(isUnderWay, true),
  );

const observeOutstanding = (store: SessionStore, direction: ProgressDirection): Observable<Progress> =>
  defer(() => {
    const { times } = store.getState().interruption;
    const batches$ = store.state$.pipe(
      map((state) => {
        const batch = state.transfers[direction];
        const current = batch !== null && isKnown(state, batch, direction) ? batch : null;
        if (current === null || current.bytes < current.ofBytes) throwIfInterrupted(state, times);
        return current;
      }),
      filter((batch) => batch !== null),
    );
    return outstandingProgressOf(batches$);
  });

/**
 * Returns checked options.
 *
 * @throws {InvalidArgumentError} The options are invalid.
 */
export const checkProgressOptions = (options: ProgressOptions): ProgressOptions => {
  const { direction, mode } = checkOptions('options of progress$', options, ['direction', 'mode']);
  checkOneOf('direction', ['upload', 'download'], direction);
  checkOneOf('mode', ['reportIndefinitely', 'forCurrentlyOutstandingWork'], mode);
  return { direction, mode };
};

/**
 * Emits the progress of one direction.
 *
 * Cold. Emits the current value on subscription if any number is current, then every change, without repeats.
 *
 * `reportIndefinitely` completes when the session ends, and never errors. `forCurrentlyOutstandingWork` completes with
 * the value in which nothing of the work is left, and errors when the session ends before.
 *
 * @throws {InvalidArgumentError} The options are invalid.
 */
export const observeProgress = (store: SessionStore, options: ProgressOptions): Observable<Progress> => {
  const { direction, mode } = checkProgressOptions(options);
  const batchOf = ({ transfers }: { readonly transfers: Transfers }): TransferBatch | null => transfers[direction];
  if (mode === 'forCurrentlyOutstandingWork') return observeOutstanding(store, direction);
  return store.state$.pipe(
    map(batchOf),
    filter((batch) => batch !== null),
    map(toProgress),
    distinctUntilChanged(isSameProgress),
  );
};
