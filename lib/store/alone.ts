import { concat, defer, EMPTY, type Observable } from 'rxjs';
import { encodeOperations } from '../merge/body.js';
import { isAlive } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { lastInstant, nextInstant } from '../merge/stamp.js';
import type { Changeset, Instant } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Desk } from './desk.js';
import { remade } from './remade.js';
import { restart } from './reset.js';
import { acknowledge } from './sync.js';

/*
 * A local realm keeps no outbox: it would grow for ever. The day it syncs, what it then has is what it has to say. One that has ever
 * been bound to a server, and is opened without, keeps what it writes for that server.
 */

/** From now on nothing is kept for a server, if there never was one. Completes when what was kept is gone. */
export const alone = (desk: Desk): Observable<never> =>
  desk.present().history === null
    ? concat(
        acknowledge(desk, desk.outbox.head, desk.ahead.replica),
        defer(() => {
          desk.ahead.alone = true;
          return EMPTY;
        }),
      )
    : EMPTY;

/** Operations in changesets of about a page each, stamped as written now. */
const changesetsOf = (desk: Desk, all: Iterable<readonly Operation[]>): readonly Changeset[] => {
  const now = desk.clock.now() + desk.ahead.offset;
  const changesets: Changeset[] = [];
  let waiting: Operation[] = [];
  let bytes = 0;
  let instant: Instant = desk.ahead.instant;
  const close = (): void => {
    if (waiting.length === 0) return;
    const { time, count } = nextInstant(instant, now);
    changesets.push({ version: changesets.length + 1, time, count, body: encodeOperations(waiting) });
    instant = lastInstant({ time, count }, waiting.length);
    waiting = [];
    bytes = 0;
  };
  for (const operations of all) {
    for (const operation of operations) {
      const size = encodeOperations([operation]).byteLength;
      if (bytes + size > limits.pageBytesMax) close();
      waiting.push(operation);
      bytes += size;
    }
  }
  close();
  desk.ahead.instant = instant;
  return changesets;
};

/** All objects that readers see, each as what makes it from nothing. */
function* remadeIn({ objects, ahead }: Desk): Iterable<readonly Operation[]> {
  for (const { type, key, state } of objects.stored())
    if (isAlive(state)) yield remade(type, key, state, ahead.replica);
}

/** A realm that was local so far has something to say to its first server: all of its objects, as written now. Nothing happens to another one. */
export const joining = (desk: Desk): Observable<never> =>
  desk.present().history === null && desk.outbox.floor > 0 ? restart(desk, changesetsOf(desk, remadeIn(desk))) : EMPTY;
