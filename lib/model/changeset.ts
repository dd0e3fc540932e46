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

/**
 * The changesets that a replica wrote in one run: from one opening of its storage to the next. A copy of a replica
 * draws another run when it is opened, so what it writes can be told from what the original writes under the same
 * versions.
 */
export interface Run {
  /** Drawn at random when the storage is opened. */
  readonly id: string;
  /** The last client version that was written in it. */
  readonly lastVersion: Version;
}

/** From when on a server takes changesets: what others must not speak of any more may be forgotten. */
export interface RetentionCutoff {
  /** Changesets that are stamped before it are not taken any more: milliseconds since the epoch. */
  readonly time: number;
  /** What is in the history after this server version keeps to it. */
  readonly version: Version;
}

/** What a server takes of one changeset, and of one object. The client checks each write against it. */
export interface WriteLimits {
  /** Bytes of a changeset's body. */
  readonly changesetBytesMax: number;
  /** Operations of a changeset. */
  readonly operationsMax: number;
  /** Values of a changeset: elements of arrays, and names and values of records, in the MessagePack of its body. */
  readonly valuesMax: number;
  /** Elements of one list, set or dictionary. */
  readonly elementsMax: number;
  /** Bytes of one object's state. */
  readonly objectBytesMax: number;
}

/** One object of a changeset that the server refused, and why. */
export interface RejectedWrite {
  readonly type: string;
  readonly key: Key;
  readonly reason: string;
}

/** An object that is stored, and that the schema of this app cannot show. */
export interface SetAsideObject {
  readonly type: string;
  readonly key: Key;
  /** The first property that does not fit. */
  readonly property: string;
  /** What the schema expects there, in words. */
  readonly expected: string;
  /** What is stored there, in one short line. */
  readonly stored: string;
}

/** What stands on the server in the place of a refused write. */
export interface ServerObjectState {
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

/** A text that is the same for the same object, and for no other. */
export const nameTextOf = ({ type, key }: ObjectName): string => `${type}/${typeof key}/${key}`;

/** One object of a snapshot. */
export interface StoredObject extends ObjectName {
  /** Its state as the merge room encodes it. */
  readonly state: Uint8Array;
}

/** A changeset that the server refused, all of it, with the state that stands for every object it touched. */
export interface RejectedChangeset {
  /** Its client version: everything before it is durable on the server, and it counts as dealt with itself. */
  readonly version: Version;
  readonly writes: readonly RejectedWrite[];
  readonly serverStates: readonly ServerObjectState[];
  /** Why, as a word: `not-permitted`, `permission-denied`, `too-large`, `schema` and others. */
  readonly code: string;
}

/** What becomes of unsent changes when the server has another history: written again on top of it, or thrown away. */
export type ResetMode = 'recover' | 'discard';

/**
 * The same, or `rejoin`: what is unsent is kept with its numbers and stamps, once; of a realm that knows no history it
 * is `recover`. `copied`: a new replica of the same history, which keeps the stamps of what is unsent.
 */
export type ClientResetKind = ResetMode | 'rejoin' | 'copied';
