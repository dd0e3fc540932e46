import { noView, type PlacedView } from '../../model/view.js';
import type { StorageChange } from '../../storage/storage.js';
import { viewKey } from '../storage-keys.js';
import type { DetachedObjects } from './detached-objects.js';
import type { SubscriptionTracker } from './subscription-tracker.js';
import type { BatchPart } from './view-parts.js';
import { toViewPut } from './view-records.js';

/** The view of a realm with subscriptions, as it is stored and after the commits that are pending. */
export interface RealmView {
  readonly detached: DetachedObjects;
  readonly tracker: SubscriptionTracker;
  readonly placed: StoredView;
}

/** The placed view. */
export class StoredView {
  #latest: PlacedView;

  constructor(
    private readonly tracker: SubscriptionTracker,
    private stored: PlacedView,
  ) {
    this.#latest = stored;
  }

  /** The view after the commits that are pending. */
  latest(): PlacedView {
    return this.#latest;
  }

  durable(): PlacedView {
    return this.stored;
  }

  /** Places a view, or none (`noView`). */
  edit(view: PlacedView): BatchPart {
    this.#latest = view;
    const change: StorageChange = view === noView ? { type: 'del', key: viewKey } : toViewPut(view);
    return {
      changes: [change],
      stored: () => {
        this.stored = view;
        this.tracker.placed(view);
      },
    };
  }

  rollBack(): void {
    this.#latest = this.stored;
  }
}
