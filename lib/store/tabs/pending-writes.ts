import { AsyncSubject } from 'rxjs';
import { InvalidStateError } from '../../model/errors.js';
import { errorOf } from '../../model/error-record.js';
import { encodeOperations } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { renameElements } from '../../merge/rebase.js';
import { createRenames, type Restamped } from '../rejected/redo.js';
import type { Written } from '../transaction/write.js';
import { createDependentError, type TabAnswer, type TabWrite, type WritesMessage } from './tab-write.js';

/** A write of this tab that the leader has not answered. */
export interface PendingWrite {
  write: TabWrite;
  operations: readonly Operation[];
  readonly result: unknown;
  readonly outcome: AsyncSubject<Written<unknown>>;
}

/** Writes in one message: as many as one batch of the leader stores well. */
const messageWritesMax = 100;

/** Gives an unanswered write the leader's stamps of the elements that earlier writes inserted. */
const renamePending = (pending: PendingWrite, restamped: readonly Restamped[]): void => {
  const rename = createRenames(restamped, pending.write.replica);
  const operations = pending.operations.map((operation) => renameElements(operation, rename));
  if (operations.every((operation, at) => operation === pending.operations[at])) return;
  Object.assign(pending, { operations, write: { ...pending.write, body: encodeOperations(operations) } });
};

/** Fails writes, each with an error of its own. */
const failAll = (writes: readonly PendingWrite[]): void => {
  for (const { outcome } of writes) outcome.error(createDependentError());
};

/**
 * The writes of this tab that the leader has not answered. At most one message is unanswered; later writes wait, and
 * are sent together in the next one.
 */
export class PendingWrites {
  #number = 0;
  #sent: readonly PendingWrite[] = [];
  #waiting: PendingWrite[] = [];
  #addedAgain = 0; // The first ones of those that wait.

  add(write: TabWrite, operations: readonly Operation[], result: unknown): PendingWrite {
    return this.#insert(this.#waiting.length, write, operations, result);
  }

  /** Adds a write that this tab made before all that are waiting, but could not store while it led. */
  addAgain(write: TabWrite, operations: readonly Operation[], result: unknown): PendingWrite {
    this.#addedAgain += 1;
    return this.#insert(this.#addedAgain - 1, write, operations, result);
  }

  /** The latest of them. */
  last(): PendingWrite | undefined {
    return this.#waiting.at(-1) ?? this.#sent.at(-1);
  }

  /** All of them, in order. */
  list(): readonly PendingWrite[] {
    return this.#sent.length === 0 ? this.#waiting : [...this.#sent, ...this.#waiting];
  }

  /** Whether a change of this kind waits for the answer to a message. */
  hasWaiting(method: TabWrite['method']): boolean {
    return this.#waiting.some(({ write }) => write.method === method);
  }

  /** The message that is to be answered next; `null` without one. `isNew`: it was not sent yet. */
  takeMessage(): (WritesMessage & { readonly isNew: boolean }) | null {
    const isNew = this.#sent.length === 0;
    if (isNew) {
      if (this.#waiting.length === 0) return null;
      this.#sent = this.#waiting.splice(0, messageWritesMax);
      this.#number += 1;
      this.#addedAgain = 0;
    }
    return { number: this.#number, writes: this.#sent.map(({ write }) => write), isNew };
  }

  /**
   * The message with all of them, for a tab that leads now: the waiting ones continue the unanswered message. So none
   * is missing, or comes later than a write that the tab makes as the leader.
   */
  takeAll(): WritesMessage {
    if (this.#sent.length === 0) this.#number += 1;
    this.#sent = [...this.#sent, ...this.#waiting.splice(0)];
    this.#addedAgain = 0;
    return { number: this.#number, writes: this.#sent.map(({ write }) => write) };
  }

  /**
   * Removes the writes of a message that was answered. Returns a function that reports their outcomes. An answer to any
   * other message changes nothing.
   */
  settle(number: number, answers: readonly TabAnswer[]): () => void {
    if (number !== this.#number || answers.length !== this.#sent.length) return () => undefined;
    const answered = this.#sent;
    const isRejected = answers.some((answer) => 'error' in answer);
    const dependent = isRejected ? this.#waiting.splice(0) : [];
    this.#sent = [];
    const restamped = answers.flatMap((answer, at): readonly Restamped[] => {
      const { write, operations } = answered[at] as unknown as PendingWrite;
      return 'error' in answer ? [] : [{ ...write, operations, now: answer }];
    });
    for (const pending of this.#waiting) renamePending(pending, restamped);
    return () => {
      answers.forEach((answer, at) => {
        const { outcome, result } = answered[at] as unknown as PendingWrite;
        if ('error' in answer) {
          outcome.error(errorOf(answer.error));
          return;
        }
        outcome.next({ result, version: answer.version });
        outcome.complete();
      });
      failAll(dependent);
    };
  }

  /** Fails all of them, because the realm is closed in this tab. */
  close(problem: string): void {
    for (const { outcome } of [...this.#sent, ...this.#waiting.splice(0)])
      outcome.error(new InvalidStateError(problem));
    this.#sent = [];
  }

  #insert(at: number, write: TabWrite, operations: readonly Operation[], result: unknown): PendingWrite {
    const pending: PendingWrite = { write, operations, result, outcome: new AsyncSubject() };
    this.#waiting.splice(at, 0, pending);
    return pending;
  }
}
