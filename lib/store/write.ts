import { type Observable, of } from 'rxjs';
import { encodeOperations } from '../merge/operation.js';
import { encodeState } from '../merge/state.js';
import { lastInstant, nextInstant } from '../merge/stamp.js';
import type { Changeset } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Schema } from '../model/schema.js';
import type { Version } from '../model/version.js';
import type { StorageChange } from '../storage/storage.js';
import type { Desk } from './desk.js';
import { objectKey } from './keys.js';
import type { Touched } from './objects.js';
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

/** Runs a transaction's function to its end, whatever that is. */
const performed = <R>(work: Draft, change: (tx: Transaction<Schema>) => R): R => {
  try {
    const result = change(work.tx);
    if (isThenable(result)) throw new InvalidArgumentError('write', 'a function that is not asynchronous', result);
    return result;
  } finally {
    work.end();
  }
};

const bodyOf = (operations: Parameters<typeof encodeOperations>[0]): Uint8Array => {
  const body = encodeOperations(operations);
  if (body.byteLength <= limits.changesetBytesMax) return body;
  const expected = `at most ${limits.changesetBytesMax} bytes of changes in one transaction`;
  throw new InvalidArgumentError('write', expected, body.byteLength);
};

/** Runs a transaction now, and stores it. Throws when it throws, or breaks the schema; then nothing has happened. */
export const write = <R>(desk: Desk, change: (tx: Transaction<Schema>) => R): Observable<Written<R>> => {
  const { ahead, shapes, objects, clock, meta } = desk;
  const start = nextInstant(ahead.instant, clock.now());
  const work = draft(shapes, objects, start, meta.replica);
  const result = performed(work, change);
  const { operations, touched } = work.end();
  if (operations.length === 0) return of({ result, version: ahead.written });

  const body = bodyOf(operations);
  const changeset: Changeset = { version: ++ahead.written, time: start.time, count: start.count, body };
  ahead.instant = lastInstant(start, operations.length);
  objects.stage(touched);
  // The changeset and what it touched go into one batch with the realm's clock.
  return desk.added(
    {
      changes: [...touched.map(objectPut), ...desk.outbox.puts(changeset.version - 1, [changeset])],
      meta: { clock: ahead.instant },
      durable: true,
      stored: () => {
        objects.settle(touched);
        desk.appended(changeset);
      },
    },
    { result, version: changeset.version },
  );
};
