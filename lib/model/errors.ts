import { isDate } from './built-ins.js';
import type { Observable } from 'rxjs';
import type { RejectedWrite, ResetMode, SetAsideObject } from './changeset.js';
import type { Key } from './value.js';
import { type ErrorLevel, type SyncErrorCode, syncErrors } from './error-catalogue.js';

/** What every error of this library is. `code` is stable and can be switched on; `message` is for people. */
export abstract class TidemarkError extends Error {
  abstract readonly code: string;
}

/** What came, in one short line: never the whole of a large value, never a secret's end. */
export const describeValue = (value: unknown): string => {
  if (typeof value === 'string')
    return value.length > 60 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isDate(value)) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `a Date (${value.toISOString()})`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  return `an object (${Object.prototype.toString.call(value).slice(8, -1)})`;
};

/** An argument or option that makes no sense. Nothing was changed. */
export class InvalidArgumentError extends TidemarkError {
  override readonly name = 'InvalidArgumentError';
  readonly code = 'invalid-argument';
  constructor(
    readonly argument: string,
    readonly expected: string,
    readonly received: unknown,
  ) {
    super(`${argument} must be ${expected}, received ${describeValue(received)}.`);
  }
}

/** A call that makes no sense at this moment. Nothing was changed. */
export class InvalidStateError extends TidemarkError {
  override readonly name = 'InvalidStateError';
  readonly code = 'invalid-state';
}

/** Where a write or a schema broke the schema. */
export interface SchemaViolation {
  readonly type: string;
  readonly key?: Key;
  readonly property?: string;
  readonly expected: string;
  readonly received: unknown;
  /** What is stored there, in one short line, when that is what does not fit: instead of `received`. */
  readonly stored?: string;
  /** What to do, in one sentence. */
  readonly advice?: string;
}

/** A write that breaks the schema, or a schema that is none. Nothing was changed. */
export class SchemaError extends TidemarkError {
  override readonly name = 'SchemaError';
  readonly code = 'schema';
  constructor(readonly violation: SchemaViolation) {
    const { type, key, property, expected, received, stored = describeValue(received), advice } = violation;
    const place = `${type}${key === undefined ? '' : `[${describeValue(key)}]`}${property === undefined ? '' : `.${property}`}`;
    super(`${place} must be ${expected}, received ${stored}.${advice === undefined ? '' : ` ${advice}`}`);
  }
}

/** The storage failed, is in use elsewhere, or holds what cannot be read. What it was asked for did not happen. */
export class StorageError extends TidemarkError {
  override readonly name: string = 'StorageError';
  readonly code = 'storage';
}

/** A realm whose data a log-out could not discard, and why. */
export interface UndiscardedRealm {
  /** The realm's name on the server. */
  readonly realm: string;
  /** The name of its storage; empty for a storage without a name. */
  readonly storage: string;
  readonly error: StorageError;
}

/** The user is logged out, but the data of some realms is still stored here. Everything else was discarded. */
export class DiscardError extends StorageError {
  override readonly name = 'DiscardError';
  constructor(
    /** The realms whose data is still here, each with its reason. */
    readonly realms: readonly UndiscardedRealm[],
  ) {
    const each = realms.map(({ realm, storage, error }) => {
      return `"${realm}"${storage === '' ? '' : ` in ${storage}`} (${error.message})`;
    });
    super(
      `The user is logged out, but the data of ${realms.length} realms could not be discarded: ${each.join(', ')}. Call logOut with unsynced: "discard" again, or delete their storages.`,
      { cause: realms[0]?.error },
    );
  }
}

/** A handle of a realm, or the storage under it, was used after it was closed. */
export class RealmClosedError extends TidemarkError {
  override readonly name = 'RealmClosedError';
  readonly code = 'realm-closed';
}

/** A downloaded change that this realm cannot apply. */
export class UnreadableChangeError extends TidemarkError {
  override readonly name = 'UnreadableChangeError';
  readonly code = 'unreadable-change';
  constructor(
    readonly version: number,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`change ${version} of the server cannot be applied: ${detail}`, options);
  }
}

/** The session ended before what was waited for: closed, logged out, or its client closed. */
export class SessionClosedError extends TidemarkError {
  override readonly name = 'SessionClosedError';
  readonly code = 'session-closed';
}

/** What an error concerns: one object, one realm, the connection of a client, or all of the client. */

/** An error of a session, as `errors$` shows it. Switch on `code`; `level`, `fatal` and `advice` follow from it. */
export class SyncError<Code extends SyncErrorCode = SyncErrorCode> extends TidemarkError {
  override readonly name: string = 'SyncError';
  readonly level: ErrorLevel;
  /** Whether it ended the session; otherwise it goes on by itself. */
  readonly fatal: boolean;
  /** What the user can do, in one sentence. */
  readonly advice: string;
  constructor(
    readonly code: Code,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    ({ level: this.level, fatal: this.fatal, advice: this.advice } = syncErrors[code]);
  }
}

/**
 * Connected, work waits, and nothing moves, on one line and on the next: the server answers, but does not do its work.
 */
export class StalledError extends SyncError<'stalled'> {
  override readonly name = 'StalledError';
  constructor(
    /** Since when, milliseconds since the epoch. */
    readonly since: number,
  ) {
    super('stalled', 'The server answers and work waits, but nothing moves, on a new line either.');
  }
}

/** The server refused a write. It has been taken back here, all of its transaction, before this is shown. */
export class CompensatingWriteError extends SyncError<'write-refused'> {
  override readonly name = 'CompensatingWriteError';
  constructor(
    /** The version that `realm.write` gave. */
    readonly version: number,
    /** What was refused: type, primary key and reason of each. */
    readonly writes: readonly RejectedWrite[],
    /**
     * Why, as a word: `not-permitted`, `permission-denied`, `too-large`, `schema`, `bad-changeset`, or one of a later
     * server.
     */
    readonly reasonCode = 'not-permitted',
  ) {
    const [first] = writes;
    const what = first ? `${first.type} ${describeValue(first.key)}: ${first.reason}` : reasonCode;
    super('write-refused', `Write ${version} was refused by the server (${what}).`);
  }
}

const describeSetAside = ({ type, key, property, expected, stored }: SetAsideObject): string =>
  `${type}[${describeValue(key)}] is set aside: its ${property} does not fit the schema of this app, which expects ${expected}; stored is ${stored}.`;

/**
 * An object that was downloaded or stored does not fit the schema of this app. Readers do not see it; it is stored and
 * merged as all others, and comes back by itself when it fits. `realm.setAside$` lists all of them.
 */
export class ObjectSetAsideError extends SyncError<'object-set-aside'> {
  override readonly name = 'ObjectSetAsideError';
  constructor(
    /** The object; `null`: there are more than are reported one by one. */
    readonly object: SetAsideObject | null,
  ) {
    super('object-set-aside', object ? describeSetAside(object) : 'More objects are set aside: see setAside$.');
  }
}

/**
 * The server has another history than this realm, and the realm was not started over: because the app wants to decide,
 * or because that did not help. The session is inactive; everything that was not sent is still here.
 */
export class ClientResetError extends SyncError<'history-changed'> {
  override readonly name = 'ClientResetError';
  constructor(
    message: string,
    /** `asked`: the mode is `manual`. `again`: the server said so once more of the realm that was started over. */
    readonly why: 'asked' | 'again',
    /**
     * Starts the realm over. Cold; completes when done, then `session.resume()` goes on; errors with a `StorageError`,
     * having changed nothing.
     */
    readonly reset: (mode: ResetMode) => Observable<never>,
  ) {
    super('history-changed', message);
  }
}

type PlainCode = Exclude<SyncErrorCode, 'stalled' | 'write-refused' | 'history-changed' | 'object-set-aside'>;

/** Everything that `errors$` can show, as one union: a `switch` on `code` narrows it, and can be exhaustive. */
export type AnySyncError =
  | { readonly [Code in PlainCode]: SyncError<Code> }[PlainCode]
  | StalledError
  | CompensatingWriteError
  | ObjectSetAsideError
  | ClientResetError;
