import { concat, defer, EMPTY, type Observable } from 'rxjs';
import { randomId } from '../clock.js';
import { encodeOperations } from '../merge/body.js';
import { isAlive } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { rebased } from '../merge/rebase.js';
import { compareInstants, joinedAs } from '../merge/stamp.js';
import type { Changeset, Instant } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Desk } from './desk.js';
import type { Changed } from './objects.js';
import { isSeen, stateOf } from './packed.js';
import { bytesOfOperation, piecesOf } from './pieces.js';
import { type Dated, remade } from './remade.js';
import { restartWith } from './reset.js';
import { acknowledge } from './sync.js';
import { objectChange } from './write.js';

/*
 * A local realm keeps no outbox: it would grow for ever; and nothing of what was deleted. The day it syncs, what it then has is what
 * it has to say. One that has ever been bound to a server, and is opened without, keeps what it writes for that server.
 */

/** Deletes what was kept of deleted objects while the realm had, or could have had, a server. */
const swept = (desk: Desk): Observable<never> => {
  const gone: Changed[] = [];
  for (const [type, table] of desk.objects.tables()) {
    for (const [key, entry] of table)
      if (!isSeen(entry) && !isAlive(stateOf(entry))) gone.push({ type, key, state: null });
  }
  if (gone.length === 0) return EMPTY;
  desk.objects.stage(gone);
  return desk.added({
    ...{ changes: gone.map(objectChange), meta: {}, durable: true },
    stored: () => desk.objects.settle(gone),
  });
};

/** From now on nothing is kept for a server, if there never was one. Completes when what was kept is gone. */
export const alone = (desk: Desk): Observable<never> =>
  desk.present().bound
    ? EMPTY
    : concat(
        acknowledge(desk, desk.outbox.head, desk.ahead.replica),
        defer(() => {
          desk.ahead.alone = true;
          return swept(desk);
        }),
      );

/** Whether an operation can share a changeset with one that is stamped just before it. */
const isNext = (last: Instant, { time, count }: Instant): boolean => time === last.time && count === last.count + 1;

/** Operations in changesets of about a page each, in their order, each stamped with its instant. */
const changesetsOf = (all: readonly Dated[]): readonly Changeset[] => {
  const changesets: Changeset[] = [];
  let waiting: Operation[] = [];
  let first: Instant = { time: 0, count: 0 };
  let last: Instant = first;
  let bytes = 0;
  const close = (): void => {
    const { time, count } = first;
    if (waiting.length > 0)
      changesets.push({ version: changesets.length + 1, time, count, body: encodeOperations(waiting) });
    waiting = [];
    bytes = 0;
  };
  const add = (instant: Instant, operation: Operation, size: number): void => {
    // No two were written at one instant, but for the pieces of a large one: those follow a count later.
    const isLater = compareInstants(instant, last) > 0;
    const at = isLater ? instant : { time: last.time, count: last.count + 1 };
    if (!isNext(last, at) || bytes + size > limits.pageBytesMax) close();
    if (waiting.length === 0) first = at;
    last = at;
    waiting.push(operation);
    bytes += size;
  };
  for (const { instant, operation } of all) {
    const size = bytesOfOperation(operation);
    for (const piece of piecesOf(operation, size))
      add(instant, piece, piece === operation ? size : bytesOfOperation(piece));
  }
  close();
  return changesets;
};

/** All that readers see, as it was written: each operation is stamped with the instant at which that was. */
const writtenIn = ({ objects }: Desk): readonly Dated[] => {
  const all: Dated[] = [];
  for (const { type, key, state } of objects.stored()) {
    if (isAlive(state)) for (const dated of remade(type, key, state)) all.push(dated);
  }
  return all.sort((a, b) => compareInstants(a.instant, b.instant));
};

/**
 * The replica that says what a local realm has: its name tells where and up to when that was written, so that it is the same, and not
 * twice there, when a copy of the realm says it, too.
 */
const joiner = ({ ahead, clock }: Desk): string => {
  const id = randomId(clock);
  const name = joinedAs(ahead.replica, ahead.instant.time, id);
  return name.length <= limits.idCharsMax ? name : id;
};

const join = (desk: Desk): Observable<never> => {
  const { replica: from, instant } = desk.ahead;
  const replica = joiner(desk);
  const rebase = { from, to: replica, at: ({ time, count }: Instant): Instant => ({ time, count }) };
  const dated = writtenIn(desk).map((each) => ({ ...each, operation: rebased(each.operation, rebase) }));
  // What it writes from now on is its own: at a later time.
  return restartWith(desk, { replica, changesets: changesetsOf(dated), last: { time: instant.time + 1, count: 0 } });
};

/** A realm that was local so far has something to say to its first server: all of its objects, as they were written. Nothing happens to another one. */
export const joining = (desk: Desk): Observable<never> =>
  !desk.present().bound && desk.outbox.floor > 0 ? join(desk) : EMPTY;
