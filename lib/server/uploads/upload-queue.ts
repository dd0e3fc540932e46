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
import { createSizeCheck } from './size-check.js';
import type { SizeLimits, ObjectSizes } from './object-sizes.js';

/** Where uploads of all sessions of one realm meet and become batches. */
export interface UploadQueue {
  /**
   * Appends a page: what has been dealt with of this replica is left out. Emits what is refused, also what was refused
   * earlier and comes again, then up to which client version all is durable, and completes; when a later page of the
   * same replica shares the batch, only that one emits the latter. Errors with a `SessionFailure` when changesets are
   * missing before the page (`bad-cursor`), when they are older than the horizon (`history-changed`), or when too many
   * are refused (`too-many-refused`: what came before is dealt with); with what `permit` errors with, or a
   * `StorageError`. Once per subscription, and unsubscribing does not take it back.
   */
  readonly append: (replica: Replica, user: User, page: UploadedPage) => Observable<UploadOutcome>;
  /**
   * From the call on, nothing is let in that was stamped before this time. Completes when what was let in earlier is in
   * the history: that may take as long as somebody is asked about it.
   */
  readonly refuseBefore: (time: number) => Observable<never>;
  /** The work itself: has to be subscribed once, as long as the realm is open. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /** Emits once, when nothing is waiting or under way: at once if so now. */
  readonly idle$: Observable<unknown>;
}

export interface UploadQueuePorts {
  readonly history: Pick<History, 'log' | 'append' | 'bytes' | 'retentionCutoff' | 'projection' | 'readRejected'>;
  readonly replicas: Pick<Replicas, 'hold' | 'release'>;
  readonly createCheck: CreateBatchCheck;
  readonly headState: Pick<HeadState, 'readStates' | 'appended'>;
  readonly sizes: ObjectSizes;
  readonly settledObjects: SettledObjects;
  readonly limits: SizeLimits;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly refusalsPendingMax: number;
}

/** The same, and before which time nothing is let in. */
interface DraftPorts extends UploadQueuePorts {
  readonly horizon: () => number;
}

/** Puts one upload into a draft. Completes when it is in there, or what is wrong with it. */
const checkAndAdd = (
  batch: AppendBatch,
  judging: BatchCheck,
  upload: PendingUpload,
  { horizon, refusalsPendingMax }: DraftPorts,
) =>
  defer(() => {
    addUpload(batch, upload);
    const fresh = newChangesetsOf(batch, upload, horizon());
    return judging
      .checkPage(
        upload.replica.id,
        upload.user,
        fresh.filter(({ rejection }) => rejection === undefined),
      )
      .pipe(tap((refusals) => addChangesets(batch, upload, fresh, refusals, refusalsPendingMax)));
  }).pipe(
    catchError((thrown: unknown) => {
      batch.failures.set(upload, thrown);
      return of(null);
    }),
    map(() => batch),
  );

/** The same where nobody is asked: most servers' way, and a fraction of the cost. */
const addUnchecked = (batch: AppendBatch, upload: PendingUpload, { horizon, refusalsPendingMax }: DraftPorts): void => {
  addUpload(batch, upload);
  try {
    addChangesets(batch, upload, newChangesetsOf(batch, upload, horizon()), noRejections, refusalsPendingMax);
  } catch (thrown) {
    batch.failures.set(upload, thrown);
  }
};

/** Takes uploads off the queue until they fill a batch, each replica's going on where the history ends. */
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
    const judging = createSizeCheck(ports, ports.createCheck());
    const next = (draft: AppendBatch): Observable<AppendBatch> => {
      const upload = isFull(draft) ? undefined : queue.shift();
      // In the queue: as many devices as come back at once would each be deeper in the stack.
      return upload === undefined
        ? EMPTY
        : checkAndAdd(draft, judging, upload, ports).pipe(subscribeOn(queueScheduler));
    };
    const draft = createAppendBatch(ports.history);
    return concat(of(draft), next(draft).pipe(expand(next))).pipe(takeLast(1));
  });

const failAll = ({ uploads, failures }: AppendBatch, thrown: unknown): void =>
  uploads.forEach((upload) => upload.subscriber.error(failures.get(upload) ?? thrown));

/**
 * How far an upload that is too old is in the history all the same, because it begins with what came before; `null`:
 * not at all. Its client is told before it starts over, or it would send that again as another replica.
 */
const knownPartOf = ({ replica, changesets }: PendingUpload, thrown: unknown): Version | null => {
  const isTooOld = thrown instanceof SessionFailure && thrown.code === 'history-changed';
  const [first] = changesets;
  return isTooOld && first !== undefined && first.version <= replica.accepted ? replica.accepted : null;
};

/**
 * Answers uploads: each what was refused of it, with what stands instead, every replica once what is durable, by the
 * last of its pages. That says nothing of a later page that failed: what was refused of it comes first, and a client
 * takes what is accepted for what was not refused.
 */
const answerUploads = (batch: AppendBatch, ports: UploadQueuePorts): Observable<never> =>
  defer(() => {
    const { uploads, accepted, failures } = batch;
    const cut = new Set(uploads.filter((each) => failures.has(each)).map(({ replica }) => replica));
    const last = new Map(uploads.filter((each) => !failures.has(each)).map((upload) => [upload.replica, upload]));
    /** Those of which something could not be told: nothing after it is said to be accepted. */
    const broken = new Set<Replica>();
    const verdicts = batchRejectionsOf(batch);

    const ended = (upload: PendingUpload): void => {
      const { replica, subscriber, changesets } = upload;
      if (failures.has(upload)) {
        const known = knownPartOf(upload, failures.get(upload));
        if (known !== null && !broken.has(replica)) subscriber.next({ accepted: known });
        subscriber.error(failures.get(upload));
      }
      const version = accepted.get(replica);
      if (version !== undefined && last.get(replica) === upload && !broken.has(replica))
        subscriber.next({ accepted: cut.has(replica) ? Math.min(version, changesets.at(-1)?.version ?? 0) : version });
      subscriber.complete();
    };
    const told = (upload: PendingUpload): Observable<never> =>
      readRejections(upload, verdicts, ports).pipe(
        tap((refused) => upload.subscriber.next({ rejected: refused })),
        tap({ complete: () => ended(upload) }),
        catchError((thrown: unknown) => {
          broken.add(upload.replica);
          upload.subscriber.error(failures.get(upload) ?? thrown);
          return EMPTY;
        }),
        ignoreElements(),
        subscribeOn(queueScheduler),
      );
    const isSilent = uploads.every(({ replica }) => replica.rejected.size === 0);
    if (!isSilent) return from(uploads).pipe(concatMap(told));
    uploads.forEach(ended);
    return EMPTY;
  });

const noteAppended = (batch: AppendBatch, present: UploadQueuePorts['headState']): void => {
  for (const [replica, version] of batch.accepted) replica.accepted = Math.max(replica.accepted, version);
  for (const [replica, latest] of batch.latest) Object.assign(replica, latest);
  for (const { replica, version } of batch.rejected) replica.rejected.add(version);
  present.appended(batch.changesets.map(({ recorded, incoming }) => ({ recorded, operations: incoming.operations })));
};

const writeBatch = (batch: AppendBatch, ports: UploadQueuePorts): Observable<never> => {
  const { history, headState } = ports;
  const addition = additionOf(batch);
  // What the history has already is durable already: then there is nothing to write.
  const appending$ = addition === null ? EMPTY : history.append(addition);
  return concat(
    appending$.pipe(
      tap({ complete: () => noteAppended(batch, headState), error: (thrown: unknown) => failAll(batch, thrown) }),
    ),
    answerUploads(batch, ports),
  ).pipe(catchError(() => EMPTY));
};

export const createUploadQueue = (ports: UploadQueuePorts): UploadQueue => {
  const { hold, release } = ports.replicas;
  const queue: PendingUpload[] = [];
  const kicks = new Subject<void>();
  const busy = new BehaviorSubject(false);
  const batches = new Subject<void>(); // Each that is in the history, or came to nothing.
  let refusedBefore = 0;
  const horizon = (): number => Math.max(ports.history.retentionCutoff, refusedBefore);

  const goOn = ({ uploads }: AppendBatch): void => {
    for (const { replica } of uploads) release(replica);
    batches.next(); // First: the next one is checked by what is told now.
    if (queue.length > 0) kicks.next();
    else busy.next(false);
  };
  const committing = (): Observable<never> =>
    takeNextBatch(queue, { ...ports, horizon }).pipe(
      switchMap((batch) => writeBatch(batch, ports).pipe(tap({ complete: () => goOn(batch) }))),
    );

  return {
    append: (replica, user, page) =>
      new Observable((subscriber) => {
        hold(replica);
        queue.push(createPendingUpload({ replica, user, subscriber }, page));
        if (busy.value) return;
        busy.next(true);
        kicks.next();
      }),
    refuseBefore: (time) =>
      defer(() => {
        refusedBefore = Math.max(refusedBefore, time);
        return busy.value ? batches.pipe(take(1), ignoreElements()) : EMPTY;
      }),
    working$: kicks.pipe(concatMap(committing)),
    idle$: busy.pipe(
      filter((isBusy) => !isBusy),
      take(1),
    ),
  };
};
