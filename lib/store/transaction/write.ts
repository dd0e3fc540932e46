import type { Observable } from 'rxjs';
import type { Operation } from '../../merge/operation.js';
import { encodeState } from '../../merge/state-codec.js';
import { compareInstants, lastInstantOf, nextInstantOf } from '../../merge/timestamp.js';
import { checkSynchronous } from '../../model/check-arguments.js';
import type { Changeset, Instant } from '../../model/changeset.js';
import { InvalidArgumentError, InvalidStateError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { Schema } from '../../model/schema.js';
import type { Version } from '../../model/version.js';
import type { StorageChange } from '../../storage/storage.js';
import type { CommitContext, CommitRequest } from '../commit/commit-context.js';
import { removeTombstones, checkUploadable } from './local-write-limits.js';
import type { ObjectChange } from '../objects/object-change.js';
import { operationBytesOf } from './operation-pieces.js';
import { toRunsPut, addRun } from '../ownership/replica-runs.js';
import type { WriteExtras } from '../commit/write-extras.js';
import { type TransactionDraft, beginTransaction } from './transaction.js';
import type { Transaction } from './transaction-api.js';
import { encodeBody, checkObject } from './write-limits.js';

/**
 * The outcome of a write.
 *
 * @example
 * ```ts
 * const { version } = await realm.write((tx) => tx.delete('Task', 'milk'));
 * realm.session.written$(version).subscribe(({ state }) => showIcon(state));
 * ```
 */
export interface Written<R> {
  /** The return value of the function. */
  readonly result: R;
  /** The client version of the write. `session.written$(version)` reports its stages on the path to the server. */
  readonly version: Version;
}

/** The part of a realm that its transactions use. */
export interface TransactionPorts extends Pick<CommitContext, 'shapes' | 'objects' | 'clock' | 'checkOpen'> {
  readonly optimistic: Pick<
    CommitContext['optimistic'],
    'replica' | 'instant' | 'remoteInstant' | 'clockOffset' | 'includeOwn' | 'downloadedTo' | 'isWriting'
  >;
}

/** A transaction whose function has run, and of which nothing is stored yet. */
export interface FinishedWork<R> extends ReturnType<TransactionDraft['end']> {
  readonly result: R;
  /** The stamp of the first operation. */
  readonly start: Instant;
}

/**
 * Runs the function of a transaction. Until it returns, no other change may be applied, because the transaction builds
 * on the state that it began with.
 */
const performWork = <R>({ optimistic }: TransactionPorts, draft: TransactionDraft, work: () => R): R => {
  const { downloadedTo } = optimistic;
  optimistic.isWriting = true;
  try {
    const result = work();
    checkSynchronous('write', result);
    if (optimistic.downloadedTo !== downloadedTo)
      throw new InvalidStateError(
        'A download was applied inside realm.write. Its function must not wait or call the session.',
      );
    return result;
  } finally {
    optimistic.isWriting = false;
    draft.end();
  }
};

/** Adds the current run to the stored runs with its first changeset; `null` for later changesets. */
const beginRun = (
  { optimistic, runId }: CommitContext,
  from: Version,
): Pick<CommitRequest, 'changes' | 'metadata'> | null => {
  const runs = addRun(optimistic.runs, { id: runId, from }, optimistic.acknowledged);
  if (runs === optimistic.runs) return null;
  optimistic.runs = runs;
  return { changes: [toRunsPut(runs)], metadata: { runs } };
};

/** The changes of `extras`, if there are any. */
export const changesOf = (
  extras: WriteExtras | undefined,
  version: Version,
  start: Instant,
): readonly StorageChange[] => {
  const changes = extras?.changes ?? [];
  return typeof changes === 'function' ? changes(version, start) : changes;
};

/** Body of the changesets of a local realm, which are never sent. */
const emptyBody = new Uint8Array(0);

/** Groups operations into changesets of about one page each. */
const divideOperations = (operations: readonly Operation[]): readonly (readonly Operation[])[] => {
  const all: Operation[][] = [];
  let bytes = Infinity;
  for (const operation of operations) {
    const size = operationBytesOf(operation);
    if (bytes + size > limits.pageBytesMax) {
      all.push([]);
      bytes = 0;
    }
    bytes += size;
    all.at(-1)?.push(operation);
  }
  return all;
};

/** The changesets of a transaction. Its operations have the same stamps as in one changeset. */
const changesetsOf = (
  { optimistic, writeLimits }: CommitContext,
  { time, count }: Instant,
  operations: readonly Operation[],
  isDivisible: boolean,
): readonly Changeset[] => {
  if (optimistic.isLocalOnly) {
    checkUploadable(operations);
    return [{ version: optimistic.written + 1, time, count, body: emptyBody }];
  }
  let before = 0;
  return (isDivisible ? divideOperations(operations) : [operations]).map((some, at): Changeset => {
    const changeset = {
      version: optimistic.written + 1 + at,
      time,
      count: count + before,
      body: encodeBody(writeLimits.now, some),
    };
    before += some.length;
    return changeset;
  });
};

/**
 * Encodes the state of a changed object; `undefined` for a removal. Throws a `WriteLimitError` when the object exceeds
 * the limits of the server.
 */
const encodeChecked = (
  { objects, writeLimits }: CommitContext,
  { type, key, state }: ObjectChange,
): Uint8Array | undefined => {
  if (state === null) return undefined;
  const bytes = encodeState(state);
  checkObject(writeLimits.now, objects.latestState(type, key), { type, key, state }, bytes.byteLength);
  return bytes;
};

/**
 * Returns the instant up to which increments of this replica may be missing; `null` if none is. They are missing after
 * a snapshot or a client reset, until they are downloaded. No increment that was sent is later than this instant. No
 * increment that is written from now on is earlier, even if it gets a new stamp.
 */
const missingOwnUpTo = ({ includeOwn, instant, remoteInstant }: TransactionPorts['optimistic']): Instant | null => {
  if (!includeOwn) return null;
  return compareInstants(instant, remoteInstant) < 0 ? instant : remoteInstant;
};

/**
 * Runs the function of a transaction synchronously. Throws what it throws, and an `InvalidStateError` inside another
 * write; then nothing has changed.
 */
export const runWork = <R>(
  ports: TransactionPorts,
  work: (draft: TransactionDraft, now: Instant) => R,
): FinishedWork<R> => {
  const { optimistic, shapes, objects, clock } = ports;
  ports.checkOpen();
  if (optimistic.isWriting)
    throw new InvalidStateError('realm.write was called inside another write. Use the tx argument of the outer one.');
  const start = nextInstantOf(optimistic.instant, clock.now() + optimistic.clockOffset);
  const draft = beginTransaction(shapes, objects, start, optimistic.replica, missingOwnUpTo(optimistic));
  const result = performWork(ports, draft, () => work(draft, start));
  return { result, start, ...draft.end() };
};

/**
 * Runs a transaction synchronously and stores it together with `extras`. Throws as `runWork` does, and a
 * `WriteLimitError` for a transaction that is too large; then nothing has changed.
 */
export const transact = <R>(
  context: CommitContext,
  work: (draft: TransactionDraft, now: Instant) => R,
  extras?: WriteExtras,
): Observable<Written<R>> => {
  const { optimistic, objects } = context;
  const { result, start, operations, touched } = runWork(context, work);
  if (operations.length === 0) {
    const outcome = { result, version: optimistic.written };
    // State that the function has read may still be pending.
    if (!extras) return context.waitForCommits(outcome);
    const changes = changesOf(extras, optimistic.written, start);
    return context.commit({ metadata: {}, ...extras, changes, durable: true }, outcome);
  }

  const changesets = changesetsOf(context, start, operations, extras?.isDivisible === true);
  const changed: readonly ObjectChange[] = optimistic.isLocalOnly ? touched.map(removeTombstones) : touched;
  const encoded = changed.map((each) => encodeChecked(context, each));
  const after = optimistic.written;
  const version = after + changesets.length;
  optimistic.written = version;
  optimistic.instant = lastInstantOf(start, operations.length);
  const staged = objects.stage(changed, { encodedAt: (index) => encoded[index] });
  // The changeset, its objects and the realm's clock are stored in one batch.
  const outboxed = optimistic.isLocalOnly
    ? context.outbox.toSkipChanges(version)
    : context.outbox.toAppendChanges(after, changesets);
  const begun = optimistic.isLocalOnly ? null : beginRun(context, after + 1);
  return context.commit(
    {
      changes: [...staged.changes, ...outboxed, ...(begun?.changes ?? []), ...changesOf(extras, version, start)],
      metadata: { instant: optimistic.instant, ...begun?.metadata, ...extras?.metadata },
      durable: true,
      stored: () => {
        staged.settle();
        changesets.forEach(context.appendToOutbox);
        extras?.stored();
      },
    },
    { result, version },
  );
};

/** The work of a function of an app. Throws an `InvalidArgumentError` for anything else. */
export const workOf = <R>(change: (tx: Transaction<Schema>) => R): ((draft: TransactionDraft) => R) => {
  if (typeof change !== 'function') throw new InvalidArgumentError('write', 'a function', change);
  return ({ tx }) => change(tx);
};

/**
 * Runs the function of a transaction synchronously and stores the result. Throws what the function throws, and a
 * `SchemaError` for values that do not fit the schema; then nothing has changed.
 */
export const write = <R>(context: CommitContext, change: (tx: Transaction<Schema>) => R): Observable<Written<R>> => {
  return transact(context, workOf(change));
};
