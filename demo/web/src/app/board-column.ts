import {
  afterNextRender,
  afterRenderEffect,
  ChangeDetectionStrategy,
  Component,
  computed,
  DestroyRef,
  ElementRef,
  inject,
  input,
  signal,
  viewChild,
} from '@angular/core';
import { injectObjects } from 'tidemark/angular';
import { type Column, columnBeside } from './columns';
import { deviceInfo } from './device-info';
import { Focus, type WantedFocus } from './focus';
import type { Task } from './registered-realm';
import { type Direction, dragTypeOf, TaskCard } from './task-card';
import { TaskStore } from './task-store';

/** Pixels of a task and the gap below it: the same as in board.css. */
const rowHeight = 72;
/** Rows above and below the visible ones, so that scrolling shows no gaps. */
const spareRows = 4;

interface Row {
  readonly task: Task;
  readonly index: number;
}

/**
 * One column. Only the tasks that can be seen are in the page, so that a column of ten thousand is as fast as one of
 * ten.
 */
@Component({
  selector: 'board-column',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [TaskCard],
  host: {
    role: 'group',
    '[attr.aria-labelledby]': 'headingId()',
    '[class.is-target]': 'isTarget()',
    '(dragover)': 'allowDrop($event)',
    '(dragleave)': 'isTarget.set(false)',
    '(drop)': 'drop($event)',
  },
  template: `
    <header class="column-header">
      <h3 [id]="headingId()">{{ column().name }}</h3>
      <span class="count">{{ count() }}</span>
    </header>
    @if (column().id === 'todo') {
      <form class="add" (submit)="add($event, title)">
        <input #title placeholder="Add a task" aria-label="Add a task" autocomplete="off" maxlength="500" />
      </form>
    }
    <div #list class="task-list" tabindex="-1" (scroll)="measure()">
      @if (tasks().length > 0) {
        <ul [style.height.px]="tasks().length * rowHeight">
          @for (row of rows(); track row.task.id) {
            <li
              [style.transform]="'translateY(' + row.index * rowHeight + 'px)'"
              [attr.aria-setsize]="tasks().length"
              [attr.aria-posinset]="row.index + 1"
            >
              <board-task
                [task]="row.task"
                [isActive]="row.index === tabIndex()"
                (navigated)="navigate(row.index, $event)"
                (deleted)="delete(row)"
              />
            </li>
          }
        </ul>
      } @else if (!isLoading()) {
        <p class="empty">No tasks</p>
      }
    </div>
  `,
})
export class BoardColumn {
  readonly column = input.required<Column>();

  private readonly focus = inject(Focus);
  private readonly store = inject(TaskStore);
  private readonly device = inject(deviceInfo);
  private readonly list = viewChild.required<ElementRef<HTMLElement>>('list');
  private readonly found = injectObjects('Task', () => ({
    where: { column: this.column().id },
    sort: { movedAt: -1 },
  }));
  private readonly firstRow = signal(0);
  private readonly rowsShown = signal(8);

  protected readonly rowHeight = rowHeight;
  protected readonly isTarget = signal(false);
  protected readonly headingId = computed(() => `${this.device.id}-${this.column().id}`);
  protected readonly isLoading = this.found.isLoading;
  protected readonly tasks = computed(() => (this.found.error() ? [] : this.found.value()));
  /** The number of tasks, with a narrow space between thousands. */
  protected readonly count = computed(() => String(this.tasks().length).replace(/\B(?=(\d{3})+$)/g, '\u202f'));
  private readonly activeIndex = computed(() => {
    const active = this.focus.active();
    return active === null ? -1 : this.tasks().findIndex(({ id }) => id === active);
  });
  /** The row of the one task of the column that the Tab key reaches. */
  protected readonly tabIndex = computed(() => Math.max(0, this.activeIndex()));
  /** The rows in the page: those that can be seen, and the one with the focus. */
  protected readonly rows = computed((): readonly Row[] => {
    const all = this.tasks();
    const from = Math.max(0, this.firstRow() - spareRows);
    const to = Math.min(all.length, this.firstRow() + this.rowsShown() + spareRows);
    const rows = all.slice(from, to).map((task, index) => ({ task, index: from + index }));
    const [index, active] = [this.tabIndex(), all[this.tabIndex()]];
    if (!active || (index >= from && index < to)) return rows;
    return index < from ? [{ task: active, index }, ...rows] : [...rows, { task: active, index }];
  });

  constructor() {
    const destroyed = inject(DestroyRef);
    afterNextRender(() => {
      const observer = new ResizeObserver(() => this.measure());
      observer.observe(this.list().nativeElement);
      destroyed.onDestroy(() => observer.disconnect());
    });
    afterRenderEffect(() => this.moveFocus());
  }

  protected measure(): void {
    const { scrollTop, clientHeight } = this.list().nativeElement;
    this.firstRow.set(Math.floor(scrollTop / rowHeight));
    this.rowsShown.set(Math.ceil(clientHeight / rowHeight) + 1);
  }

  protected async add(event: Event, input: HTMLInputElement): Promise<void> {
    event.preventDefault();
    const { value } = input;
    if (value.trim() === '') return;
    input.value = ''; // At once, so that the next title can be typed.
    const id = await this.store.add(value.trim(), this.column().id);
    if (id !== null) this.list().nativeElement.scrollTop = 0;
    else if (input.value === '') input.value = value;
  }

  protected navigate(index: number, to: Direction): void {
    if (to === 'up' || to === 'down') {
      const task = this.tasks()[index + (to === 'up' ? -1 : 1)];
      if (!task) return;
      this.focus.wanted.set({ id: task.id });
      // At once if the task is in the page, because the next key may be pressed before the next render.
      this.moveFocus();
      return;
    }
    const beside = columnBeside(this.column().id, to === 'left' ? -1 : 1);
    if (beside) this.focus.wanted.set({ column: beside.id, row: index - this.firstRow() });
  }

  protected async delete({ task, index }: Row): Promise<void> {
    const next = this.tasks()[index + 1] ?? this.tasks()[index - 1];
    const isDone = await this.store.delete(task.id);
    if (isDone === null) return;
    if (next) this.focus.wanted.set({ id: next.id });
    else this.list().nativeElement.focus();
  }

  protected allowDrop(event: DragEvent): void {
    if (!event.dataTransfer?.types.includes(dragTypeOf(this.device))) return;
    event.preventDefault();
    this.isTarget.set(true);
  }

  protected drop(event: DragEvent): void {
    event.preventDefault();
    this.isTarget.set(false);
    const id = event.dataTransfer?.getData(dragTypeOf(this.device));
    if (id) void this.store.moveTo(id, this.column().id);
  }

  /** Gives the wanted task the focus as soon as it is in this column. Runs again when that is after another render. */
  private moveFocus(): void {
    const wanted = this.focus.wanted();
    if (!wanted) return;
    const index = this.indexOf(wanted);
    const task = this.tasks()[index];
    if (!task) {
      // Otherwise the first task that comes into an empty column later would take the focus.
      if ('column' in wanted && wanted.column === this.column().id) this.focus.wanted.set(null);
      return;
    }
    this.show(index);
    if (!this.rows().some((row) => row.index === index)) return;
    const button = this.list().nativeElement.querySelector<HTMLElement>(`[data-task="${CSS.escape(task.id)}"]`);
    if (!button) return;
    button.focus({ preventScroll: true });
    this.focus.wanted.set(null);
  }

  private indexOf(wanted: WantedFocus): number {
    if ('id' in wanted) return this.tasks().findIndex(({ id }) => id === wanted.id);
    return wanted.column === this.column().id ? Math.min(this.firstRow() + wanted.row, this.tasks().length - 1) : -1;
  }

  /** Scrolls as little as needed to show a row. */
  private show(index: number): void {
    const list = this.list().nativeElement;
    const top = index * rowHeight;
    const least = top + rowHeight - list.clientHeight;
    list.scrollTop = Math.min(top, Math.max(least, list.scrollTop));
    this.measure();
  }
}
