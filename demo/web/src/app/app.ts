import { NgComponentOutlet } from '@angular/common';
import {
  ChangeDetectionStrategy,
  Component,
  createEnvironmentInjector,
  DestroyRef,
  EnvironmentInjector,
  inject,
} from '@angular/core';
import { Device } from './device';
import { devices } from './device-info';
import { provideDevice } from './provide-device';

@Component({
  selector: 'board-app',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [NgComponentOutlet],
  template: `
    <header class="page-header">
      <p class="brand"><img src="favicon.svg" alt="" width="28" height="28" />tidemark</p>
      <div>
        <h1>One task board, two devices</h1>
        <p class="lead">
          Each device has its own copy of the tasks. Take one offline, change tasks on both, and connect it again.
        </p>
      </div>
    </header>
    <main class="devices">
      @for (device of devices; track device.id) {
        <ng-container *ngComponentOutlet="component; environmentInjector: device.injector" />
      }
    </main>
    <footer class="page-footer">
      <p>
        <kbd>↑</kbd> <kbd>↓</kbd> <kbd>←</kbd> <kbd>→</kbd> choose a task, <kbd>Enter</kbd> renames it, <kbd>Shift</kbd>
        <kbd>←</kbd> and <kbd>Shift</kbd> <kbd>→</kbd> move it, <kbd>+</kbd> votes for it, <kbd>Delete</kbd> deletes it.
      </p>
    </footer>
  `,
})
export class App {
  protected readonly component = Device;
  protected readonly devices: readonly { readonly id: string; readonly injector: EnvironmentInjector }[];

  constructor() {
    const parent = inject(EnvironmentInjector);
    this.devices = devices.map((device) => ({
      id: device.id,
      injector: createEnvironmentInjector(provideDevice(device), parent, device.name),
    }));
    inject(DestroyRef).onDestroy(() => {
      for (const { injector } of this.devices) (injector as EnvironmentInjector & { destroy: () => void }).destroy();
    });
  }
}
