import type { Observable } from 'rxjs';
import { encodeOperations } from '../merge/body.js';
import { encodeState } from '../merge/state.js';
import { lastInstant, nextInstant } from '../merge/stamp.js';
import type { Changeset, Instant } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Schema } from '../model/schema.js';
import type { Version } from '../model/version.js';
import type { StorageChange } from '../storage/storage.js';
import type { Desk, Task } from './desk.js';
import type { Meta } from './meta.js';
import { objectKey } from './keys.js';
import type { Touched } from './objects.js';
import { runsPut, runsWith } from './runs.js';
import { type Draft, draft, type Transaction } from './transaction.js';

/** What a write comes to. */
export interface Written<R> {
  /** What its function returned. */
  readonly result: R;
  /** The client version it is part of: `session.uploadComplete$` passes it. */
  readonly version: Version;
}

export const objectPut = ({ type, key, state }: Touched): StorageChange => ({
  type: 'put',
  key: objectKey(type, key),
  value: encodeState(state),
});

const isThenable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

/** Runs a transaction's work to its end, whatever that is. It builds on what was there when it began, so nothing else may change that. */
const performed = <R>({ ahead }: Desk, draft: Draft, work: () => R): R => {
  const { seen } = ahead;
  ahead.writing = true;
  try {
    const result = work();
    if (isThenable(result)) throw new InvalidArgumentError('write', 'a function that is not asynchronous', result);
    if (ahead.seen !== seen) throw new InvalidArgumentError('write', 'a function that does not sync meanwhile', work);
    return result;
  } finally {
    ahead.writing = false;
    draft.end();
  }
};

/** What else comes true with a write. */
export interface Also {
  readonly meta?: Partial<Meta>;
  readonly changes: readonly StorageChange[];
  readonly stored: () => void;
}

const bodyOf = (operations: Parameters<typeof encodeOperations>[0]): Uint8Array => {
  const body = encodeOperations(operations);
  if (body.byteLength <= limits.changesetBytesMax) return body;
  const expected = `at most ${limits.changesetBytesMax} bytes of changes in one transaction`;
  throw new InvalidArgumentError('write', expected, body.byteLength);
};

/** What belongs to the first changeset of a run: that it is of this one. `null`: it is not the first. */
const runBegun = ({ ahead, run }: Desk, from: Version): Pick<Task, 'changes' | 'meta'> | null => {
  const runs = runsWith(ahead.runs, { id: run, from }, ahead.acknowledged);
  if (runs === ahead.runs) return null;
  ahead.runs = runs;
  return { changes: [runsPut(runs)], meta: { runs } };
};

/** Runs a transaction now, and stores it, with what else there is. Throws when its work throws, or is inside of another; then nothing has happened. */
export const transact = <R>(
  desk: Desk,
  work: (draft: Draft, now: Instant) => R,
  also?: Also,
): Observable<Written<R>> => {
  const { ahead, shapes, objects, clock } = desk;
  desk.whileOpen();
  if (ahead.writing) throw new InvalidArgumentError('write', 'no write inside of another, but its transaction', work);
  const start = nextInstant(ahead.instant, clock.now() + ahead.offset);
  const drafted = draft(shapes, objects, start, ahead.replica);
  const result = performed(desk, drafted, () => work(drafted, start));
  const { operations, touched } = drafted.end();
  if (operations.length === 0) {
    const outcome = { result, version: ahead.written };
    // What it found to be so already may still be on its way.
    return also ? desk.added({ meta: {}, ...also, durable: true }, outcome) : desk.caughtUp(outcome);
  }

  const body = bodyOf(operations);
  const changeset: Changeset = { version: ++ahead.written, time: start.time, count: start.count, body };
  ahead.instant = lastInstant(start, operations.length);
  objects.stage(touched);
  // The changeset and what it touched go into one batch with the realm's clock.
  const { version } = changeset;
  const outboxed = ahead.alone ? desk.outbox.skips(version) : desk.outbox.puts(version - 1, [changeset]);
  const begun = ahead.alone ? null : runBegun(desk, version);
  return desk.added(
    {
      changes: [...touched.map(objectPut), ...outboxed, ...(begun?.changes ?? []), ...(also?.changes ?? [])],
      meta: { clock: ahead.instant, ...begun?.meta, ...also?.meta },
      durable: true,
      stored: () => {
        objects.settle(touched);
        desk.appended(changeset);
        also?.stored();
      },
    },
    { result, version },
  );
};

/** Runs a transaction's function now, and stores what it did. Throws when it throws or breaks the schema; then nothing has happened. */
export const write = <R>(desk: Desk, change: (tx: Transaction<Schema>) => R): Observable<Written<R>> => {
  if (typeof change !== 'function') throw new InvalidArgumentError('write', 'a function', change);
  return transact(desk, ({ tx }) => change(tx));
};
