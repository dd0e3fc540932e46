import { defer, type Observable, switchMap } from 'rxjs';
import { instantsOf } from '../merge/part.js';
import { lastInstant, laterInstant } from '../merge/stamp.js';
import { decodeState } from '../merge/state.js';
import type { Changeset, Instant, Refusal, Standing } from '../model/changeset.js';
import { InvalidArgumentError, type SetAsideReport, StorageError, UnreadableChangeError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import type { Desk, Task } from './desk.js';
import type { Changed } from './objects.js';
import { operationsIn } from './outbox.js';
import { isRestarting } from './reset.js';
import { reportOf } from './set-aside.js';
import { changedIn, objectChange, put, replay, type Sheet, unsent } from './unsent.js';

/** What stands, whatever this app's schema says of it. Throws an `UnreadableChangeError` for bytes that are no state. */
export const stateIn = (version: number, standing: Standing): Changed => {
  const { type, key, state } = standing;
  if (state === null) return { type, key, state };
  const read = decodeState(state);
  if (isLeft(read)) throw new UnreadableChangeError(version, `what stands for ${type}[${key}]: ${read.left}`);
  return { type, key, state: read.right };
};

/** The realm's clock after it has seen a state: what is written next is later than what stands. */
export const clockAfter = (instant: Instant, { state }: Changed): Instant => {
  if (state === null) return instant;
  let last: Instant = instant;
  const see = (stamp: Instant | null): void => {
    if (stamp) last = laterInstant(last, stamp);
  };
  see(state.born);
  see(state.died);
  if (state.later) Object.values(state.later).forEach(see);
  if (state.parts) instantsOf(state.parts).forEach(see);
  return last === instant ? instant : { time: last.time, count: last.count };
};

const isDealtWith = ({ ahead, outbox }: Desk, { version }: Refusal): boolean =>
  version <= ahead.acknowledged || version > outbox.head;

/** Builds on what is there in this turn, so that what is written from now on builds on it. */
const revert = (desk: Desk, refusal: Refusal, changesets: readonly Changeset[]): Observable<SetAsideReport> => {
  const { ahead, objects, outbox, pending, refusals } = desk;
  const { version, writes } = refusal;
  if (ahead.writing) throw new InvalidArgumentError('refuse', 'no call inside of a write', version);
  const [refused, ...later] = changesets;
  if (refused?.version !== version) throw new StorageError(`entry ${version} of the outbox is missing`);

  const standing = refusal.standing.map((one) => stateIn(version, one));
  const sheet: Sheet = new Map();
  for (const one of standing) put(sheet, one);
  replay(sheet, later, ahead.replica, (type, key) => sheet.get(type)?.has(key) === true);
  const changed = changedIn(sheet);

  const operations = operationsIn(refused);

  // Later than what stands, and than what was taken before it.
  const known = laterInstant(ahead.witnessed, lastInstant(refused, operations.length));
  const witnessed = standing.reduce(clockAfter, known);
  const instant = laterInstant(ahead.instant, witnessed);
  ahead.acknowledged = version;
  ahead.refused += 1;
  ahead.witnessed = witnessed;
  const { replica } = ahead;
  const kept = refusals.keeps({ id: ahead.refused, changeset: refused, replica, writes, operations });
  ahead.instant = instant;
  const misfits = objects.stage(changed);
  const bytes = { acknowledgedBytes: pending.bytesUpTo(version) };
  const task: Task = {
    changes: [...changed.map(objectChange), ...outbox.trims(version), ...kept.changes],
    meta: { acknowledged: version, ...bytes, refused: ahead.refused, clock: instant, witnessed },
    durable: true,
    stored: () => {
      outbox.trimmed(version);
      pending.acknowledged(version);
      objects.settle(changed);
      kept.stored();
    },
  };
  return desk.added(
    task,
    reportOf(objects, misfits, () => ahead.seen),
  );
};

/** Takes a refused changeset back. What was dealt with, or was never written, changes nothing. */
export const refuse = (desk: Desk, refusal: Refusal): Observable<SetAsideReport> => {
  const { replica } = desk.ahead;
  const isLate = (): boolean => replica !== desk.ahead.replica || isRestarting(desk) || isDealtWith(desk, refusal);
  if (isLate()) return desk.caughtUp();
  return unsent(desk, refusal.version - 1).pipe(
    switchMap((changesets) => defer(() => (isLate() ? desk.caughtUp() : revert(desk, refusal, changesets)))),
  );
};
