import { concat, defer, type Observable, switchMap, tap } from 'rxjs';
import { randomId } from '../clock.js';
import { type Shift, shiftedBy } from '../merge/restamp.js';
import { joinedLike, lastInstant, laterInstant, nextInstant, writerAt } from '../merge/stamp.js';
import { limits } from '../model/limits.js';
import type { Changeset, Instant, Restart } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import type { Desk } from './desk.js';
import type { Meta } from './meta.js';
import type { StorageChange } from '../storage/storage.js';
import type { Changed } from './objects.js';
import { ownerPut } from './owner.js';
import { operationsIn, rebasedBody } from './outbox.js';
import { branchOf, runsPut, type StoredRun } from './runs.js';
import { changedIn, put, replay, type Sheet, unsent } from './unsent.js';
import { objectChange } from './write.js';

/** Whether a reset is on its way: what is numbered as before means nothing any more. */
export const isRestarting = ({ ahead, present }: Desk): boolean => ahead.replica !== present().replica;

/** Whether what is written again by another replica is written now, or when it was. */
type Stamps = 'now' | 'kept';

/** Less than a server keeps deletes unless it is told otherwise, by what it may take to be bound. */
const keptMs = limits.retentionMs - 24 * 60 * 60 * 1000;

/**
 * Changesets as another replica writes them: where they name operations of each other, they name them by their new stamps. As written now for
 * another history, because its server may have forgotten deletes that are older than it keeps them, and takes nothing that is as old. What was
 * written while the realm was local keeps its time but for that; if the server keeps deletes for less than most do, it is written now the next time.
 */
const writtenAnew = (
  { ahead, clock }: Desk,
  changesets: readonly Changeset[],
  replica: string,
  stamps: Stamps,
): { readonly changesets: readonly Changeset[]; readonly last: Instant } => {
  const now = clock.now() + ahead.offset;
  const decoded = changesets.map((changeset) => ({ changeset, operations: operationsIn(changeset) }));
  let last: Instant = { time: 0, count: 0 };
  const shifts = decoded.map(({ changeset: { time, count }, operations }): Shift => {
    const isJoined = writerAt(ahead.replica, time) !== ahead.replica;
    const at = isJoined ? Math.min(Math.max(time, now - keptMs), now) : now;
    const to =
      stamps === 'kept' ? { time, count } : nextInstant(isJoined ? last : laterInstant(ahead.instant, last), at);
    last = laterInstant(last, lastInstant(to, operations.length));
    return { from: { time, count }, operations: operations.length, to };
  });
  const rebase = { ...shiftedBy(shifts, ahead.replica), to: replica };
  return {
    last: laterInstant(ahead.instant, last),
    changesets: decoded.map(({ changeset, operations }, at) => {
      const { time, count } = shifts[at]?.to ?? changeset;
      return { version: at + 1, time, count, body: rebasedBody(changeset.body, operations, rebase) };
    }),
  };
};

/** All objects as these changesets alone make them. */
const madeOnlyOf = ({ objects }: Desk, changesets: readonly Changeset[], replica: string): readonly Changed[] => {
  const sheet: Sheet = new Map();
  for (const gone of objects.all()) put(sheet, gone);
  replay(sheet, changesets, replica, () => true);
  return changedIn(sheet);
};

/** Removes the entries that a reset which is on its way has numbered from 1. */
const removesRenumbered = (desk: Desk): readonly StorageChange[] =>
  isRestarting(desk) ? desk.outbox.replaces(desk.underway()).map(({ key }) => ({ type: 'del', key })) : [];

/** Changes of the storage that belong into the batch of a reset. */
interface Also {
  readonly changes: readonly StorageChange[];
  readonly meta: Partial<Meta>;
  readonly stored: () => void;
}

interface RestartOptions {
  readonly stamps?: Stamps;
  readonly also?: Also;
}

/** Starts over with these unsent changesets. */
export const restart = (
  desk: Desk,
  unnumbered: readonly Changeset[],
  { stamps = 'now', also }: RestartOptions = {},
): Observable<never> => {
  const { replica, runs } = successor(desk, unnumbered, stamps);
  return restartWith(desk, { replica, runs, ...writtenAnew(desk, unnumbered, replica, stamps) }, also);
};

/** The replica that starts over with these changesets, and the runs that wrote them, when a copy of this storage may have some of them, too. */
const successor = (
  { ahead, clock }: Desk,
  [first]: readonly Changeset[],
  stamps: Stamps,
): Pick<Beginning, 'replica' | 'runs'> => {
  if (stamps === 'now') return { replica: randomId(clock) };
  if (!first) return { replica: joinedLike(ahead.replica, randomId(clock)) };
  const { id, runs } = branchOf(ahead.replica, ahead.runs, first.version);
  return { replica: joinedLike(ahead.replica, id), runs };
};

/** What a realm starts over with: another replica, all of its changesets from number 1 on, and where its clock then is. */
interface Beginning {
  readonly replica: string;
  /** The runs that wrote the changesets; the present one, unless it is said. */
  readonly runs?: readonly StoredRun[] | undefined;
  readonly changesets: readonly Changeset[];
  readonly last: Instant;
}

/** Starts over as another replica. Builds on what is there in this turn, so that what is written from now on builds on it. */
export const restartWith = (
  desk: Desk,
  { replica, changesets, last, runs = changesets.length > 0 ? [{ id: desk.run, from: 1 }] : [] }: Beginning,
  also?: Also,
): Observable<never> => {
  const { ahead, objects, outbox } = desk;
  if (ahead.writing) throw new InvalidArgumentError('reset', 'no call inside of a write', ahead.written);
  const changed = madeOnlyOf(desk, changesets, replica); // Who uploads them has stamped them.
  const changes = [
    ...changed.map(objectChange),
    ...removesRenumbered(desk),
    ...outbox.restarts(ahead.written, changesets),
    runsPut(runs),
    ...(also?.changes ?? []),
  ];

  ahead.replica = replica;
  ahead.instant = last;
  ahead.written = changesets.length;
  ahead.seen = 0;
  ahead.acknowledged = 0;
  ahead.runs = runs;
  objects.stage(changed);
  const bytes = { seenBytes: 0, headBytes: 0, acknowledgedBytes: 0 };
  return desk.added({
    changes,
    meta: {
      replica,
      history: null,
      seen: 0,
      acknowledged: 0,
      own: false,
      forgotten: 0,
      ...bytes,
      clock: ahead.instant,
      runs,
      ...also?.meta,
    },
    durable: true,
    stored: () => {
      objects.settle(changed);
      desk.restarted(changesets);
      also?.stored();
    },
  });
};

/**
 * Discards all objects, unsent changes and rejected writes in one batch: the realm is empty, and a new replica. Eager: includes
 * everything written before the call, on its way or durable, and nothing written after it. Completes when that is durable; errors with a
 * `StorageError`, having discarded nothing. Throws a `RealmClosedError` when the store is closed.
 */
export const clear = (desk: Desk): Observable<never> => {
  desk.whileOpen();
  const { changes, stored, failed } = desk.refusals.clears(desk.present().refused, desk.ahead.refused);
  const owner = { ...desk.present().owner, user: null }; // Nothing of theirs is left: another user may have it.
  const also: Also = { changes: [...changes, ownerPut(owner)], meta: { owner, bound: false }, stored };
  return restart(desk, [], { also }).pipe(tap({ error: failed }));
};

/**
 * Starts over as who it is: unsent changesets keep their numbers and stamps, so that what the other history has of them, because it was
 * uploaded and the answer did not come, is known by them and goes in once.
 */
const rejoin = (desk: Desk, unsentOnes: readonly Changeset[]): Observable<never> => {
  const { ahead, objects } = desk;
  if (ahead.writing) throw new InvalidArgumentError('reset', 'no call inside of a write', ahead.written);
  const changed = madeOnlyOf(desk, unsentOnes, ahead.replica);
  ahead.seen = 0;
  objects.stage(changed);
  return desk.added({
    changes: changed.map(objectChange),
    // What it wrote itself has to come down, too: it was put away.
    meta: { history: null, seen: 0, seenBytes: 0, headBytes: 0, own: true, forgotten: 0 },
    durable: true,
    stored: () => objects.settle(changed),
  });
};

/** Starts over with another history. One after the other: a reset that is on its way is waited for. */
export const reset = (desk: Desk, mode: Restart): Observable<never> => {
  if (isRestarting(desk)) {
    return concat(
      desk.caughtUp(),
      defer(() => reset(desk, mode)),
    );
  }
  if (mode === 'discard') return restart(desk, []);
  const { replica } = desk.ahead;
  return unsent(desk, desk.ahead.acknowledged).pipe(
    switchMap((found) => {
      if (replica !== desk.ahead.replica) return reset(desk, mode); // Another reset came in between.
      const left = found.filter(({ version }) => version > desk.ahead.acknowledged);
      // Who knows no history has tried that already.
      if (mode === 'rejoin' && desk.present().history !== null) return rejoin(desk, left);
      return restart(desk, left, { stamps: mode === 'recover' ? 'now' : 'kept' });
    }),
  );
};
