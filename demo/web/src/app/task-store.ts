import { computed, DestroyRef, inject, Injectable, signal } from '@angular/core';
import { takeUntilDestroyed } from '@angular/core/rxjs-interop';
import { catchError, EMPTY, finalize } from 'rxjs';
import { injectRealm, injectSyncStatus } from 'tidemark/angular';
import type { Transaction } from 'tidemark';
import { columnBeside } from './columns';
import type { schema } from './schema';
import type { Task } from './registered-realm';

/** Whether the latest change of a task is on the server. `unknown`: it was written before the page was opened. */
export type UploadState = 'onServer' | 'waiting' | 'unknown';

type Change = (tx: Transaction<typeof schema>) => void;

/** Tasks of one transaction, when thousands are written. More would delay the next frame of the page. */
const tasksPerWrite = 250;

/** Writes the tasks of one device, and knows which of these writes are not on the server yet. */
@Injectable()
export class TaskStore {
  private readonly realm = injectRealm();
  private readonly status = injectSyncStatus();
  private readonly destroyed = takeUntilDestroyed(inject(DestroyRef));
  /** The version of the latest write of each task, until the server has it. */
  private readonly waiting = new Map<string, number>();
  private readonly waitingVersions = new Set<number>();
  private readonly changes = signal(0);
  private readonly hasOlderWrites = computed(() => {
    this.changes();
    return this.status().pending.changesets > this.waitingVersions.size;
  });

  readonly message = signal('');

  uploadStateOf(id: string): UploadState {
    this.changes();
    if (this.waiting.has(id)) return 'waiting';
    return this.hasOlderWrites() ? 'unknown' : 'onServer';
  }

  add(title: string, column: string): Promise<string | null> {
    const id = crypto.randomUUID();
    return this.write([{ id }], (tx) => tx.create('Task', { id, title, column, movedAt: Date.now() }));
  }

  rename(id: string, title: string): Promise<string | null> {
    return this.change(id, (tx) => tx.update('Task', id, { title }));
  }

  move(task: Task, step: -1 | 1): Promise<string | null> {
    const column = columnBeside(task.column, step);
    return column ? this.moveTo(task.id, column.id) : Promise.resolve(null);
  }

  moveTo(id: string, column: string): Promise<string | null> {
    return this.change(id, (tx) => tx.update('Task', id, { column, movedAt: Date.now() }));
  }

  vote(id: string): Promise<string | null> {
    return this.change(id, (tx) => tx.increment('Task', id, 'votes', 1));
  }

  delete(id: string): Promise<string | null> {
    return this.write([{ id }], (tx) => {
      if (tx.get('Task', id)) tx.delete('Task', id);
    });
  }

  /** Adds many tasks, which are older than every present one, so that the present ones stay on top. */
  async addMany(count: number): Promise<void> {
    const oldest = Date.now() - 86_400_000;
    for (let from = 0; from < count; from += tasksPerWrite) {
      const length = Math.min(tasksPerWrite, count - from);
      const tasks = Array.from({ length }, (_, index) => ({ id: crypto.randomUUID(), number: from + index + 1 }));
      const isDone = await this.write(tasks, (tx) => {
        for (const { id, number } of tasks)
          tx.create('Task', { id, title: `Task ${number}`, column: 'todo', movedAt: oldest - number });
      });
      if (isDone === null) return;
    }
  }

  async deleteAll(): Promise<void> {
    for (;;) {
      let found = 0;
      const isDone = await this.write([], (tx) => {
        // Read in the transaction: the other device may delete tasks meanwhile.
        const tasks = tx.objects('Task', { limit: tasksPerWrite });
        found = tasks.length;
        for (const { id } of tasks) tx.delete('Task', id);
      });
      if (isDone === null || found < tasksPerWrite) return;
    }
  }

  /** Discards a rejected write. */
  async discard(id: number): Promise<void> {
    try {
      await (await this.realm.opened()).discard(id);
    } catch (error) {
      this.show(error);
    }
  }

  /** Changes a task, which the other device may have deleted since the user saw it. */
  private change(id: string, change: Change): Promise<string | null> {
    return this.write([{ id }], (tx) => {
      if (!tx.get('Task', id)) throw new Error('This task was deleted on another device.');
      change(tx);
    });
  }

  /** Shows an error until the next write. One of the realm is shown beside it. */
  private show(error: unknown): void {
    if (!this.realm.error()) this.message.set(error instanceof Error ? error.message : String(error));
  }

  /** Writes one transaction. Returns the id of the first task or an empty text, and `null` when it was not possible. */
  private async write(tasks: readonly Pick<Task, 'id'>[], change: Change): Promise<string | null> {
    try {
      const { version } = await this.realm.write(change);
      this.follow(tasks, version);
      this.message.set('');
      return tasks[0]?.id ?? '';
    } catch (error) {
      this.show(error);
      return null;
    }
  }

  private follow(tasks: readonly Pick<Task, 'id'>[], version: number): void {
    const session = this.realm.value()?.session;
    if (!session) return;
    for (const { id } of tasks) this.waiting.set(id, version);
    this.waitingVersions.add(version);
    this.changes.update((count) => count + 1);
    const settle = (): void => {
      for (const { id } of tasks) if (this.waiting.get(id) === version) this.waiting.delete(id);
      this.waitingVersions.delete(version);
      this.changes.update((count) => count + 1);
    };
    // Completes when the server has accepted or rejected the write.
    session
      .written$(version)
      .pipe(
        this.destroyed,
        catchError(() => EMPTY),
        finalize(settle),
      )
      .subscribe();
  }
}
