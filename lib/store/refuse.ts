import { defer, type Observable, switchMap } from 'rxjs';
import { instantsOf } from '../merge/part.js';
import { laterInstant } from '../merge/stamp.js';
import { decodeState } from '../merge/state.js';
import { toBytes } from '../model/bytes.js';
import type { Changeset, Instant, Refusal, RefusedWrite, Standing } from '../model/changeset.js';
import { InvalidArgumentError, StorageError, UnreadableChangeError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isLeft } from '../model/result.js';
import type { Shapes } from '../model/schema.js';
import type { StorageChange } from '../storage/storage.js';
import type { Desk } from './desk.js';
import type { Changed } from './objects.js';
import { misfitState } from './fit.js';
import { refusedAt } from './outbox.js';
import { isRestarting } from './reset.js';
import { changedIn, objectChange, put, replay, type Sheet, unsent } from './unsent.js';

/** What stands must fit this app's schema as everything else that comes down. */
const stateIn = (shapes: Shapes, version: number, standing: Standing): Changed => {
  const { type, key, state } = standing;
  if (state === null) return { type, key, state };
  const read = decodeState(state);
  if (isLeft(read)) throw new UnreadableChangeError(version, `what stands for ${type}[${key}]: ${read.left}`);
  const shape = shapes.get(type);
  const misfit = shape ? misfitState(shape, key, read.right) : null;
  if (misfit !== null) throw new UnreadableChangeError(version, misfit);
  return { type, key, state: read.right };
};

/** The realm's clock after it has seen a state: what is written next is later than what stands. */
const clockAfter = (instant: Instant, { state }: Changed): Instant => {
  const stamps = state ? [state.born, state.died, ...Object.values(state.later ?? {}), ...instantsOf(state.parts)] : [];
  const last = stamps.reduce<Instant>((sofar, stamp) => (stamp ? laterInstant(sofar, stamp) : sofar), instant);
  return { time: last.time, count: last.count };
};

/** Keeps a refused changeset, and lets go of the oldest one that is too many. */
const kept = (number: number, refused: Changeset, writes: readonly RefusedWrite[]): StorageChange[] => {
  const { version, time, count, body } = refused;
  const value = toBytes([version, time, count, body, writes.map(({ type, key, reason }) => [type, key, reason])]);
  const put: StorageChange = { type: 'put', key: refusedAt(number), value };
  const oldest = number - limits.refusedKeptMax;
  return oldest > 0 ? [put, { type: 'del', key: refusedAt(oldest) }] : [put];
};

const isDealtWith = ({ ahead, outbox }: Desk, { version }: Refusal): boolean =>
  version <= ahead.acknowledged || version > outbox.head;

/** Builds on what is there in this turn, so that what is written from now on builds on it. */
const revert = (desk: Desk, refusal: Refusal, changesets: readonly Changeset[]): Observable<never> => {
  const { ahead, objects, outbox, pending } = desk;
  const { version, writes } = refusal;
  if (ahead.writing) throw new InvalidArgumentError('refuse', 'no call inside of a write', version);
  const [refused, ...later] = changesets;
  if (refused?.version !== version) throw new StorageError(`entry ${version} of the outbox is missing`);

  const standing = refusal.standing.map((one) => stateIn(desk.shapes, version, one));
  const instant = standing.reduce(clockAfter, ahead.instant);
  const sheet: Sheet = new Map();
  for (const one of standing) put(sheet, one);
  replay(sheet, later, ahead.replica, (type, key) => sheet.get(type)?.has(key) === true);
  const changed = changedIn(sheet);

  ahead.acknowledged = version;
  ahead.refused += 1;
  ahead.instant = instant;
  objects.stage(changed);
  const bytes = { acknowledgedBytes: pending.bytesUpTo(version) };
  return desk.added({
    changes: [...changed.map(objectChange), ...outbox.trims(version), ...kept(ahead.refused, refused, writes)],
    meta: { acknowledged: version, ...bytes, refused: ahead.refused, clock: instant },
    durable: true,
    stored: () => {
      outbox.trimmed(version);
      pending.acknowledged(version);
      objects.settle(changed);
    },
  });
};

/** Takes a refused changeset back. What was dealt with, or was never written, changes nothing. */
export const refuse = (desk: Desk, refusal: Refusal): Observable<never> => {
  const { replica } = desk.ahead;
  const isLate = (): boolean => replica !== desk.ahead.replica || isRestarting(desk) || isDealtWith(desk, refusal);
  if (isLate()) return desk.caughtUp();
  return unsent(desk, refusal.version - 1).pipe(
    switchMap((changesets) => defer(() => (isLate() ? desk.caughtUp() : revert(desk, refusal, changesets)))),
  );
};
