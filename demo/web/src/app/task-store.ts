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
    return this.write([id], (tx) => tx.create('Task', { id, title, column, movedAt: Date.now() }));
  }

  rename(id: string, title: string): Promise<string | null> {
    return this.write([id], (tx) => tx.update('Task', id, { title }));
  }

  move(task: Task, step: -1 | 1): Promise<string | null> {
    const column = columnBeside(task.column, step);
    return column ? this.moveTo(task.id, column.id) : Promise.resolve(null);
  }

  moveTo(id: string, column: string): Promise<string | null> {
    return this.write([id], (tx) => tx.update('Task', id, { column, movedAt: Date.now() }));
  }

  vote(id: string): Promise<string | null> {
    return this.write([id], (tx) => tx.increment('Task', id, 'votes', 1));
  }

  delete(id: string): Promise<string | null> {
    return this.write([id], (tx) => tx.delete('Task', id));
  }

  async addMany(count: number): Promise<void> {
    const began = Date.now();
    for (let from = 0; from < count; from += tasksPerWrite) {
      const numbers = Array.from({ length: Math.min(tasksPerWrite, count - from) }, (_, index) => from + index + 1);
      const ids = numbers.map(() => crypto.randomUUID());
      await this.write(ids, (tx) => {
        for (const [index, id] of ids.entries()) {
          // Older than every present task, so that these stay on top.
          const movedAt = began - 86_400_000 - (numbers[index] ?? 0);
          tx.create('Task', { id, title: `Task ${numbers[index]}`, column: 'todo', movedAt });
        }
      });
    }
  }

  /** Writes one transaction. Returns the id of the first task, or `null` when the write was not possible. */
  private async write(ids: readonly string[], change: Change): Promise<string | null> {
    try {
      const { version } = await this.realm.write(change);
      this.follow(ids, version);
      this.message.set('');
      return ids[0] ?? null;
    } catch (error) {
      this.message.set(error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  private follow(ids: readonly string[], version: number): void {
    const session = this.realm.value()?.session;
    if (!session) return;
    for (const id of ids) this.waiting.set(id, version);
    this.waitingVersions.add(version);
    this.changes.update((count) => count + 1);
    const settle = (): void => {
      for (const id of ids) if (this.waiting.get(id) === version) this.waiting.delete(id);
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
