import type { Observable } from 'rxjs';
import type { ObjectName, ServerChangeset, StoredObject } from './changeset.js';
import type { SetAsideReport } from './set-aside-report.js';
import type { Version } from './version.js';
import type { PlacedView, ViewMode, ViewRejection, WantedView } from './view.js';

/** The objects that bring a realm from its placed view to another one, or to a later version of the same one. */
export interface ViewMembers {
  /** The view that is placed by this. */
  readonly placed: PlacedView;
  readonly mode: ViewMode;
  /** Objects of the view, each as it is at `upTo`, or as it was before if the server has sent no later state. */
  readonly objects: readonly StoredObject[];
  /** Objects that are not in the view. Some may not be stored here. */
  readonly leaves: readonly ObjectName[];
  /** The server version at which the objects are exactly those of the view. */
  readonly upTo: Version;
  /** Bytes of the history up to `upTo`, and after it. */
  readonly bytes: number;
  readonly remainingBytes: number;
}

/** A page of the changes of a placed view. */
export interface ViewPage {
  /** Pieces of changesets: operations on objects that are in the view before and after. */
  readonly changesets: readonly ServerChangeset[];
  /** Other objects that are in the view, or were deleted while they were in it, as they are at `upTo`. */
  readonly states: readonly StoredObject[];
  readonly leaves: readonly ObjectName[];
  readonly upTo: Version;
  readonly bytes: number;
  readonly remainingBytes: number;
}

/** The answer of a server to a wanted view. */
export interface ViewAnswer {
  readonly number: Version;
  /** Number of objects on the way, as the server estimates it. */
  readonly objects: number;
  readonly rejections: readonly ViewRejection[];
}

/** The operations of a realm with subscriptions that a session needs, besides those of every realm. */
export interface SyncedView {
  /** The latest view: the current one on subscription, then every change. Completes when the realm is closed. */
  readonly wanted$: Observable<WantedView>;
  /**
   * Completes when the changes of the app so far are stored, or have failed. Never errors. Synchronous if none waits.
   */
  readonly edited$: Observable<never>;
  /** Notes what the server has answered. */
  readonly noteAnswer: (answer: ViewAnswer) => void;
  /** Notes the end of a connection. `isKept`: the received members go on after the next bind. */
  readonly noteDisconnect: (isKept: boolean) => void;
  /**
   * Stores the members of a view with the cursor and the view, in one batch. Cold. Emits the objects that were set
   * aside, if any. Completes when reads see the view. Errors with an `UnreadableChangeError` for bytes that are not an
   * object, and with a `StorageError`; nothing has changed then.
   */
  readonly place: (members: ViewMembers) => Observable<SetAsideReport>;
  /** Stores a page of changes of the placed view with its cursor, in one batch. Like `place`. */
  readonly integrate: (page: ViewPage) => Observable<SetAsideReport>;
}
