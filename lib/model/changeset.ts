import type { Version } from './version.js';

/** When something was written, by the writer's hybrid logical clock: milliseconds since the epoch, then a count. */
export interface Instant {
  readonly time: number;
  readonly count: number;
}

/** One local write transaction on its way up. Its body is opaque to everything between two stores. */
export interface Changeset extends Instant {
  /** The client version: 1, 2, 3 … for each replica. */
  readonly version: Version;
  readonly body: Uint8Array;
}

/** One changeset of a realm's history on its way down. */
export interface ServerChangeset extends Instant {
  /** The server version: its place in the history. */
  readonly version: Version;
  /** The id of the replica that wrote it. */
  readonly origin: string;
  readonly body: Uint8Array;
}

/**
 * What a changeset takes of a page: its body and a little for the rest. Pages, windows and progress all count with this
 * one figure, so that what is sent and what is counted agree.
 */
export const bytesOf = (changeset: { readonly body: Uint8Array }): number => changeset.body.byteLength + 32;
