import { afterNextRender, ChangeDetectionStrategy, Component, DestroyRef, ElementRef, inject } from '@angular/core';
import { injectSyncClient } from 'tidemark/angular';
import { mountInspector } from 'tidemark/inspector';

/** The inspector of the client of this device. */
@Component({
  selector: 'board-inspector',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <h3>Inspector</h3>
    <p>What the session of this device does, as it happens</p>
  `,
})
export class InspectorPanel {
  private readonly client = injectSyncClient();

  constructor() {
    const { client } = this;
    const host = inject<ElementRef<Element>>(ElementRef);
    const destroyed = inject(DestroyRef);
    afterNextRender(() => {
      if (!client) return;
      const element = mountInspector(client, host.nativeElement);
      destroyed.onDestroy(() => element.remove());
    });
  }
}
