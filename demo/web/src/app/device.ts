import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { toObservable, toSignal } from '@angular/core/rxjs-interop';
import { of } from 'rxjs';
import { injectRealm, injectSyncClient, injectSyncStatus } from 'tidemark/angular';
import { BoardColumn } from './board-column';
import { columns } from './columns';
import { type ConnectionText, countDown, describeConnection } from './connection-text';
import { deviceInfo } from './device-info';
import { InspectorPanel } from './inspector-panel';
import { observeSimulatedOffline, simulateOffline } from 'tidemark/inspector';
import { RejectedWrites } from './rejected-writes';
import { TaskStore } from './task-store';

@Component({
  selector: 'board-device',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [BoardColumn, InspectorPanel, RejectedWrites],
  host: { role: 'region', '[attr.aria-label]': 'info.name', '[attr.data-device]': 'info.id' },
  template: `
    <section class="board-card">
      <header class="device-header">
        <svg class="device-icon" viewBox="0 0 24 24" aria-hidden="true">
          @if (info.id === 'laptop') {
            <path d="M5 6.5a1.5 1.5 0 0 1 1.5-1.5h11a1.5 1.5 0 0 1 1.5 1.5V15H5zM2.5 18h19" />
          } @else {
            <path
              d="M8 3.5h8a1.5 1.5 0 0 1 1.5 1.5v14a1.5 1.5 0 0 1-1.5 1.5H8A1.5 1.5 0 0 1 6.5 19V5A1.5 1.5 0 0 1 8 3.5zM11 17.5h2"
            />
          }
        </svg>
        <h2>{{ info.name }}</h2>
        <p class="connection" [attr.data-tone]="connection().tone">
          <span role="status" class="connection-title">{{ connection().title }}</span>
          @if (secondsLeft() > 0) {
            <span class="countdown">next try in {{ secondsLeft() }} s</span>
          }
        </p>
        <label class="switch">
          <span>Network</span>
          <input type="checkbox" role="switch" [checked]="!isSwitchedOff()" (change)="switchNetwork()" />
        </label>
      </header>
      <p class="upload-line" [class.is-waiting]="unsent() > 0">
        <span role="status">
          @if (realm.error()) {
            The tasks of this device cannot be shown.
          } @else if (unsent() > 0) {
            {{ unsent() }} {{ unsent() === 1 ? 'change is' : 'changes are' }} not on the server yet.
          } @else {
            All changes are on the server.
          }
        </span>
        <span class="reason">{{ connection().reason }}</span>
      </p>
      @if (realm.error(); as error) {
        <p class="problem" role="alert">
          {{ error.message }}
          <button type="button" class="quiet" (click)="realm.reload()">Try again</button>
        </p>
      } @else if (tasks.message(); as message) {
        <p class="problem" role="alert">{{ message }}</p>
      }
      <div class="columns">
        @for (column of columns; track column.id) {
          <board-column [column]="column" />
        }
      </div>
      <board-rejected-writes />
      <footer class="device-footer">
        <button type="button" class="quiet" [disabled]="isBusy()" (click)="deleteAll()">Delete all</button>
        <button type="button" class="quiet" [disabled]="isBusy()" (click)="addMany()">Add 10 000 tasks</button>
      </footer>
    </section>
    <board-inspector />
  `,
})
export class Device {
  protected readonly columns = columns;
  protected readonly info = inject(deviceInfo);
  protected readonly tasks = inject(TaskStore);
  protected readonly realm = injectRealm();
  private readonly client = injectSyncClient();
  private readonly status = injectSyncStatus();
  protected readonly isSwitchedOff = toSignal(this.client ? observeSimulatedOffline(this.client) : of(false), {
    initialValue: false,
  });
  protected readonly connection = computed((): ConnectionText => {
    if (this.realm.error()) return { tone: 'off', title: 'Not open', reason: '' };
    return describeConnection(this.status(), this.isSwitchedOff());
  });
  protected readonly unsent = computed(() => this.status().pending.changesets);
  protected readonly secondsLeft = toSignal(countDown(toObservable(this.status)), { initialValue: 0 });
  private readonly isWriting = signal(false);
  protected readonly isBusy = computed(() => this.isWriting() || !this.realm.hasValue());

  protected switchNetwork(): void {
    if (this.client) simulateOffline(this.client, !this.isSwitchedOff());
  }

  protected addMany(): Promise<void> {
    return this.run(() => this.tasks.addMany(10_000));
  }

  protected deleteAll(): Promise<void> {
    return this.run(() => this.tasks.deleteAll());
  }

  private async run(work: () => Promise<void>): Promise<void> {
    this.isWriting.set(true);
    try {
      await work();
    } finally {
      this.isWriting.set(false);
    }
  }
}
