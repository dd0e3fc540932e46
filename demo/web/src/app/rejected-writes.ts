import { ChangeDetectionStrategy, Component, computed } from '@angular/core';
import { toSignal } from '@angular/core/rxjs-interop';
import { defer, switchMap } from 'rxjs';
import type { RejectedTransaction } from 'tidemark';
import { injectRealm } from 'tidemark/angular';

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
  private readonly transactions = toSignal(
    defer(() => this.realm.opened()).pipe(switchMap(({ rejectedWrites$ }) => rejectedWrites$)),
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
    void this.realm.value()?.discard(id);
  }
}
