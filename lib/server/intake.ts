import {
  BehaviorSubject,
  catchError,
  concatMap,
  EMPTY,
  filter,
  Observable,
  Subject,
  take,
  tap,
  type Subscriber,
} from 'rxjs';
import { bytesOf, type Changeset } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { SessionFailure } from './failure.js';
import type { Addition, History, Recorded, ReplicaRecord } from './history.js';
import type { Replica, Replicas } from './replicas.js';

/** Where uploads of all sessions of one realm meet and become batches. */
export interface Intake {
  /**
   * Appends a page: what the history has of this replica already is left out. Emits up to which client version all is
   * durable and completes; when a later page of the same replica shares the batch, only that one emits. Errors with a
   * `SessionFailure` when changesets are missing before the page (`bad-cursor`), with a `StorageError` when the history
   * failed. Once per subscription, and unsubscribing does not take it back.
   */
  readonly append: (replica: Replica, changesets: readonly Changeset[]) => Observable<Version>;
  /** The work itself: has to be subscribed once, as long as the realm is open. Never emits, completes or errors. */
  readonly working$: Observable<never>;
  /** Emits once, when nothing is waiting or under way: at once if so now. */
  readonly idle$: Observable<unknown>;
}

interface Upload {
  readonly replica: Replica;
  readonly changesets: readonly Changeset[];
  readonly answer: Subscriber<Version>;
}

/** What goes into the history together, and who is told. */
interface Commit {
  readonly addition: Addition;
  readonly accepted: ReadonlyMap<Replica, Version>;
  readonly uploads: readonly Upload[];
  readonly gaps: readonly Upload[];
}

const unknownTo = (changesets: readonly Changeset[], known: Version): readonly Changeset[] =>
  (changesets[0]?.version ?? 0) > known ? changesets : changesets.filter(({ version }) => version > known);

/** Takes uploads off the queue until they fill a batch, each replica's going on where the history ends. */
const nextCommit = (queue: Upload[], head: Version, before: number): Commit => {
  const changesets: Recorded[] = [];
  const accepted = new Map<Replica, Version>();
  const uploads: Upload[] = [];
  const gaps: Upload[] = [];
  let bytes = 0;
  for (const upload of queue) {
    if (bytes >= limits.commitBytesMax) break;
    const { replica } = upload;
    const known = accepted.get(replica) ?? replica.accepted;
    const fresh = unknownTo(upload.changesets, known);
    if (fresh[0] !== undefined && fresh[0].version !== known + 1) {
      gaps.push(upload);
      continue;
    }
    for (const changeset of fresh) {
      const { time, count, body } = changeset;
      bytes += bytesOf(changeset);
      const version = head + changesets.length + 1;
      changesets.push({ version, origin: replica.id, time, count, body, total: before + bytes });
    }
    accepted.set(replica, known + fresh.length);
    uploads.push(upload);
  }
  queue.splice(0, uploads.length + gaps.length);
  const replicas = new Map<string, ReplicaRecord>();
  for (const [{ id, user }, version] of accepted) replicas.set(id, { user, accepted: version });
  return { addition: { after: head, changesets, replicas, refused: [] }, accepted, uploads, gaps };
};

const missing = ({ replica, changesets }: Upload): SessionFailure =>
  new SessionFailure(
    'bad-cursor',
    `changesets are missing between ${replica.accepted} and ${changesets[0]?.version ?? 0}`,
  );

/** Answers each upload: once for every replica, by the last of its pages. */
const answer = ({ accepted, uploads }: Commit): void => {
  const last = new Map(uploads.map((upload) => [upload.replica, upload]));
  for (const upload of uploads) {
    const version = accepted.get(upload.replica);
    if (version !== undefined && last.get(upload.replica) === upload) upload.answer.next(version);
    upload.answer.complete();
  }
};

export const createIntake = (
  history: Pick<History, 'log' | 'append' | 'bytes'>,
  { hold, release }: Pick<Replicas, 'hold' | 'release'>,
): Intake => {
  const queue: Upload[] = [];
  const kicks = new Subject<void>();
  const busy = new BehaviorSubject(false);

  const goOn = ({ uploads, gaps }: Commit): void => {
    for (const { replica } of uploads) release(replica);
    for (const { replica } of gaps) release(replica);
    if (queue.length > 0) kicks.next();
    else busy.next(false);
  };
  const succeed = (commit: Commit): void => {
    for (const [replica, version] of commit.accepted) replica.accepted = version;
    answer(commit);
    goOn(commit);
  };
  const fail = (commit: Commit, thrown: unknown): void => {
    for (const upload of commit.uploads) upload.answer.error(thrown);
    goOn(commit);
  };

  const committing = (): Observable<never> => {
    const commit = nextCommit(queue, history.log.head, history.bytes);
    for (const gap of commit.gaps) gap.answer.error(missing(gap));
    // What the history has already is durable already: then there is nothing to write.
    const appending$ = commit.addition.changesets.length > 0 ? history.append(commit.addition) : EMPTY;
    return appending$.pipe(
      tap({ complete: () => succeed(commit), error: (thrown: unknown) => fail(commit, thrown) }),
      catchError(() => EMPTY),
    );
  };

  return {
    append: (replica, changesets) =>
      new Observable((subscriber) => {
        hold(replica);
        queue.push({ replica, changesets, answer: subscriber });
        if (busy.value) return;
        busy.next(true);
        kicks.next();
      }),
    working$: kicks.pipe(concatMap(committing)),
    idle$: busy.pipe(
      filter((isBusy) => !isBusy),
      take(1),
    ),
  };
};
