import type { ObjectName, ServerChangeset, StoredObject } from '../model/changeset.js';
import type { Version } from '../model/version.js';
import type { ViewFilter, ViewMode, ViewRejection } from '../model/view.js';

/** Messages of sessions with a view. docs/PROTOCOL.md specifies them. */

/** Asks for a view: the whole latest set of subscriptions. Numbers never fall in a connection. */
export interface Subscribe {
  readonly type: 'subscribe';
  readonly session: number;
  /** Version of the set of subscriptions. */
  readonly number: Version;
  readonly filters: readonly ViewFilter[];
}

/** Asks for a page of `members`. One request at a time. */
export interface NextMembers {
  readonly type: 'next';
  readonly session: number;
  /** The number of the last `view`. */
  readonly number: Version;
  /** The position of the last page that the client has; `null`: the first page. */
  readonly position: string | null;
}

/** The way in which a replica with a view goes on after its bind. */
export interface BoundView {
  /**
   * `continue`: the server sends the changes of the placed view, as `parts`. `resync`: the server sends nothing of the
   * history until a `subscribe` comes, whose view is sent whole.
   */
  readonly mode: 'continue' | 'resync';
  /** Id of the scope in which the server filters; `null`: it has none. */
  readonly scope: string | null;
}

/** Announces the members of a view, which the client requests with `next`. */
export interface ViewStart {
  readonly type: 'view';
  readonly session: number;
  /** The number of the `subscribe`, or of the placed view. */
  readonly number: Version;
  /** The server version at which the server began to read the members. */
  readonly version: Version;
  readonly scope: string | null;
  readonly mode: ViewMode;
  /** Number of objects that will come, as the server estimates it. */
  readonly objects: number;
  /** The subscriptions that the server does not serve. */
  readonly rejections: readonly ViewRejection[];
}

/** Answers `next`: a page of the members of a view. An object may come on several pages: the last one counts. */
export interface Members {
  readonly type: 'members';
  readonly session: number;
  readonly number: Version;
  readonly objects: readonly StoredObject[];
  /** Objects that are not in the view. */
  readonly leaves: readonly ObjectName[];
  /** The position after this page; `null`: this is the last page. */
  readonly position: string | null;
  /** On the last page the server version at which the members are exactly those of the view; otherwise `null`. */
  readonly upTo: Version | null;
  /** Number of objects after this page, as the server estimates it. */
  readonly remaining: number;
  /** Progress, counted like that of a snapshot. */
  readonly bytes: number;
}

/** A page of the changes of a placed view. */
export interface Parts {
  readonly type: 'parts';
  readonly session: number;
  /**
   * Pieces of changesets: operations on objects that are in the view before and after. Several may have the same
   * version. Their objects are in neither `states` nor `leaves`.
   */
  readonly changesets: readonly ServerChangeset[];
  /** Other objects that are in the view, or were deleted while they were in it, as they are at `upTo`. */
  readonly states: readonly StoredObject[];
  /** Objects that are not in the view. */
  readonly leaves: readonly ObjectName[];
  /** The server version up to which the replica has everything of its view after this page. */
  readonly upTo: Version;
  /** Number of changesets after `upTo`. */
  readonly remaining: number;
  /** Bytes of the history up to `upTo`, counted like `headBytes`. */
  readonly bytes: number;
  /** Bytes of the remaining changesets. */
  readonly remainingBytes: number;
}
