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
import type { Clock } from '../clock.js';
import type { User } from './access.js';
import { additionOf, addTo, addUpload, draftAfter, freshIn, isFull, uploadOf } from './draft.js';
import type { Draft, Outcome, Upload, UploadedPage } from './draft.js';
import type { History } from './history.js';
import { lenient, noRefusals, type Judge, type Judging } from './judge.js';
import type { Present } from './present.js';
import { refusalsOf, verdictsIn } from './refusals.js';
import type { Replica, Replicas } from './replicas.js';
import type { SettledObjects } from './settled-objects.js';
import { judgingSizes } from './size-judge.js';
import type { SizeLimits, Sizes } from './sizes.js';

/** Where uploads of all sessions of one realm meet and become batches. */
export interface Intake {
  /**
   * Appends a page: what has been dealt with of this replica is left out. Emits what is refused, also what was refused
   * earlier and comes again, then up to which client version all is durable, and completes; when a later page of the same
   * replica shares the batch, only that one emits the latter. Errors with a `SessionFailure` when changesets are missing before
   * the page (`bad-cursor`), when they are older than the horizon (`history-changed`), or when too many are refused
   * (`too-many-refused`: what came before is dealt with); with what `permit` errors with, or a `StorageError`. Once per subscription, and unsubscribing does not take it back.
   */
  readonly append: (replica: Replica, user: User, page: UploadedPage) => Observable<Outcome>;
  /**
   * From the call on, nothing is let in that was stamped before this time. Completes when what was let in earlier is in the history: that may take as
   * long as somebody is asked about it.
   */
  readonly refuseBefore: (time: number) => Observable<never>;
  /** The work itself: has to be subscribed once, as long as the realm is open. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /** Emits once, when nothing is waiting or under way: at once if so now. */
  readonly idle$: Observable<unknown>;
}

export interface IntakePorts {
  readonly history: Pick<History, 'log' | 'append' | 'bytes' | 'horizon' | 'projection' | 'refused'>;
  readonly replicas: Pick<Replicas, 'hold' | 'release'>;
  readonly judge: Judge;
  readonly present: Pick<Present, 'states' | 'appended'>;
  readonly sizes: Sizes;
  readonly settled: SettledObjects;
  readonly limits: SizeLimits;
  readonly clock: Pick<Clock, 'scheduler'>;
  readonly refusalsPendingMax: number;
}

/** The same, and before which time nothing is let in. */
interface DraftPorts extends IntakePorts {
  readonly horizon: () => number;
}

/** Puts one upload into a draft. Completes when it is in there, or what is wrong with it. */
const drafting = (draft: Draft, judging: Judging, upload: Upload, { horizon, refusalsPendingMax }: DraftPorts) =>
  defer(() => {
    addUpload(draft, upload);
    const fresh = freshIn(draft, upload, horizon());
    return judging
      .page(
        upload.replica.id,
        upload.user,
        fresh.filter(({ verdict }) => verdict === undefined),
      )
      .pipe(tap((refusals) => addTo(draft, upload, fresh, refusals, refusalsPendingMax)));
  }).pipe(
    catchError((thrown: unknown) => {
      draft.failures.set(upload, thrown);
      return of(null);
    }),
    map(() => draft),
  );

/** The same where nobody is asked: most servers' way, and a fraction of the cost. */
const drafted = (draft: Draft, upload: Upload, { horizon, refusalsPendingMax }: DraftPorts): void => {
  addUpload(draft, upload);
  try {
    addTo(draft, upload, freshIn(draft, upload, horizon()), noRefusals, refusalsPendingMax);
  } catch (thrown) {
    draft.failures.set(upload, thrown);
  }
};

/** Takes uploads off the queue until they fill a batch, each replica's going on where the history ends. */
const nextDraft = (queue: Upload[], ports: DraftPorts): Observable<Draft> =>
  defer(() => {
    const isQuick = (upload: Upload | undefined): boolean =>
      upload?.page.every((each) => each.verdict !== undefined || !ports.sizes.concerns(each)) === true;
    if (ports.judge === lenient && isQuick(queue[0])) {
      const draft = draftAfter(ports.history);
      do {
        const upload = queue.shift();
        if (upload) drafted(draft, upload, ports);
      } while (!isFull(draft) && isQuick(queue[0]));
      return of(draft);
    }
    const judging = judgingSizes(ports, ports.judge());
    const next = (draft: Draft): Observable<Draft> => {
      const upload = isFull(draft) ? undefined : queue.shift();
      // In the queue: as many devices as come back at once would each be deeper in the stack.
      return upload === undefined ? EMPTY : drafting(draft, judging, upload, ports).pipe(subscribeOn(queueScheduler));
    };
    const draft = draftAfter(ports.history);
    return concat(of(draft), next(draft).pipe(expand(next))).pipe(takeLast(1));
  });

const failAll = ({ uploads, failures }: Draft, thrown: unknown): void =>
  uploads.forEach((upload) => upload.answer.error(failures.get(upload) ?? thrown));

/**
 * Answers uploads: each what was refused of it, with what stands instead, every replica once what is durable, by the last of its pages. That says nothing
 * of a later page that failed: what was refused of it comes first, and a client takes what is accepted for what was not refused.
 */
const telling = (draft: Draft, ports: IntakePorts): Observable<never> =>
  defer(() => {
    const { uploads, accepted, failures } = draft;
    const cut = new Set(uploads.filter((each) => failures.has(each)).map(({ replica }) => replica));
    const last = new Map(uploads.filter((each) => !failures.has(each)).map((upload) => [upload.replica, upload]));
    /** Those of which something could not be told: nothing after it is said to be accepted. */
    const broken = new Set<Replica>();
    const verdicts = verdictsIn(draft);

    const ended = (upload: Upload): void => {
      const { replica, answer, changesets } = upload;
      if (failures.has(upload)) answer.error(failures.get(upload));
      const version = accepted.get(replica);
      if (version !== undefined && last.get(replica) === upload && !broken.has(replica))
        answer.next({ accepted: cut.has(replica) ? Math.min(version, changesets.at(-1)?.version ?? 0) : version });
      answer.complete();
    };
    const told = (upload: Upload): Observable<never> =>
      refusalsOf(upload, verdicts, ports).pipe(
        tap((refused) => upload.answer.next({ refused })),
        tap({ complete: () => ended(upload) }),
        catchError((thrown: unknown) => {
          broken.add(upload.replica);
          upload.answer.error(failures.get(upload) ?? thrown);
          return EMPTY;
        }),
        ignoreElements(),
        subscribeOn(queueScheduler),
      );
    const isSilent = uploads.every(({ replica }) => replica.refused.size === 0);
    if (!isSilent) return from(uploads).pipe(concatMap(told));
    uploads.forEach(ended);
    return EMPTY;
  });

const noteIn = (draft: Draft, present: IntakePorts['present']): void => {
  for (const [replica, version] of draft.accepted) replica.accepted = Math.max(replica.accepted, version);
  for (const [replica, latest] of draft.latest) Object.assign(replica, latest);
  for (const { replica, version } of draft.refused) replica.refused.add(version);
  present.appended(draft.changesets.map(({ recorded, incoming }) => ({ recorded, operations: incoming.operations })));
};

const writing = (draft: Draft, ports: IntakePorts): Observable<never> => {
  const { history, present } = ports;
  const addition = additionOf(draft);
  // What the history has already is durable already: then there is nothing to write.
  const appending$ = addition === null ? EMPTY : history.append(addition);
  return concat(
    appending$.pipe(
      tap({ complete: () => noteIn(draft, present), error: (thrown: unknown) => failAll(draft, thrown) }),
    ),
    telling(draft, ports),
  ).pipe(catchError(() => EMPTY));
};

export const createIntake = (ports: IntakePorts): Intake => {
  const { hold, release } = ports.replicas;
  const queue: Upload[] = [];
  const kicks = new Subject<void>();
  const busy = new BehaviorSubject(false);
  const batches = new Subject<void>(); // Each that is in the history, or came to nothing.
  let refusedBefore = 0;
  const horizon = (): number => Math.max(ports.history.horizon, refusedBefore);

  const goOn = ({ uploads }: Draft): void => {
    for (const { replica } of uploads) release(replica);
    batches.next(); // First: the next one is checked by what is told now.
    if (queue.length > 0) kicks.next();
    else busy.next(false);
  };
  const committing = (): Observable<never> =>
    nextDraft(queue, { ...ports, horizon }).pipe(
      switchMap((draft) => writing(draft, ports).pipe(tap({ complete: () => goOn(draft) }))),
    );

  return {
    append: (replica, user, page) =>
      new Observable((subscriber) => {
        hold(replica);
        queue.push(uploadOf({ replica, user, answer: subscriber }, page));
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
