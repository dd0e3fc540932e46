import { computed } from '@angular/core';
import { patchState, signalStore, withComputed, withMethods, withProps, withState } from '@ngrx/signals';
import { injectObjects, injectRealm, injectSyncStatus } from 'tidemark/angular';
import type { schema } from '../schema';

declare module 'tidemark/angular' {
  interface RegisteredRealm {
    schema: typeof schema;
  }
}

export const TaskStore = signalStore(
  withState({ showDone: false }),
  withProps(({ showDone }) => ({
    realm: injectRealm(),
    status: injectSyncStatus(),
    tasks: injectObjects('Task', () => ({ where: { done: showDone() }, sort: { title: 1 } })),
  })),
  withComputed(({ status }) => ({
    unsent: computed(() => status().pending.changesets),
  })),
  withMethods(({ realm, ...store }) => ({
    show: (showDone: boolean) => patchState(store, { showDone }),
    finish: (id: string) => realm.write((tx) => tx.update('Task', id, { done: true })),
  })),
);
