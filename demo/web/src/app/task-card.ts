import {
  afterNextRender,
  ChangeDetectionStrategy,
  Component,
  computed,
  ElementRef,
  inject,
  Injector,
  input,
  output,
  signal,
  viewChild,
} from '@angular/core';
import { columnBeside } from './columns';
import { deviceInfo, type DeviceInfo } from './device-info';
import { Focus } from './focus';
import type { Task } from './registered-realm';
import { TaskStore } from './task-store';

export type Direction = 'up' | 'down' | 'left' | 'right';

/** The type of dragged data. It has the name of the device, so that a task is not dropped on the other device. */
export const dragTypeOf = ({ id }: DeviceInfo): string => `text/x-task-of-${id}`;

const directions: Readonly<Record<string, Direction>> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  ArrowLeft: 'left',
  ArrowRight: 'right',
};

const uploadTexts = { onServer: 'On the server', waiting: 'Not on the server yet', unknown: '' } as const;

/** Milliseconds for which a task counts as new in its column. */
const newMs = 2_000;

/** One task, which can be renamed, moved, voted for and deleted. */
@Component({
  selector: 'board-task',
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: {
    '[class.is-new]': 'isNew()',
    '[attr.draggable]': '!isEditing()',
    '(dragstart)': 'drag($event)',
    '(focusin)': 'focus.active.set(task().id)',
    '(keydown)': 'onKey($event)',
  },
  template: `
    @if (isEditing()) {
      <input
        #editor
        class="editor"
        aria-label="Title"
        autocomplete="off"
        maxlength="500"
        [value]="titleBefore"
        (blur)="rename(editor.value)"
      />
    } @else {
      <button
        type="button"
        class="title"
        [attr.data-task]="task().id"
        [tabIndex]="tabIndex()"
        [title]="task().title"
        (click)="edit()"
      >
        {{ task().title }}
      </button>
    }
    <div class="task-line">
      <span class="upload" [attr.data-upload]="upload()">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          @switch (upload()) {
            @case ('onServer') {
              <path d="M3.5 8.5l3 3 6-6.5" />
            }
            @case ('waiting') {
              <path d="M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11zM8 5v3.2l2 1.3" />
            }
          }
        </svg>
        <span class="upload-text">{{ uploadText() }}</span>
      </span>
      <button
        type="button"
        class="vote"
        [tabIndex]="tabIndex()"
        [attr.aria-label]="'Vote for ' + task().title + ', ' + task().votes + (task().votes === 1 ? ' vote' : ' votes')"
        [class.has-votes]="task().votes > 0"
        (click)="store.vote(task().id)"
      >
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path
            d="M5.5 7v6.5H3V7zl2.2-4.4c1 0 1.7.8 1.5 1.8L8.8 6.5h3.2c.9 0 1.6.8 1.4 1.7l-.9 4.1c-.2.7-.7 1.2-1.4 1.2H5.5"
          />
        </svg>
        {{ task().votes || '' }}
      </button>
      <span class="actions">
        @if (before(); as column) {
          <button type="button" [tabIndex]="tabIndex()" [attr.aria-label]="moveText(column.name)" (click)="move(-1)">
            <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M12.5 8h-9M7.5 4l-4 4 4 4" /></svg>
          </button>
        }
        @if (after(); as column) {
          <button type="button" [tabIndex]="tabIndex()" [attr.aria-label]="moveText(column.name)" (click)="move(1)">
            <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3.5 8h9M8.5 4l4 4-4 4" /></svg>
          </button>
        }
        <button
          type="button"
          [tabIndex]="tabIndex()"
          [attr.aria-label]="'Delete ' + task().title"
          (click)="deleted.emit()"
        >
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg>
        </button>
      </span>
    </div>
  `,
})
export class TaskCard {
  readonly task = input.required<Task>();
  readonly isActive = input.required<boolean>();
  readonly navigated = output<Direction>();
  readonly deleted = output();

  protected readonly store = inject(TaskStore);
  protected readonly focus = inject(Focus);
  private readonly device = inject(deviceInfo);
  private readonly injector = inject(Injector);
  private readonly editor = viewChild<ElementRef<HTMLInputElement>>('editor');

  protected readonly isEditing = signal(false);
  /** The title at the beginning of a rename. The other device may change it meanwhile: the typed text stays. */
  protected titleBefore = '';
  protected readonly upload = computed(() => this.store.uploadStateOf(this.task().id));
  protected readonly uploadText = computed(() => uploadTexts[this.upload()]);
  protected readonly tabIndex = computed(() => (this.isActive() ? 0 : -1));
  protected readonly before = computed(() => columnBeside(this.task().column, -1));
  protected readonly after = computed(() => columnBeside(this.task().column, 1));

  protected readonly isNew = computed(() => Date.now() - this.task().movedAt < newMs);

  protected moveText(column: string): string {
    return `Move ${this.task().title} to ${column}`;
  }

  protected edit(): void {
    this.titleBefore = this.task().title;
    this.isEditing.set(true);
    const select = (): void => {
      this.editor()?.nativeElement.focus();
      this.editor()?.nativeElement.select();
    };
    afterNextRender(select, { injector: this.injector });
  }

  protected rename(title: string): void {
    if (!this.isEditing()) return;
    this.isEditing.set(false);
    if (title.trim() !== '' && title.trim() !== this.titleBefore) void this.store.rename(this.task().id, title.trim());
  }

  protected async move(step: -1 | 1): Promise<void> {
    const id = await this.store.move(this.task(), step);
    if (id !== null) this.focus.wanted.set({ id });
  }

  protected drag(event: DragEvent): void {
    event.dataTransfer?.setData(dragTypeOf(this.device), this.task().id);
  }

  protected onKey(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (this.isEditing()) this.onEditorKey(event);
    else if (this.onTaskKey(event)) event.preventDefault();
  }

  private onEditorKey({ key }: KeyboardEvent): void {
    if (key !== 'Enter' && key !== 'Escape') return;
    const title = this.editor()?.nativeElement.value ?? '';
    this.rename(key === 'Enter' ? title : this.titleBefore);
    this.focus.wanted.set({ id: this.task().id });
  }

  /** Returns whether the key has a meaning for a task. */
  private onTaskKey({ key, shiftKey }: KeyboardEvent): boolean {
    const direction = directions[key];
    if (shiftKey && (direction === 'left' || direction === 'right')) void this.move(direction === 'left' ? -1 : 1);
    else if (direction) this.navigated.emit(direction);
    else if (key === 'F2') this.edit();
    else if (key === 'Delete') this.deleted.emit();
    else if (key === '+') void this.store.vote(this.task().id);
    else return false;
    return true;
  }
}
