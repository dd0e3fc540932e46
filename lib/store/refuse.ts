import { defer, map, type Observable, switchMap } from 'rxjs';
import { instantsOf } from '../merge/part.js';
import { lastInstant, laterInstant } from '../merge/stamp.js';
import { decodeState } from '../merge/state.js';
import { type Changeset, type Instant, nameText, type Refusal, type Standing } from '../model/changeset.js';
import { InvalidArgumentError, StorageError, UnreadableChangeError } from '../model/errors.js';
import type { SetAsideReport } from '../model/set-aside-report.js';
import { isLeft } from '../model/result.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { Desk, Task } from './desk.js';
import type { Changed } from './objects.js';
import { operationsIn } from './outbox.js';
import { isRestarting } from './reset.js';
import type { KeptRefusal } from './refusals.js';
import { reportOf } from './set-aside.js';
import { changedIn, isOnTop, put, replay, type Sheet } from './unsent.js';
import { objectChange } from './write.js';

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

/** What stands in the place of refused changesets, and the last refusal that says so of each object. */
const standingIn = (refusals: readonly Refusal[]) => {
  const standing: Changed[] = [];
  const saidBy = new Map<string, Version>();
  for (const { version, standing: given } of refusals) {
    for (const one of given) {
      standing.push(stateIn(version, one));
      saidBy.set(nameText(one), version);
    }
  }
  return { standing, saidBy };
};

/** Takes refused changesets out of these. Throws a `StorageError` when one is missing. */
const takenFrom = (
  byVersion: Map<Version, Changeset>,
  refusals: readonly Refusal[],
  { replica, refused }: Desk['ahead'],
): readonly KeptRefusal[] =>
  refusals.map(({ version, writes, code }, at) => {
    const changeset = byVersion.get(version);
    if (!changeset) throw new StorageError(`entry ${version} of the outbox is missing`);
    byVersion.delete(version);
    return { id: refused + at + 1, changeset, replica, writes, code, operations: operationsIn(changeset) };
  });

/** Builds on what is there in this turn, so that what is written from now on builds on it. */
const revert = (
  desk: Desk,
  refusals: readonly Refusal[],
  changesets: readonly Changeset[],
): Observable<SetAsideReport> => {
  const { ahead, objects, outbox, pending } = desk;
  const version = refusals.at(-1)?.version ?? ahead.acknowledged;
  if (ahead.writing) throw new InvalidArgumentError('refuse', 'no call inside of a write', version);
  const others = new Map(changesets.map((changeset) => [changeset.version, changeset]));
  const taken = takenFrom(others, refusals, ahead);
  const { standing, saidBy } = standingIn(refusals);
  const sheet: Sheet = new Map();
  for (const one of standing) put(sheet, one);
  const isLater = (type: string, key: Key, by: Version): boolean =>
    by > (saidBy.get(nameText({ type, key })) ?? Infinity);
  replay(sheet, [...others.values()].filter(isOnTop(desk)), ahead.replica, isLater);
  const changed = changedIn(sheet);

  // Later than what stands, and than what was taken before it.
  const known = taken.reduce(
    (last: Instant, { changeset, operations }) => laterInstant(last, lastInstant(changeset, operations.length)),
    ahead.witnessed,
  );
  const witnessed = standing.reduce(clockAfter, known);
  const instant = laterInstant(ahead.instant, witnessed);
  ahead.acknowledged = version;
  ahead.refused += taken.length;
  ahead.witnessed = witnessed;
  const kept = desk.refusals.keeps(taken);
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

/** What of the outbox matters to refusals, what is on its way included. */
const concerned = (
  { touching, underway, outbox }: Desk,
  refusals: readonly Refusal[],
): Observable<readonly Changeset[]> => {
  const versions = refusals.map(({ version }) => version);
  const objects = refusals.flatMap(({ standing }) => standing);
  return touching.changesets(versions, objects).pipe(
    map((stored) => {
      const late = new Map(underway().map((changeset) => [changeset.version, changeset])); // The latest of each version.
      return [
        ...stored.map((changeset) => late.get(changeset.version) ?? changeset),
        ...[...late.values()].filter(({ version }) => version > outbox.head),
      ];
    }),
  );
};

/** Takes refused changesets back, in one batch: as many as were refused one after the other. What was dealt with, or was never written, changes nothing. */
export const refuse = (desk: Desk, refusals: readonly Refusal[]): Observable<SetAsideReport> => {
  const { replica } = desk.ahead;
  const left = (): readonly Refusal[] =>
    replica !== desk.ahead.replica || isRestarting(desk) ? [] : refusals.filter((each) => !isDealtWith(desk, each));
  const fresh = left();
  if (fresh.length === 0) return desk.caughtUp();
  return concerned(desk, fresh).pipe(
    switchMap((changesets) =>
      defer(() => {
        const still = left();
        return still.length === 0 ? desk.caughtUp() : revert(desk, still, changesets);
      }),
    ),
  );
};
