import type { Version } from './version.js';

/*
 * A view: the objects of a realm that a device asked for, by filters. A realm without a view has all objects.
 */

/** One subscription as it is sent. */
export interface ViewFilter {
  /** Number of the subscription in its realm. */
  readonly id: number;
  readonly type: string;
  /** A `StoredFilter`, unchecked. */
  readonly filter: unknown;
}

/** The view of which the stored objects of a replica are. */
export interface PlacedView {
  /** Version of the set of subscriptions; `null` before the first, and after a client reset. */
  readonly number: number | null;
  /** Without the rejected ones. */
  readonly filters: readonly ViewFilter[];
  /** Id of the scope in which the server has filtered; `null`: it has none. */
  readonly scope: string | null;
}

/** The view of a realm whose objects are of no view. */
export const noView: PlacedView = { number: null, filters: [], scope: null };

/** A subscription that the server does not serve. */
export interface ViewRejection {
  /** Number of the subscription. */
  readonly id: number;
  /** The reason as a code, such as `too-many-properties`. */
  readonly code: string;
  /** The reason in words. */
  readonly text: string;
}

/**
 * The way in which a replica comes to a view.
 *
 * - `difference`: the members are what changes from the placed view. All other objects stay.
 * - `resync`: the members are the whole view. Objects that are not named go.
 */
export type ViewMode = 'difference' | 'resync';

/** The version of a set of subscriptions, and what it asks for. */
export interface WantedView {
  readonly number: Version;
  readonly filters: readonly ViewFilter[];
}
