import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { toObservable, toSignal } from '@angular/core/rxjs-interop';
import { of, switchMap } from 'rxjs';
import type { RejectedTransaction } from 'tidemark';
import { injectRealm } from 'tidemark/angular';
import { TaskStore } from './task-store';

/** The title that a rejected write gave its task, if it gave one. */
const titleOf = ({ operations }: RejectedTransaction): string => {
  for (const operation of operations) {
    const values: unknown = 'values' in operation ? operation.values : undefined;
    const title: unknown = typeof values === 'object' && values !== null ? Reflect.get(values, 'title') : undefined;
    if (typeof title === 'string') return title;
  }
  return 'A change';
};

/** The writes that the server has rejected. They are rolled back, and stay here until the user discards them. */
@Component({
  selector: 'board-rejected-writes',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    @for (write of rejected(); track write.id) {
      <div class="rejected" role="alert">
        <p>
          <strong>{{ write.reason }}</strong> The server rejected
          <q>{{ write.title }}</q>
        </p>
        <button type="button" class="quiet" (click)="discard(write.id)">Discard</button>
      </div>
    }
  `,
})
export class RejectedWrites {
  private readonly realm = injectRealm();
  private readonly store = inject(TaskStore);
  private readonly opened = computed(() => (this.realm.hasValue() ? this.realm.value() : undefined));
  private readonly transactions = toSignal(
    toObservable(this.opened).pipe(switchMap((realm) => realm?.rejectedWrites$ ?? of([]))),
    { initialValue: [] },
  );
  protected readonly rejected = computed(() =>
    this.transactions().map((write) => ({
      id: write.id,
      title: titleOf(write),
      reason: write.objects[0]?.reason ?? '',
    })),
  );

  protected discard(id: number): void {
    void this.store.discard(id);
  }
}
