import type { Key } from './value.js';
import type { Version } from './version.js';

/** Time of a write by the writer's hybrid logical clock: milliseconds since the epoch, then a count. */
export interface Instant {
  readonly time: number;
  readonly count: number;
}

/** One local transaction as it is uploaded. Only stores read its body. */
export interface Changeset extends Instant {
  /** The client version: 1, 2, 3 … for each replica. */
  readonly version: Version;
  readonly body: Uint8Array;
}

/** One changeset of a realm's history as it is downloaded. */
export interface ServerChangeset extends Instant {
  /** The server version: its number in the history. */
  readonly version: Version;
  /** The id of the replica that wrote it. */
  readonly origin: string;
  readonly body: Uint8Array;
}

/**
 * Returns the size that a changeset counts for in pages, windows and progress: its body and 32 bytes for the rest. All
 * of them use this one figure, so that sent and counted bytes agree.
 */
export const bytesOf = (changeset: { readonly body: Uint8Array }): number => changeset.body.byteLength + 32;

/** Returns the size of several changesets, by `bytesOf`. */
export const totalBytesOf = (changesets: readonly { readonly body: Uint8Array }[]): number =>
  changesets.reduce((sum, each) => sum + bytesOf(each), 0);

/**
 * The changesets that a replica wrote in one run: from one opening of its storage to the next. A copy of a replica has
 * another run after it was opened. So its changesets differ from those that the original writes under the same
 * versions.
 */
export interface Run {
  /** Random, drawn when the storage is opened. */
  readonly id: string;
  /** The last client version that was written in the run. */
  readonly lastVersion: Version;
}

/**
 * The oldest changesets that a server still accepts. Data that only older changesets could refer to may be forgotten.
 */
export interface RetentionCutoff {
  /** Changesets with earlier stamps are not accepted any more. Milliseconds since the epoch. */
  readonly time: number;
  /** All changesets of the history after this server version have later stamps. */
  readonly version: Version;
}

/** Limits of a server for one changeset and one object. The client checks each write against them. */
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

/**
 * One object of a rejected changeset, with the reason.
 *
 * @see {@link CompensatingWriteError}
 */
export interface RejectedWrite {
  /** The type of the object. */
  readonly type: string;
  /** The primary key of the object. */
  readonly key: Key;
  /** The reason as a text for users: the one that `permit` returned, or a text of the server. */
  readonly reason: string;
}

/**
 * A stored object that does not fit the schema of this app, so that readers do not see it.
 *
 * @see {@link Realm.setAside$}
 */
export interface SetAsideObject {
  /** The type of the object. */
  readonly type: string;
  /** The primary key of the object. */
  readonly key: Key;
  /** The first property that does not fit. */
  readonly property: string;
  /** The value that the schema expects, in words. */
  readonly expected: string;
  /** The stored value in one short line. */
  readonly stored: string;
}

/** The state that an object of a rejected write has on the server. */
export interface ServerObjectState {
  readonly type: string;
  readonly key: Key;
  /** The object's state, encoded by `lib/merge`. `null`: the object does not exist. */
  readonly state: Uint8Array | null;
}

/** The type and primary key of an object. */
export interface ObjectName {
  readonly type: string;
  readonly key: Key;
}

/** Returns a text that identifies an object. */
export const nameTextOf = ({ type, key }: ObjectName): string => `${type}/${typeof key}/${key}`;

/** One object of a snapshot. */
export interface StoredObject extends ObjectName {
  /** The object's state, encoded by `lib/merge`. */
  readonly state: Uint8Array;
}

/** A changeset that the server rejected as a whole, with the server state of every object that it touched. */
export interface RejectedChangeset {
  /**
   * The client version of the changeset. All earlier ones are durable on the server, and this one counts as processed.
   */
  readonly version: Version;
  readonly writes: readonly RejectedWrite[];
  readonly serverStates: readonly ServerObjectState[];
  /** The reason as a code: `not-permitted`, `permission-denied`, `too-large`, `schema` and others. */
  readonly code: string;
  /** The server version of these states, if that is later than the view of the realm. */
  readonly upTo?: Version;
}

/**
 * Treatment of unsent changes when the server has another history: `recover` writes them again on top of it, `discard`
 * drops them.
 *
 * @see {@link ClientResetError}
 */
export type ResetMode = 'recover' | 'discard';

/**
 * A `ResetMode` or a client reset that keeps more. `keepReplica` keeps unsent changesets with their versions and
 * stamps, once; a realm that has no history yet uses `recover` instead. `copied` makes a new replica of the same
 * history that keeps the stamps of unsent changesets.
 */
export type ClientResetKind = ResetMode | 'keepReplica' | 'copied';
