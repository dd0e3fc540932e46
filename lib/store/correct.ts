import { EMPTY, type Observable, switchMap } from 'rxjs';
import type { Operation } from '../merge/operation.js';
import type { Rebase } from '../merge/rebase.js';
import { restamped, type Shift, shiftedBy } from '../merge/restamp.js';
import { compareInstants, lastInstant, laterInstant, nextInstant, writerAt } from '../merge/stamp.js';
import type { Changeset, Instant } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { Desk, Task } from './desk.js';
import type { Touched } from './objects.js';
import { operationsIn, rebasedBody } from './outbox.js';
import { isRestarting } from './reset.js';
import { unsent } from './unsent.js';
import { objectPut } from './write.js';

/** What a server said of the time. */
export interface ServerTime {
  /** Its clock, in milliseconds since the epoch. */
  readonly serverTime: number;
  /** How far it is ahead of this device's. */
  readonly offset: number;
  /** How far that may be wrong. */
  readonly margin: number;
  /** The client version up to which the server has taken or refused changesets; absent: none. */
  readonly decided?: Version;
  /** Its horizon: nothing is taken that is stamped before this time. Missing: everything is. */
  readonly horizon?: number;
}

/** The offset that counts from now on: what can be told from the one before, and from none. */
const offsetAfter = (known: number, { offset, margin }: ServerTime): number => {
  const found = Math.round(offset);
  if (!Number.isSafeInteger(found) || Math.abs(found - known) <= margin) return known;
  return Math.abs(found) <= margin ? 0 : found;
};

interface Decoded {
  readonly changeset: Changeset;
  readonly operations: readonly Operation[];
}

const decoded = (changeset: Changeset): Decoded => ({ changeset, operations: operationsIn(changeset) });

interface Plan {
  readonly shifts: readonly Shift[];
  readonly moved: readonly Decoded[];
  /** The instant of the last operation, moved or not. */
  readonly last: Instant;
}

/**
 * New instants for unsent changesets: each becomes earlier, or stays what it is. So it is still later than all that came from
 * others, which is what it was; and whatever the realm shows, it shows the same.
 */
const planned = (
  unsent: readonly Decoded[],
  after: Instant,
  { isFree, timeOf }: { isFree: (changeset: Changeset) => boolean; timeOf: (time: number) => number },
): Plan => {
  const shifts: Shift[] = [];
  const moved: Decoded[] = [];
  let last = after;
  for (const each of unsent) {
    const { changeset, operations } = each;
    const { time, count } = changeset;
    const to = nextInstant(last, timeOf(time));
    const moves = isFree(changeset) && compareInstants(to, changeset) < 0;
    if (moves) {
      shifts.push({ from: { time, count }, operations: operations.length, to });
      moved.push(each);
    }
    last = laterInstant(last, lastInstant(moves ? to : changeset, operations.length));
  }
  return { shifts, moved, last };
};

const changesetOf = ({ changeset, operations }: Decoded, rebase: Rebase): Changeset => {
  const { version, body } = changeset;
  const { time, count } = rebase.at(changeset) ?? changeset;
  return { version, time, count, body: rebasedBody(body, operations, rebase) };
};

/** The objects that some changesets touched, as they are when those have always been stamped so. */
const touchedBy = ({ objects }: Desk, moved: readonly Decoded[], rebase: Rebase): readonly Touched[] => {
  const touched = new Map<string, Map<Key, Touched>>();
  for (const { type, key } of moved.flatMap(({ operations }) => operations)) {
    let table = touched.get(type);
    if (!table) touched.set(type, (table = new Map<Key, Touched>()));
    if (table.has(key)) continue;
    const state = objects.latest(type, key);
    if (state) table.set(key, { type, key, state: restamped(state, rebase) });
  }
  return [...touched.values()].flatMap((table) => [...table.values()]);
};

/** Stamps again, in one batch. Builds on what is there in this turn, so that what is written from now on builds on it. */
const stampedAgain = (desk: Desk, { shifts, moved, last }: Plan): Task | null => {
  const { ahead, objects, outbox } = desk;
  if (moved.length === 0) return null;
  if (ahead.writing) throw new InvalidArgumentError('correct', 'no call inside of a write', ahead.written);
  const rebase = shiftedBy(shifts, ahead.replica);
  const changesets = moved.map((each) => changesetOf(each, rebase));
  // A name may take more bytes than the one before. Rather a wrong time than a change that no server takes.
  if (changesets.some(({ body }) => body.byteLength > limits.changesetBytesMax)) return null;
  const touched = touchedBy(desk, moved, rebase);
  ahead.instant = last;
  objects.stage(touched);
  return {
    changes: [...touched.map(objectPut), ...outbox.replaces(changesets)],
    meta: { clock: last },
    durable: true,
    stored: () => {
      objects.settle(touched);
      desk.replaced(changesets);
    },
  };
};

/** How far a clock may have been ahead for what was local to keep its times. */
const joinedErrorMs = 5 * 60 * 1000;

/** Forgotten in a power cut, the next bind says it again. */
const noted: Task = { changes: [], meta: {}, durable: false, stored: () => undefined };

/** Takes note of the server's time in this turn, and brings some of the unsent changesets to it. */
const settled = (desk: Desk, told: ServerTime, unsent: readonly Changeset[]): Observable<never> => {
  const { ahead } = desk;
  const { serverTime } = told;
  // After a server's clock that was wrong, its horizon may be ahead of the time that it says.
  const floor: Instant = { time: told.horizon ?? 0, count: 0 };
  ahead.instant = laterInstant(ahead.instant, floor);
  const { decided = 0 } = told; // What it decided on goes out again after a refusal that was not heard.
  const offset = offsetAfter(ahead.offset, told);
  const error = ahead.offset - offset; // Below zero it was behind: then nothing becomes earlier.
  // What went out may be on its way into the history, whatever `bound` says: the server tells what is durable.
  const handed = ahead.handed.replica === ahead.replica ? ahead.handed.version : 0;
  // What was local has its true names only as long as it has its times: a clock that was a little ahead is not worth those.
  const isJoined = (time: number): boolean => error <= joinedErrorMs && writerAt(ahead.replica, time) !== ahead.replica;
  const plan = planned(
    unsent.filter(({ version }) => version > ahead.acknowledged).map(decoded),
    laterInstant(ahead.witnessed, floor),
    {
      // What is too far ahead for any server cannot be on its way into one.
      isFree: ({ version, time }) =>
        version > decided &&
        ((version > handed && !(isJoined(time) && time <= serverTime)) || time > serverTime + limits.stampAheadMsMax),
      timeOf: (time) => Math.min(time - error, serverTime),
    },
  );
  const task = stampedAgain(desk, plan);
  ahead.offset = offset;
  if (task) return desk.added({ ...task, meta: { ...task.meta, offset } });
  return offset === desk.present().offset ? EMPTY : desk.added({ ...noted, meta: { offset } });
};

/**
 * Takes note of the server's time: writes are stamped by it from now on. What was written while this device's clock was ahead of
 * it, and was never uploaded, is stamped again as if the clock had always been right; what was written while it was behind stays.
 */
export const correct = (desk: Desk, told: ServerTime): Observable<never> => {
  const { ahead } = desk;
  const { replica } = ahead;
  if (!isRestarting(desk)) ahead.decided = { replica, version: told.decided ?? 0, horizon: told.horizon ?? 0 };
  const isAhead = ahead.instant.time > told.serverTime + told.margin;
  const isDue = isAhead || offsetAfter(ahead.offset, told) < ahead.offset;
  if (!isDue || isRestarting(desk)) return settled(desk, told, []);
  return unsent(desk, ahead.acknowledged).pipe(
    switchMap((found) => {
      const isLate = isRestarting(desk) || replica !== ahead.replica; // Another replica's by now: its bind says the time again.
      return settled(desk, told, isLate ? [] : found);
    }),
  );
};
