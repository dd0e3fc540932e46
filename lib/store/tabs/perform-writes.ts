import { concat, defer, of, type Observable } from 'rxjs';
import { InvalidStateError } from '../../model/errors.js';
import type { CommitContext } from '../commit/commit-context.js';
import { toErrorRecord } from '../../model/error-record.js';
import type { Instant } from '../../model/changeset.js';
import type { Operation } from '../../merge/operation.js';
import { decodeStoredOperations } from '../commit/outbox.js';
import { createRenames, redoOperations, type Restamped } from '../rejected/redo.js';
import { retryWorkOf } from '../rejected/rejected-writes-api.js';
import { runToItsEnd } from '../../model/operators.js';
import { StorageTakenOverError } from '../../model/taken-over-error.js';
import type { StorageChange } from '../../storage/storage.js';
import type { LocalStore } from '../store.js';
import type { TransactionDraft } from '../transaction/transaction.js';
import type { WriteExtras } from '../commit/write-extras.js';
import { transact, type Written } from '../transaction/write.js';
import type { WritesMessage } from './tab-write.js';
import {
  createDependentError,
  type StoredWrite,
  type TabAnswer,
  type TabRecord,
  type TabWrite,
  toTabPut,
} from './tab-write.js';

type PerformingStore = Pick<LocalStore, 'context' | 'settleRejected'>;

const readOperations = (body: Uint8Array): readonly Operation[] =>
  decodeStoredOperations({ version: 0, body }, 'write of a tab');

/** Changes the subscriptions. Throws what makes it impossible. */
const subscribe = (
  { views, optimistic }: CommitContext,
  body: Uint8Array | null,
  extras: WriteExtras,
): Observable<Written<unknown>> => {
  if (views === null || body === null) throw new InvalidStateError('The realm has no subscriptions in the other tab.');
  const { written: version } = optimistic;
  return concat(views.subscriptions.perform(body, extras).stored$, of({ result: undefined, version }));
};

/** Performs one write. Throws what makes it impossible. `before`: the writes of the same message before it. */
const performWrite = (
  { context, settleRejected }: PerformingStore,
  { method, rejected, body, replica, time, count }: TabWrite,
  before: Restamped[],
  extras: WriteExtras,
): Observable<Written<unknown>> => {
  if (method === 'subscribe') return subscribe(context, body, extras);
  const operations: readonly Operation[] = body ? readOperations(body) : [];
  const work = ({ overlay }: TransactionDraft, now: Instant): void => {
    before.push({ ...{ replica, time, count, operations, now } });
    redoOperations(overlay, context.shapes, operations, createRenames(before, overlay.replica));
  };
  if (method === 'write') return transact(context, work, extras);
  const isWithout = method === 'retry' && body === null;
  return settleRejected(method, rejected, isWithout ? retryWorkOf(context.shapes) : work, extras);
};

/** Performs the messages with writes of other tabs. */
export interface WritePerformer {
  /**
   * Performs the writes of a message, in order. Each is a transaction; those after a rejected one are rejected too. If
   * an earlier leader has stored a part of the message, performs the rest. Calls `answered` once, when all are stored
   * or rejected; never for a message that is older than the last one of that tab, or that is being performed, and
   * when another tab has taken over the storage.
   */
  readonly perform: (tab: string, message: WritesMessage, answered: (answers: readonly TabAnswer[]) => void) => void;
}

/** A message that is being performed. */
class RunningMessage {
  readonly answers: TabAnswer[];
  readonly #restamped: Restamped[];
  #stored: readonly StoredWrite[];
  #open = 1;
  #isRejected = false;
  #isLost = false; // Another tab leads: the next leader answers.

  constructor(
    private readonly store: PerformingStore,
    private readonly note: (record: TabRecord) => StorageChange,
    private readonly message: WritesMessage,
    done: readonly StoredWrite[],
    private readonly onStored: (record: TabRecord) => void,
    private readonly answered: (answers: readonly TabAnswer[] | null) => void,
  ) {
    this.#stored = done;
    this.answers = [...done];
    this.#restamped = done.map((now, at): Restamped => ({ ...restampedOf(message.writes[at]), now }));
  }

  run(): void {
    const { writes } = this.message;
    for (let at = this.#stored.length; at < writes.length; at += 1) {
      this.#open += 1;
      if (this.#isRejected) this.#reject(at, createDependentError());
      else this.#perform(at, writes[at] as unknown as TabWrite);
    }
    this.#settle();
  }

  #perform(at: number, write: TabWrite): void {
    const { number } = this.message;
    let record: TabRecord = { number, stored: this.#stored };
    const extras: WriteExtras = {
      changes: (version, { time, count }) => {
        this.#stored = [...this.#stored, { version, time, count }];
        record = { number, stored: this.#stored };
        return [this.note(record)];
      },
      stored: () => this.onStored(record),
    };
    const onDone = (): void => {
      this.answers[at] = record.stored[at] as unknown as StoredWrite;
      this.#settle();
    };
    const onError = (thrown: unknown): void => this.#reject(at, thrown);
    runToItsEnd(
      defer(() => performWrite(this.store, write, this.#restamped, extras)),
      onDone,
      onError,
    );
  }

  #reject(at: number, thrown: unknown): void {
    this.#isRejected = true;
    this.#isLost ||= thrown instanceof StorageTakenOverError;
    this.answers[at] = { error: toErrorRecord(thrown) };
    this.#settle();
  }

  #settle(): void {
    this.#open -= 1;
    if (this.#open === 0) this.answered(this.#isLost ? null : this.answers);
  }
}

export const createWritePerformer = (store: PerformingStore, records: Map<string, TabRecord>): WritePerformer => {
  /** The numbers of the messages that are being performed. */
  const running = new Map<string, number>();
  return {
    perform: (tab, message, answered) => {
      const { number } = message;
      const last = records.get(tab);
      if (Math.max(last?.number ?? 0, running.get(tab) ?? 0) > number || running.get(tab) === number) return;
      running.set(tab, number);
      const done = last?.number === number ? last.stored : [];
      const note = (record: TabRecord): StorageChange => toTabPut(tab, record);
      const onStored = (record: TabRecord): void => void records.set(tab, record);
      const onAnswered = (answers: readonly TabAnswer[] | null): void => {
        running.delete(tab);
        if (answers) answered(answers);
      };
      new RunningMessage(store, note, message, done, onStored, onAnswered).run();
    },
  };
};

const noOperations = { length: 0 };

/** The stamps of a write that an earlier leader has stored. Without operations: nothing refers to them. */
const restampedOf = (write: TabWrite | undefined): Omit<Restamped, 'now'> => {
  const { method = 'write', replica = '', time = 0, count = 0, body = null } = write ?? {};
  let operations: Restamped['operations'] = noOperations;
  try {
    if (body && method !== 'subscribe') operations = readOperations(body);
  } catch {
    // A foreign script has sent them. The tab itself repeats its own message.
  }
  return { replica, time, count, operations };
};
