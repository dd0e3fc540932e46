import type { Observable } from 'rxjs';
import type { Operation } from '../merge/operation.js';
import { encodeState } from '../merge/state.js';
import { lastInstant, nextInstant } from '../merge/stamp.js';
import type { Changeset, Instant } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Schema } from '../model/schema.js';
import type { Version } from '../model/version.js';
import type { StorageChange, StoragePut } from '../storage/storage.js';
import type { Desk, Task } from './desk.js';
import type { Meta } from './meta.js';
import { objectKey } from './keys.js';
import { keptLocally, refuseTooLarge } from './local-only.js';
import type { Changed, Touched } from './objects.js';
import { bytesOfOperation } from './pieces.js';
import { runsPut, runsWith } from './runs.js';
import { type Draft, draft, type Transaction } from './transaction.js';
import { bodyWithin, checkObject } from './write-limits.js';

/** What a write comes to. */
export interface Written<R> {
  /** What its function returned. */
  readonly result: R;
  /** The client version it is part of: `session.uploadComplete$` passes it. */
  readonly version: Version;
}

export const objectPut = ({ type, key, state }: Touched): StoragePut => ({
  type: 'put',
  key: objectKey(type, key),
  value: encodeState(state),
});

export const objectChange = ({ type, key, state }: Changed): StorageChange =>
  state === null ? { type: 'del', key: objectKey(type, key) } : objectPut({ type, key, state });

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

/** Runs a transaction's work to its end, whatever that is. It builds on what was there when it began, so nothing else may change that. */
const performed = <R>({ ahead }: Desk, draft: Draft, work: () => R): R => {
  const { seen } = ahead;
  ahead.writing = true;
  try {
    const result = work();
    if (isThenable(result)) {
      result.then(undefined, () => undefined); // It fails at its next use of the transaction, and the write says why.
      throw new InvalidArgumentError('write', 'a function that is not asynchronous', result);
    }
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
  /** Whether it may be several changesets, which others hear of one after the other: then it may be of any size. */
  readonly isDivisible?: boolean;
}

/** What belongs to the first changeset of a run: that it is of this one. `null`: it is not the first. */
const runBegun = ({ ahead, run }: Desk, from: Version): Pick<Task, 'changes' | 'meta'> | null => {
  const runs = runsWith(ahead.runs, { id: run, from }, ahead.acknowledged);
  if (runs === ahead.runs) return null;
  ahead.runs = runs;
  return { changes: [runsPut(runs)], meta: { runs } };
};

/** What a local realm writes goes to no server. */
const noBody = new Uint8Array(0);

/** Operations that each go into one changeset: as many as a page has room for. */
const divided = (operations: readonly Operation[]): readonly (readonly Operation[])[] => {
  const all: Operation[][] = [];
  let bytes = Infinity;
  for (const operation of operations) {
    const size = bytesOfOperation(operation);
    if (bytes + size > limits.pageBytesMax) {
      all.push([]);
      bytes = 0;
    }
    bytes += size;
    all.at(-1)?.push(operation);
  }
  return all;
};

/** The changesets of a transaction; its operations have the stamps that they would have in one. */
const changesetsOf = (
  { ahead, writeLimits }: Desk,
  { time, count }: Instant,
  operations: readonly Operation[],
  isDivisible: boolean,
): readonly Changeset[] => {
  if (ahead.alone) {
    refuseTooLarge(operations);
    return [{ version: ahead.written + 1, time, count, body: noBody }];
  }
  let before = 0;
  return (isDivisible ? divided(operations) : [operations]).map((some, at): Changeset => {
    const changeset = {
      version: ahead.written + 1 + at,
      time,
      count: count + before,
      body: bodyWithin(writeLimits.now, some),
    };
    before += some.length;
    return changeset;
  });
};

/** What stores an object. Throws a `WriteLimitError` when that is larger than the server takes. */
const checkedChange = ({ objects, writeLimits }: Desk, changed: Changed): StorageChange => {
  const change = objectChange(changed);
  const { type, key, state } = changed;
  if (state !== null && change.type === 'put')
    checkObject(writeLimits.now, objects.latest(type, key), { type, key, state }, change.value.byteLength);
  return change;
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

  const changesets = changesetsOf(desk, start, operations, also?.isDivisible === true);
  const changed: readonly Changed[] = ahead.alone ? touched.map(keptLocally) : touched;
  const puts = changed.map((each) => checkedChange(desk, each));
  const after = ahead.written;
  const version = after + changesets.length;
  ahead.written = version;
  ahead.instant = lastInstant(start, operations.length);
  objects.stage(changed);
  // The changeset and what it touched go into one batch with the realm's clock.
  const outboxed = ahead.alone ? desk.outbox.skips(version) : desk.outbox.puts(after, changesets);
  const begun = ahead.alone ? null : runBegun(desk, after + 1);
  return desk.added(
    {
      changes: [...puts, ...outboxed, ...(begun?.changes ?? []), ...(also?.changes ?? [])],
      meta: { clock: ahead.instant, ...begun?.meta, ...also?.meta },
      durable: true,
      stored: () => {
        objects.settle(changed);
        changesets.forEach(desk.appended);
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
