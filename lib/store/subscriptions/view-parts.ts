import type { Observable } from 'rxjs';
import type { Changeset, ObjectName } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { PlacedView } from '../../model/view.js';
import type { SyncedView } from '../../model/view-port.js';
import type { Schema } from '../../model/schema.js';
import type { StorageChange } from '../../storage/storage.js';
import type { ObjectChange } from '../objects/object-change.js';
import type { WriteExtras } from '../commit/write-extras.js';
import type { EditedSet, SubscriptionEdit } from './edit-subscriptions.js';
import type { StoredSubscription, SubscriptionSet } from './subscription-set.js';
import type { SubscriptionStatus } from './subscription-state.js';

/*
 * What the rest of the store knows of subscriptions. Types only, so that a bundle without subscriptions has no code of
 * them: `openViews` is passed to `openStore`.
 */

/** A change of the subscriptions that was made, and is being stored. */
export interface PendingEdit extends EditedSet {
  /**
   * Completes when the change is durable. Errors with a `StorageError` when it was not stored; then the change is taken
   * back. Unsubscribing does not cancel it. Replays.
   */
  readonly stored$: Observable<never>;
}

/** The subscriptions of a store. */
export interface SubscriptionsPort {
  /** The current status on subscription, then every change. Completes when the realm is closed. Never errors. */
  readonly status$: Observable<SubscriptionStatus>;
  readonly getStatus: () => SubscriptionStatus;
  /**
   * Changes the set at once. A change to the same content stores nothing. Throws what the function throws, and an
   * `InvalidArgumentError` of its calls; then nothing has changed.
   */
  readonly edit: (change: (edit: SubscriptionEdit<Schema>) => unknown) => PendingEdit;
  /**
   * Returns the number that a subscription has in a set. Absent: the one that it was given. In a realm that tabs share,
   * the tab that leads gives it later.
   */
  readonly numberIn?: (set: SubscriptionSet, subscription: StoredSubscription) => number;
}

/** The subscriptions of a store with the storage. */
export interface StoredSubscriptions extends SubscriptionsPort {
  /**
   * Makes a change of another tab: its encoded calls. Stored together with `extras`, also if it changes nothing. Throws
   * an `InvalidArgumentError` of its calls.
   */
  readonly perform: (body: Uint8Array, extras: WriteExtras) => PendingEdit;
}

/** Changes that are stored in the batch of something else. */
export interface BatchPart {
  readonly changes: readonly StorageChange[];
  /** Called when the batch is stored. */
  readonly stored: () => void;
}

/** The end of detached objects whose changes are acknowledged or rejected. */
export interface DetachedEnd extends BatchPart {
  /** Removals of those that no later changeset touches. */
  readonly removals: readonly ObjectChange[];
}

/** The parts of a store that has subscriptions. */
export interface ViewParts {
  readonly subscriptions: StoredSubscriptions;
  readonly synced: SyncedView;
  /** The view of which the durable objects are. */
  readonly placed: () => PlacedView;
  /** The detached objects that may go when everything up to a client version is acknowledged or rejected. */
  readonly detachedUpTo: (version: Version) => readonly ObjectName[];
  /**
   * Reads the changesets that touch these objects. Emits once and completes; code that runs in the same event-loop turn
   * may build on the result.
   */
  readonly readLater: (version: Version) => Observable<readonly Changeset[]>;
  /**
   * Ends the detachment of these objects. `later`: the changesets that touch them, read in this event-loop turn. Those
   * that a changeset after `version` touches stay detached. `serverStates`: objects as the server has them, which are
   * treated as detached if they are not in the view.
   */
  readonly endDetached: (
    version: Version,
    later: readonly Changeset[],
    serverStates?: readonly ObjectChange[],
  ) => DetachedEnd;
  /** A client reset: no view is placed, and nothing is detached. `isClear`: the subscriptions go, too. */
  readonly reset: (isClear: boolean) => BatchPart;
  /** The stored records. */
  readonly dump: () => readonly StorageChange[];
  /** Called after a batch was stored and readers were notified. */
  readonly flushed: () => void;
  /** Called after a batch has failed, and all pending commits with it. */
  readonly failed: () => void;
  readonly close: () => void;
}
