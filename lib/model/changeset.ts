import type { Key } from './value.js';
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

/** One object of a changeset that the server refused, and why. */
export interface RefusedWrite {
  readonly type: string;
  readonly key: Key;
  readonly reason: string;
}

/** What stands on the server in the place of a refused write. */
export interface Standing {
  readonly type: string;
  readonly key: Key;
  /** The object's state as the merge room encodes it; `null`: there is no such object. */
  readonly state: Uint8Array | null;
}

/** The type and key of an object. */
export interface ObjectName {
  readonly type: string;
  readonly key: Key;
}

/** One object of a snapshot. */
export interface StoredObject extends ObjectName {
  /** Its state as the merge room encodes it. */
  readonly state: Uint8Array;
}

/** A changeset that the server refused, all of it, with the state that stands for every object it touched. */
export interface Refusal {
  /** Its client version: everything before it is durable on the server, and it counts as dealt with itself. */
  readonly version: Version;
  readonly writes: readonly RefusedWrite[];
  readonly standing: readonly Standing[];
}

/** What becomes of unsent changes when the server has another history: written again on top of it, or thrown away. */
export type ResetMode = 'recover' | 'discard';

/** The same, or `rejoin`: what is unsent is kept with its numbers and stamps, once; of a realm that knows no history it is `recover`. */
export type Restart = ResetMode | 'rejoin';
