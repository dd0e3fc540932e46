import { afterNextRender, ChangeDetectionStrategy, Component, DestroyRef, ElementRef, inject } from '@angular/core';
import { injectSyncClient } from 'tidemark/angular';
import { mountInspector } from 'tidemark/inspector';

/** The inspector of the client of this device. */
@Component({
  selector: 'board-inspector',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: '',
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
