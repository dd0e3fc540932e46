import { BehaviorSubject, map, type Observable, of, Subject } from 'rxjs';
import type { Clock } from '../../clock.js';
import { createBatchOwnership } from '../../merge/batch-ownership.js';
import { applyOperation } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { laterInstantOf, lastInstantOf, operationStampOf } from '../../merge/timestamp.js';
import type { Instant } from '../../model/changeset.js';
import { RealmClosedError } from '../../model/errors.js';
import type { OutboxState } from '../../model/sync-port.js';
import type { Shapes } from '../../model/schema.js';
import type { StorageChange } from '../../storage/storage.js';
import { decodeMetadata, type MetadataRecord } from '../metadata.js';
import type { MirroredObjects } from '../open-store.js';
import type { ChangesByType } from '../objects/object-change.js';
import { createObjects, type Objects } from '../objects/objects.js';
import { decodeOwner, noOwner, type Owner } from '../ownership/owner.js';
import { decodeRejection, type KeptRejection, parseRejectedKey, rejectedPrefix } from '../rejected/rejected-list.js';
import { limitsKey, metadataKey, ownerKey } from '../storage-keys.js';
import { decodeLimits, defaultLimits, encodeBody } from '../transaction/write-limits.js';
import type { TransactionDraft } from '../transaction/transaction.js';
import { runWork, type TransactionPorts, type Written } from '../transaction/write.js';
import { PendingWrites } from './pending-writes.js';
import type { CreateMirroredViews, MirroredViews, SendEdit } from '../subscriptions/mirrored-views.js';
import type { ViewNews } from '../subscriptions/view-news.js';
import type { TabAnswer, TabWrite } from './tab-write.js';

/** The changes that the leader has stored. */
export interface StoredUpdate {
  /** The changes of its batches, in order. */
  readonly changes: readonly StorageChange[];
  /** The answer to a message with writes of this tab. */
  readonly answer?: { readonly number: number; readonly answers: readonly TabAnswer[] } | null;
  /** The state of its outbox. */
  readonly outbox: OutboxState;
  /** The part of the state of its subscriptions that is not stored, if it is new. */
  readonly view?: ViewNews | null;
}

const emptyOutbox: OutboxState = { written: 0, acknowledged: 0, acknowledgedBytes: 0, changesets: 0, bytes: 0 };

/** A write of the leader that was not stored, because another tab has taken over the storage. */
export interface UnstoredWrite<R> {
  readonly operations: readonly Operation[];
  /** The stamp of the first operation. */
  readonly now: Instant;
  readonly result: R;
}

/** The way in which the leader performs a write. `isWithBody`: with operations of its own. */
export type WriteMethod = Pick<TabWrite, 'rejected'> & {
  readonly method: Exclude<TabWrite['method'], 'subscribe'>;
  readonly isWithBody: boolean;
};

export const plainWrite: WriteMethod = { method: 'write', rejected: 0, isWithBody: true };

/** Is equal to no metadata record. */
const noStamp = new Uint8Array(0);

/**
 * A realm as the storage of another tab, which leads, has it. Writes run here, on these objects and the earlier writes
 * of this tab; the leader performs them.
 */
export class MirroredStore {
  readonly objects: Objects;
  readonly #changes = new Subject<ChangesByType>();
  readonly #rejected = new BehaviorSubject<readonly KeptRejection[]>([]);
  readonly pending = new PendingWrites();
  /** The subscriptions; `null` in a realm without any. */
  readonly views: MirroredViews | null;
  owner: Owner = noOwner;
  outbox = emptyOutbox;
  metadata: MetadataRecord | null = null;
  /** The stored metadata record of the last update, which identifies the batch; `null` before the first update. */
  stamp: Uint8Array | null = null;
  readonly #ports: TransactionPorts & { readonly optimistic: { -readonly [K in keyof Optimistic]: Optimistic[K] } };
  #limits = defaultLimits;
  #isClosed = false;

  /** @param createViews - Creates the subscriptions. Absent: the realm has none. */
  constructor(shapes: Shapes, clock: Clock, createViews?: CreateMirroredViews) {
    const objects = (this.objects = createObjects(shapes));
    const instant = { time: 0, count: 0 };
    const checkOpen = (): void => {
      if (this.#isClosed) throw new RealmClosedError('The realm is closed.');
    };
    this.#ports = {
      ...{ shapes, clock, objects, checkOpen },
      optimistic: {
        ...{ replica: '', instant, remoteInstant: instant, clockOffset: 0, downloadedTo: 0, isWriting: false },
        includeOwn: false, // The leader performs the operations again, so increments need not be complete here.
      },
    };
    const send: SendEdit = (body) => {
      const { replica } = this.#ports.optimistic;
      return this.pending.add({ method: 'subscribe', rejected: 0, replica, time: 0, count: 0, body }, [], null).outcome;
    };
    this.views = createViews?.({ shapes, clock, checkOpen, send }) ?? null;
  }

  /** The changes of objects by each update, and by the store while this tab leads. Hot. */
  get changes$(): Observable<ChangesByType> {
    return this.#changes;
  }

  /** Emits the present list, then each change. */
  get rejected$(): Observable<readonly KeptRejection[]> {
    return this.#rejected;
  }

  countRejected(): number {
    return this.#rejected.value.length;
  }

  /** The objects with which a store on the same storage continues. */
  objectsWithStamp(): MirroredObjects {
    return { objects: this.objects, changes: this.#changes, stamp: this.stamp };
  }

  /** Throws a `RealmClosedError` when the realm is closed in this tab. */
  readonly checkOpen = (): void => this.#ports.checkOpen();

  readonly isWriting = (): boolean => this.#ports.optimistic.isWriting;

  /** Replaces everything by the records of the leader's storage: see `Objects.mirrorAll`. */
  reset(records: readonly StorageChange[], outbox: OutboxState, areChecked: boolean): void {
    const mirror = (): void => {
      this.objects.mirrorAll(records, areChecked);
      this.views?.readAll(records);
    };
    this.#update({ changes: records, outbox }, mirror, []);
  }

  /** Adds some of the records of the leader's storage to a realm that has none; blocks before single objects. */
  load(records: readonly StorageChange[], areChecked: boolean): void {
    this.stamp ??= noStamp; // Until the record that identifies them is read, they are not all there.
    this.#update({ changes: records, outbox: this.outbox }, () => this.objects.mirror(records, areChecked));
  }

  /** Applies an update. Throws a `StorageError` for invalid records; then nothing has changed. */
  apply(update: StoredUpdate): void {
    this.#update(update, () => this.objects.mirror(update.changes));
    if (update.view) this.views?.note(update.view);
  }

  /**
   * Runs a transaction synchronously. The stream emits its result once when the leader has stored it, or errors when
   * nothing was stored. Throws as `runWork` does.
   */
  transact<R>(
    work: (draft: TransactionDraft, now: Instant) => R,
    { method, rejected, isWithBody }: WriteMethod = plainWrite,
  ): Observable<Written<R>> {
    const { optimistic } = this.#ports;
    const { result, start, operations } = runWork(this.#ports, work);
    if (operations.length === 0 && method === 'write') {
      const outcome = { result, version: this.outbox.written };
      const last = this.pending.last();
      return last ? last.outcome.pipe(map(() => outcome)) : of(outcome); // What it has read may still be pending.
    }
    const body = isWithBody ? encodeBody(this.#limits, operations) : null;
    const { time, count } = start;
    const write: TabWrite = { method, rejected, replica: optimistic.replica, time, count, body };
    optimistic.instant = lastInstantOf(start, operations.length);
    const pending = this.pending.add(write, operations, result);
    this.#stage(write, operations);
    return pending.outcome as Observable<unknown> as Observable<Written<R>>;
  }

  /** Lets the next leader perform a write that this tab could not store while it led. */
  resend<R>(
    { operations, now: { time, count }, result }: UnstoredWrite<R>,
    { method, rejected }: WriteMethod = plainWrite,
  ): Observable<Written<R>> {
    const { replica } = this.#ports.optimistic;
    const body = method !== 'discard' ? encodeBody(this.#limits, operations) : null;
    const write: TabWrite = { method, rejected, replica, time, count, body };
    const pending = this.pending.addAgain(write, operations, result);
    this.restage();
    return pending.outcome as Observable<unknown> as Observable<Written<R>>;
  }

  /** Takes over what this tab has stored while it was the leader; the objects are the same ones. */
  adopt(records: readonly StorageChange[], outbox: OutboxState): void {
    this.describe(records, outbox);
    this.restage();
    this.views?.show();
  }

  /** Takes over the records that describe the realm, while batches of this tab are still being stored. */
  describe(records: readonly StorageChange[], outbox: OutboxState): void {
    this.#readRecords(records, []);
    this.views?.readAll(records);
    this.outbox = outbox;
  }

  /** The objects may be incomplete, because a store could not be opened on them: all are to be read again. */
  distrust(): void {
    this.stamp = noStamp;
  }

  /** Stages the unanswered writes again, after all optimistic states were dropped. */
  restage(): void {
    this.objects.unstage();
    const pending = this.pending.list();
    for (const { write, operations } of pending) this.#stage(write, operations);
    this.views?.restage(new Set(pending.flatMap(({ write }) => (write.method === 'subscribe' ? [write.body] : []))));
  }

  /** Ends the realm in this tab. Writes that are not answered fail, although the leader may store them. */
  close(): void {
    this.#isClosed = true;
    this.pending.close('The realm was closed in this tab before the write was confirmed. It may have been stored.');
    this.#changes.complete();
    this.#rejected.complete();
    this.views?.close();
    this.objects.setAside.close();
  }

  #update({ changes, answer, outbox }: StoredUpdate, mirror: () => void, rejectedBefore = this.#rejected.value): void {
    const { objects } = this;
    objects.unstage();
    let report = (): void => undefined;
    try {
      mirror();
      this.#readRecords(changes, rejectedBefore);
      this.outbox = outbox;
      if (answer) report = this.pending.settle(answer.number, answer.answers);
    } finally {
      this.restage();
    }
    const changed = objects.takeChanges();
    if (changed.size > 0) this.#changes.next(changed);
    this.views?.show();
    report();
  }

  /** Adds the optimistic states of an unanswered write. */
  #stage({ replica, ...instant }: TabWrite, operations: readonly Operation[]): void {
    const { objects } = this;
    const ownership = createBatchOwnership();
    operations.forEach((operation, index) => {
      const { type, key } = operation;
      const stamp = operationStampOf(instant, replica, index);
      const state = applyOperation(objects.latestState(type, key), operation, stamp, ownership);
      objects.stageOnly({ type, key, state });
    });
  }

  /** `before`: the rejected writes that the changes build on. */
  #readRecords(changes: readonly StorageChange[], before: readonly KeptRejection[]): void {
    const rejections = new Map(before.map((each) => [each.id, each]));
    let areChanged = before.length < this.#rejected.value.length;
    this.views?.read(changes);
    for (const change of changes) {
      const { key } = change;
      if (key.startsWith(rejectedPrefix)) {
        areChanged = true;
        if (change.type === 'put') rejections.set(parseRejectedKey(key), decodeRejection([key, change.value]));
        else rejections.delete(parseRejectedKey(key));
      } else if (change.type === 'put') this.#readRecord(key, change.value);
    }
    if (areChanged) this.#rejected.next([...rejections.values()]);
  }

  #readRecord(key: string, bytes: Uint8Array): void {
    if (key === ownerKey) this.owner = decodeOwner(key, bytes);
    if (key === limitsKey) this.#limits = decodeLimits(key, bytes);
    if (key !== metadataKey) return;
    const { optimistic } = this.#ports;
    this.metadata = decodeMetadata(bytes);
    this.stamp = bytes;
    const { replica, instant, remoteInstant, clockOffset } = this.metadata;
    Object.assign(optimistic, { replica, remoteInstant, clockOffset });
    optimistic.instant = laterInstantOf(optimistic.instant, instant);
  }
}

type Optimistic = TransactionPorts['optimistic'];
