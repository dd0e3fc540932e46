import { concat, defer, distinctUntilChanged, filter, map, type Observable, scan, takeWhile, throwError } from 'rxjs';
import { InvalidArgumentError } from '../../model/errors.js';
import { checkOptions } from '../../model/limits.js';
import type { SessionStore } from '../state/session-store.js';
import type { SessionState } from '../state/session-state.js';
import type { TransferBatch, Transfers } from '../state/transfer-progress.js';
import { throwIfInterrupted, createSessionOverError } from './completion.js';

export type ProgressDirection = 'upload' | 'download';
export type ProgressMode = 'reportIndefinitely' | 'forCurrentlyOutstandingWork';

/** Which progress is asked for. */
export interface ProgressOptions {
  readonly direction: ProgressDirection;
  /**
   * `reportIndefinitely`: every change, as totals grow. `forCurrentlyOutstandingWork`: what is outstanding now, to its
   * end.
   */
  readonly mode: ProgressMode;
}

/** How far a transfer is. Bytes and changesets count from the beginning of the realm, and go on after a restart. */
export interface Progress {
  /**
   * Upload: what the server has acknowledged as durable. Download: what of the history is here. Decreases only when a
   * client reset starts over.
   */
  readonly transferredBytes: number;
  readonly transferableBytes: number;
  readonly transferredChangesets: number;
  /** `null`: the server has not said it yet. */
  readonly transferableChangesets: number | null;
  /**
   * From 0 to 1, of the present batch: it starts near 0 when something new is outstanding; exactly 1 when nothing is.
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

/** The batch of which this was shown; its beginning is not told, but follows from the estimate. */
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

/** What was outstanding at first: its total never grows, and shrinks only when there turns out to be less. */
const limitToFirst = (first: TransferBatch | null, next: TransferBatch): TransferBatch => {
  const total = first ?? next;
  const ofBytes = Math.min(total.ofBytes, next.ofBytes);
  const ofChangesets = total.ofChangesets;
  const changesets = ofChangesets === null ? next.changesets : Math.min(next.changesets, ofChangesets);
  return { bytes: Math.min(next.bytes, ofBytes), ofBytes, changesets, ofChangesets, from: total.from };
};

const isUnderWay = ({ transferredBytes, transferableBytes }: Progress): boolean => transferredBytes < transferableBytes;

/**
 * A download that is not connected is known to be complete only as far as the server had said: it may have more by now.
 */
const isKnown = (
  { connection }: SessionState,
  { bytes, ofBytes }: TransferBatch,
  direction: ProgressDirection,
): boolean => direction === 'upload' || bytes < ofBytes || connection.state === 'connected';

/**
 * What is outstanding of batches as they come, to its end: completes with the value in which nothing is left, and
 * errors when they end before.
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

const observeOutstanding = (machine: SessionStore, direction: ProgressDirection): Observable<Progress> =>
  defer(() => {
    const { times } = machine.getState().interruption;
    const batches$ = machine.state$.pipe(
      map((state) => {
        const batch = state.transfers[direction];
        const known = batch !== null && isKnown(state, batch, direction) ? batch : null;
        if (known === null || known.bytes < known.ofBytes) throwIfInterrupted(state, times);
        return known;
      }),
      filter((batch) => batch !== null),
    );
    return outstandingProgressOf(batches$);
  });

const checkOneOf = (name: string, values: readonly string[], given: unknown): void => {
  if (!(values as readonly unknown[]).includes(given)) throw new InvalidArgumentError(name, values.join(' or '), given);
};

/** Throws an `InvalidArgumentError` for options that make no sense. */
export const checkProgressOptions = (options: ProgressOptions): ProgressOptions => {
  const { direction, mode } = checkOptions('options', options, ['direction', 'mode']);
  checkOneOf('direction', ['upload', 'download'], direction);
  checkOneOf('mode', ['reportIndefinitely', 'forCurrentlyOutstandingWork'], mode);
  return { direction, mode };
};

/**
 * How far uploading or downloading is: the present value on subscription if any number is known, then every change,
 * without repeats. Cold. Indefinite progress never errors and completes when the session is over; that of the
 * outstanding work completes with the value in which nothing of it is left, and errors like a wait when the session
 * ends before. Throws an `InvalidArgumentError` for options that make no sense.
 */
export const observeProgress = (machine: SessionStore, options: ProgressOptions): Observable<Progress> => {
  const { direction, mode } = checkProgressOptions(options);
  const batchOf = ({ transfers }: { readonly transfers: Transfers }): TransferBatch | null => transfers[direction];
  if (mode === 'forCurrentlyOutstandingWork') return observeOutstanding(machine, direction);
  return machine.state$.pipe(
    map(batchOf),
    filter((batch) => batch !== null),
    map(toProgress),
    distinctUntilChanged(isSameProgress),
  );
};
