import {
  BehaviorSubject,
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  expand,
  filter,
  from,
  ignoreElements,
  map,
  Observable,
  of,
  queueScheduler,
  Subject,
  subscribeOn,
  switchMap,
  take,
  takeLast,
  tap,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import { runAction } from '../../model/operators.js';
import type { Version } from '../../model/version.js';
import type { User } from '../auth/access.js';
import { SessionFailure } from '../server-errors.js';
import {
  additionOf,
  addChangesets,
  addUpload,
  createAppendBatch,
  newChangesetsOf,
  isFull,
  createPendingUpload,
} from './append-batch.js';
import type { AppendBatch, UploadOutcome, PendingUpload, UploadedPage } from './append-batch.js';
import type { History } from '../history/history.js';
import { acceptAll, noRejections, type CreateBatchCheck, type BatchCheck } from './permit-check.js';
import type { HeadState } from '../history/head-state.js';
import { readRejections, batchRejectionsOf } from './rejections.js';
import type { Replica, Replicas } from '../realms/replicas.js';
import type { SettledObjects } from '../history/settled-objects.js';
import { createBetweenQueue } from './between-queue.js';
import { recordTouches } from './record-touches.js';
import { createSizeCheck } from './size-check.js';
import type { SizeLimits, ObjectSizes } from './object-sizes.js';

/** Collects the uploads of all sessions of one realm into batches. */
export interface UploadQueue {
  /**
   * Appends a page, without the changesets of this replica that are decided already. Emits each rejection, also those
   * of changesets that were rejected earlier and are sent again. Then emits the client version up to which everything
   * is durable, and completes. If a later page of the same replica shares the batch, only that page emits the version.
   * Errors with a `SessionFailure` if changesets are missing before the page (`bad-cursor`), if they are older than the
   * retention cutoff (`history-changed`), or if too many are rejected (`too-many-refused`: the ones before are
   * decided). Also errors with the error of `permit` or a `StorageError`. Each subscription appends once, and
   * unsubscribing does not undo it.
   */
  readonly append: (replica: Replica, user: User, page: UploadedPage) => Observable<UploadOutcome>;
  /**
   * Watches a type and some of its properties, between two batches, so that every changeset after that has their
   * values. Acts once per subscription. Unsubscribing before it begins takes it off the queue, and does not undo it
   * later. Emits nothing. Completes when durable. Errors with a `WatchLimitError` or a `StorageError`. `by`: see
   * {@link WatchedTypes.watch}.
   */
  readonly watch: (type: string, properties: readonly string[], by?: 'subscriptions' | 'scopes') => Observable<never>;
  /**
   * Runs work between two batches, so that nothing is appended meanwhile. Waiting uploads are written between the works
   * of two subscribers. Emits what the work emits, and ends as the work does. Unsubscribing ends the work, or takes it
   * off the queue.
   */
  readonly runBetween: <A>(work$: Observable<A>) => Observable<A>;
  /**
   * Rejects changesets stamped before this time from now on. Completes when the earlier ones are in the history, which
   * may take as long as `permit` takes.
   */
  readonly rejectBefore: (time: number) => Observable<never>;
  /** Writes the batches. Must be subscribed once while the realm is open. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /** Emits once, as soon as no upload waits or is being written. Synchronous if so now. */
  readonly idle$: Observable<unknown>;
  /** Whether an upload waits, is being written, or is being answered. */
  readonly isBusy: () => boolean;
}

export interface UploadQueuePorts {
  readonly history: Pick<
    History,
    'log' | 'append' | 'bytes' | 'retentionCutoff' | 'projection' | 'readRejected' | 'watchedProperties'
  >;
  readonly replicas: Pick<Replicas, 'hold' | 'release'>;
  readonly createCheck: CreateBatchCheck;
  readonly headState: Pick<HeadState, 'readStates' | 'appended'>;
  readonly sizes: ObjectSizes;
  readonly settledObjects: SettledObjects;
  readonly limits: SizeLimits;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly rejectionsPendingMax: number;
}

/** The ports, and the time before which changesets are rejected. */
interface DraftPorts extends UploadQueuePorts {
  readonly cutoff: () => number;
}

/** Checks one upload and adds it to a batch. Emits the batch when the upload or its error is in it. */
const checkAndAdd = (
  batch: AppendBatch,
  check: BatchCheck,
  upload: PendingUpload,
  { cutoff, rejectionsPendingMax }: DraftPorts,
) =>
  defer(() => {
    addUpload(batch, upload);
    const fresh = newChangesetsOf(batch, upload, cutoff());
    return check
      .checkPage(
        upload.replica.id,
        { user: upload.user, scope: upload.scope() },
        fresh.filter(({ rejection }) => rejection === undefined),
      )
      .pipe(tap((rejections) => addChangesets(batch, upload, fresh, rejections, rejectionsPendingMax)));
  }).pipe(
    catchError((thrown: unknown) => {
      batch.failures.set(upload, thrown);
      return of(null);
    }),
    map(() => batch),
  );

/** Adds an upload without a check by `permit`. Most servers take this path, at a fraction of the cost. */
const addUnchecked = (
  batch: AppendBatch,
  upload: PendingUpload,
  { cutoff, rejectionsPendingMax }: DraftPorts,
): void => {
  addUpload(batch, upload);
  try {
    addChangesets(batch, upload, newChangesetsOf(batch, upload, cutoff()), noRejections, rejectionsPendingMax);
  } catch (thrown) {
    batch.failures.set(upload, thrown);
  }
};

/** Takes uploads off the queue until they fill a batch. Changesets of each replica continue where the history ends. */
const takeNextBatch = (queue: PendingUpload[], ports: DraftPorts): Observable<AppendBatch> =>
  defer(() => {
    const isQuick = (upload: PendingUpload | undefined): boolean =>
      upload?.page.every((each) => each.rejection !== undefined || !ports.sizes.mayExceed(each)) === true;
    if (ports.createCheck === acceptAll && isQuick(queue[0])) {
      const batch = createAppendBatch(ports.history);
      do {
        const upload = queue.shift();
        if (upload) addUnchecked(batch, upload, ports);
      } while (!isFull(batch) && isQuick(queue[0]));
      return of(batch);
    }
    const check = createSizeCheck(ports, ports.createCheck());
    const next = (draft: AppendBatch): Observable<AppendBatch> => {
      const upload = isFull(draft) ? undefined : queue.shift();
      // On the queue: otherwise the uploads of many reconnecting devices would nest on the stack.
      return upload === undefined ? EMPTY : checkAndAdd(draft, check, upload, ports).pipe(subscribeOn(queueScheduler));
    };
    const draft = createAppendBatch(ports.history);
    return concat(of(draft), next(draft).pipe(expand(next))).pipe(takeLast(1));
  });

const failAll = ({ uploads, failures }: AppendBatch, thrown: unknown): void =>
  uploads.forEach((upload) => upload.subscriber.error(failures.get(upload) ?? thrown));

/**
 * Returns how far an upload that is too old is in the history already; `null` if it is not. The client learns this
 * before its client reset; otherwise it would send these changesets again as another replica.
 */
const knownPartOf = ({ replica, changesets }: PendingUpload, thrown: unknown): Version | null => {
  const isTooOld = thrown instanceof SessionFailure && thrown.code === 'history-changed';
  const [first] = changesets;
  return isTooOld && first !== undefined && first.version <= replica.accepted ? replica.accepted : null;
};

/**
 * Answers the uploads of a batch: first each rejection with its server states, then for every replica the durable
 * version, with the last of its pages. The answer does not cover a later page that failed, because its rejections must
 * come first: a client treats accepted versions as not rejected.
 */
const answerUploads = (batch: AppendBatch, ports: UploadQueuePorts): Observable<never> =>
  defer(() => {
    const { uploads, accepted, failures } = batch;
    const cut = new Set(uploads.filter((each) => failures.has(each)).map(({ replica }) => replica));
    const last = new Map(uploads.filter((each) => !failures.has(each)).map((upload) => [upload.replica, upload]));
    /** Replicas with a rejection that could not be sent. No later version is sent to them as accepted. */
    const unanswered = new Set<Replica>();
    const batchRejections = batchRejectionsOf(batch);

    const endUpload = (upload: PendingUpload): void => {
      const { replica, subscriber, changesets } = upload;
      if (failures.has(upload)) {
        const known = knownPartOf(upload, failures.get(upload));
        if (known !== null && !unanswered.has(replica)) subscriber.next({ accepted: known });
        subscriber.error(failures.get(upload));
      }
      const version = accepted.get(replica);
      if (version !== undefined && last.get(replica) === upload && !unanswered.has(replica))
        subscriber.next({ accepted: cut.has(replica) ? Math.min(version, changesets.at(-1)?.version ?? 0) : version });
      subscriber.complete();
    };
    const answerUpload = (upload: PendingUpload): Observable<never> =>
      readRejections(upload, batchRejections, ports).pipe(
        tap((outcome) => upload.subscriber.next(outcome)),
        tap({ complete: () => endUpload(upload) }),
        catchError((thrown: unknown) => {
          unanswered.add(upload.replica);
          upload.subscriber.error(failures.get(upload) ?? thrown);
          return EMPTY;
        }),
        ignoreElements(),
        subscribeOn(queueScheduler),
      );
    const isSilent = uploads.every(({ replica }) => replica.rejected.size === 0);
    if (!isSilent) return from(uploads).pipe(concatMap(answerUpload));
    uploads.forEach(endUpload);
    return EMPTY;
  });

const noteAppended = (batch: AppendBatch, headState: UploadQueuePorts['headState']): void => {
  for (const [replica, version] of batch.accepted) replica.accepted = Math.max(replica.accepted, version);
  for (const [replica, latest] of batch.latest) Object.assign(replica, latest);
  for (const { replica, version } of batch.rejected) replica.rejected.add(version);
  headState.appended(batch.recorded, batch.incoming, batch.known);
};

const writeBatch = (batch: AppendBatch, ports: UploadQueuePorts): Observable<never> => {
  const { history, headState } = ports;
  const appending$ = defer(() => {
    const addition = additionOf(batch);
    // Changesets that the history has already are durable: nothing is written.
    return addition === null ? EMPTY : history.append(addition);
  });
  return concat(
    concat(recordTouches(batch, ports), appending$).pipe(
      tap({ complete: () => noteAppended(batch, headState), error: (thrown: unknown) => failAll(batch, thrown) }),
    ),
    answerUploads(batch, ports),
  ).pipe(catchError(() => EMPTY));
};

export const createUploadQueue = (ports: UploadQueuePorts): UploadQueue => {
  const { replicas, history } = ports;
  const needsOperations = (): boolean => ports.createCheck !== acceptAll || history.watchedProperties.types.size > 0;
  const queue: PendingUpload[] = [];
  const between = createBetweenQueue(() => start());
  const batchRequests = new Subject<void>();
  const busy = new BehaviorSubject(false);
  const batches = new Subject<void>(); // Emits when a batch is written or has failed, and after work between two.
  let rejectedBefore = 0;
  const cutoff = (): number => Math.max(ports.history.retentionCutoff, rejectedBefore);

  const goOn = (): void => {
    batches.next(); // First, because the next batch is checked with what its subscribers do now.
    if (queue.length > 0 || !between.isEmpty()) batchRequests.next();
    else busy.next(false);
  };
  const start = (): void => {
    if (busy.value) return;
    busy.next(true);
    batchRequests.next();
  };
  const finishBatch = ({ uploads }: AppendBatch): void => {
    for (const { replica } of uploads) replicas.release(replica);
    goOn();
  };
  const commitNext = (): Observable<never> =>
    takeNextBatch(queue, { ...ports, cutoff }).pipe(
      switchMap((batch) => writeBatch(batch, ports).pipe(tap({ complete: () => finishBatch(batch) }))),
    );

  const workNext = (): Observable<never> => {
    const job$ = between.takeNext(queue.length > 0);
    if (job$ !== null) return job$.pipe(tap({ complete: goOn }), ignoreElements());
    return queue.length > 0 ? commitNext() : runAction(goOn); // Work that waited was taken off the queue.
  };

  return {
    append: (replica, user, page) =>
      new Observable((subscriber) => {
        replicas.hold(replica);
        queue.push(createPendingUpload({ replica, user, subscriber }, page, needsOperations));
        start();
      }),
    watch: (type, properties, by) =>
      between.run(
        defer(() => history.watchedProperties.watch(type, properties, history.log.head, by)),
        false,
      ),
    runBetween: (work$) => between.run(work$, true),
    rejectBefore: (time) =>
      defer(() => {
        rejectedBefore = Math.max(rejectedBefore, time);
        return busy.value ? batches.pipe(take(1), ignoreElements()) : EMPTY;
      }),
    working$: batchRequests.pipe(concatMap(workNext)),
    isBusy: () => busy.value,
    idle$: busy.pipe(
      filter((isBusy) => !isBusy),
      take(1),
    ),
  };
};
