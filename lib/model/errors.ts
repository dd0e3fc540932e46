import { isDate, isPlainObject } from './built-ins.js';
import type { Observable } from 'rxjs';
import type { RejectedWrite, ResetMode, SetAsideObject } from './changeset.js';
import type { Key } from './value.js';
import { type ErrorLevel, type SyncErrorCode, syncErrors } from './error-catalogue.js';

/**
 * The base class of all errors of this library. A `switch` can rely on `code`, which never changes; `message` is for
 * people and may.
 *
 * @example
 * ```ts
 * try {
 *   await realm.write((tx) => tx.delete('Task', 'milk'));
 * } catch (error) {
 *   if (error instanceof TidemarkError && error.code === 'schema') showMessage(error.message);
 *   else throw error;
 * }
 * ```
 */
export abstract class TidemarkError extends Error {
  /** The name of the class, such as `SchemaError`. Minifiers do not change it. */
  abstract override readonly name: string;
  /** The kind of the error: lower-case letters and hyphens. A code never changes. */
  abstract readonly code: string;
  /**
   * Returns the fields of the error with its message, for `JSON.stringify`, which leaves out the message of an `Error`.
   *
   * @returns A record.
   */
  toJSON(): object {
    return { ...(this as object), message: this.message };
  }
}

/** Describes a value in one short line. Long strings are not shown, because they may be secrets. */
export const describeValue = (value: unknown): string => {
  if (typeof value === 'string')
    return value.length > 60 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isDate(value)) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `a Date (${value.toISOString()})`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  if (isPlainObject(value)) return Object.keys(value).length === 0 ? 'an empty record' : 'a record';
  return `an object (${Object.prototype.toString.call(value).slice(8, -1)})`;
};

/** Returns the message of a thrown value, which need not be an `Error`. */
export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : describeValue(thrown);

/**
 * An argument or option is invalid. Nothing was changed.
 *
 * @example
 * ```ts
 * if (error instanceof InvalidArgumentError) console.error(error.argument, error.expected);
 * ```
 */
export class InvalidArgumentError extends TidemarkError {
  override readonly name = 'InvalidArgumentError';
  readonly code = 'invalid-argument';
  constructor(
    /** The argument or option, as in `timeouts.connect`. */
    readonly argument: string,
    /** The valid values, as the end of a sentence: "a number from 1 to 9". */
    readonly expected: string,
    /** The value that the app passed. */
    readonly received: unknown,
    /** `problem`: the fault as a sentence, in place of "must be …". `advice`: a sentence that says what to do. */
    { problem, advice }: { readonly problem?: string | undefined; readonly advice?: string | undefined } = {},
  ) {
    super(
      `${problem ?? `${argument} must be ${expected}, received ${describeValue(received)}.`}${advice === undefined ? '' : ` ${advice}`}`,
    );
  }
}

/**
 * A call is not possible at this moment, for example a write inside another write. Nothing was changed.
 *
 * @example
 * ```ts
 * if (error instanceof InvalidStateError) console.error(error.message);
 * ```
 */
export class InvalidStateError extends TidemarkError {
  override readonly name = 'InvalidStateError';
  readonly code = 'invalid-state';
}

/**
 * The place where a value does not fit a schema, or where a schema itself is invalid.
 *
 * @see {@link SchemaError}
 */
export interface SchemaViolation {
  /** The object type. */
  readonly type: string;
  /** The primary key of the object, when one object is concerned. */
  readonly key?: Key;
  /** The property, when one property is concerned. */
  readonly property?: string;
  /** Whether the property is the primary key. */
  readonly isKey?: boolean;
  /** The expected value, as the end of a sentence: "a string or null". */
  readonly expected: string;
  /** The value that the app passed. */
  readonly received: unknown;
  /** The stored value in one short line, when a stored value does not fit. Replaces `received` in the message. */
  readonly stored?: string;
  /** One sentence that says what to do. */
  readonly advice?: string;
  /** The fault of the object or property, such as "does not exist". Replaces "must be …" in the message. */
  readonly problem?: string;
}

/**
 * A write does not fit the schema, or the schema itself is invalid. Nothing was changed.
 *
 * @example
 * ```ts
 * if (error instanceof SchemaError) markField(error.violation.property, error.message);
 * ```
 */
export class SchemaError extends TidemarkError {
  override readonly name = 'SchemaError';
  readonly code = 'schema';
  constructor(
    /** The type, object and property that are wrong, and the expected value. */
    readonly violation: SchemaViolation,
  ) {
    const { type, key, property, isKey = false, expected, received, stored = describeValue(received) } = violation;
    const { advice, problem } = violation;
    const location = `${type}${key === undefined ? '' : `[${describeValue(key)}]`}${property === undefined ? '' : `.${property}`}`;
    const text =
      problem === undefined
        ? `${location}${isKey ? ', the primary key,' : ''} must be ${expected}, received ${stored}`
        : `${key === undefined ? location : `${type} ${describeValue(key)}`} ${problem}`;
    super(`${text}.${advice === undefined ? '' : ` ${advice}`}`);
  }
}

/**
 * The storage failed, is in use elsewhere, or holds corrupt data. The requested change was not made.
 *
 * @example
 * ```ts
 * const realm = await openRealm(options).catch((error: unknown) => {
 *   if (error instanceof StorageError) showMessage(error.message);
 *   throw error;
 * });
 * ```
 */
export class StorageError extends TidemarkError {
  override readonly name: string = 'StorageError';
  readonly code = 'storage';
}

/**
 * A realm whose data a log-out could not discard, with the reason.
 *
 * @see {@link DiscardError}
 */
export interface UndiscardedRealm {
  /** The realm's name on the server. */
  readonly realm: string;
  /** The name of its storage; empty for a storage without a name. */
  readonly storage: string;
  /** The reason why the data is still stored. */
  readonly error: StorageError;
}

/**
 * The user is logged out, but the data of some realms is still stored on this device. All other data was discarded.
 *
 * @example
 * ```ts
 * try {
 *   await client.logOut({ unsynced: 'discard' });
 * } catch (error) {
 *   if (error instanceof DiscardError) console.warn(error.realms.map(({ realm }) => realm));
 * }
 * ```
 */
export class DiscardError extends StorageError {
  override readonly name = 'DiscardError';
  constructor(
    /** The realms whose data is still stored, each with the reason. */
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

/**
 * A realm or its storage was used after it was closed.
 *
 * @example
 * ```ts
 * if (error instanceof RealmClosedError) showMessage('This list is closed.');
 * ```
 */
export class RealmClosedError extends TidemarkError {
  override readonly name = 'RealmClosedError';
  readonly code = 'realm-closed';
}

/** A downloaded change cannot be applied to this realm. */
export class UnreadableChangeError extends TidemarkError {
  override readonly name = 'UnreadableChangeError';
  readonly code = 'unreadable-change';
  constructor(
    /** The server version of the change. */
    readonly version: number,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`Change ${version} of the server cannot be applied: ${detail}`, options);
  }
}

/**
 * The session ended before an awaited event happened: the realm or the client was closed, or the user logged out.
 *
 * @example
 * ```ts
 * await firstValueFrom(session.uploadComplete$).catch((error: unknown) => {
 *   if (!(error instanceof SessionClosedError)) throw error;
 * });
 * ```
 */
export class SessionClosedError extends TidemarkError {
  override readonly name = 'SessionClosedError';
  readonly code = 'session-closed';
}

/**
 * An error of a session, as `errors$` emits it. `code` determines `level`, `fatal` and `advice`.
 *
 * @example
 * ```ts
 * session.errors$.subscribe((error) => {
 *   if (error.fatal) showMessage(error.advice);
 *   if (error.code === 'write-refused') console.warn(error.version, error.writes);
 * });
 * ```
 *
 * @see {@link syncErrors} for all codes.
 */
export class SyncError<Code extends SyncErrorCode = SyncErrorCode> extends TidemarkError {
  override readonly name: string = 'SyncError';
  /** The part of the client that the error affects. */
  readonly level: ErrorLevel;
  /** Whether the error ended the session. After any other error the session continues by itself. */
  readonly fatal: boolean;
  /** One sentence that says what the user or the developer can do. */
  readonly advice: string;
  constructor(
    /** The kind of the error: a key of `syncErrors`. */
    readonly code: Code,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    ({ level: this.level, fatal: this.fatal, advice: this.advice } = syncErrors[code]);
  }
}

/**
 * The server answers pings, but neither accepts uploads nor sends downloads, although work waits. A new connection did
 * not help.
 *
 * @see {@link SyncTimeouts.stall}
 */
export class StalledError extends SyncError<'stalled'> {
  override readonly name = 'StalledError';
  constructor(
    /** When the stall began, in milliseconds since the epoch. */
    readonly since: number,
  ) {
    super('stalled', 'The server answers, but syncing makes no progress, even on a new connection.');
  }
}

/**
 * The server rejected a write. Its whole transaction was rolled back in the realm before this error is emitted.
 *
 * @example
 * ```ts
 * session.errors$.subscribe((error) => {
 *   if (error.code === 'write-refused') showMessage(error.writes.map(({ reason }) => reason).join(' '));
 * });
 * ```
 *
 * @see {@link Realm.rejectedWrites$} for the payload of the transaction, and to retry or discard it.
 */
export class CompensatingWriteError extends SyncError<'write-refused'> {
  override readonly name = 'CompensatingWriteError';
  constructor(
    /** The version that `realm.write` returned. */
    readonly version: number,
    /** The rejected objects: type, primary key and reason of each. */
    readonly writes: readonly RejectedWrite[],
    /**
     * The reason as a code: `not-permitted`, `permission-denied`, `too-large`, `schema` or `bad-changeset`. A newer
     * server may send other codes.
     */
    readonly reasonCode = 'not-permitted',
  ) {
    const [first] = writes;
    const what = first ? `${first.type} ${describeValue(first.key)}: ${first.reason}` : reasonCode;
    super('write-refused', `The server rejected write ${version} (${what}).`);
  }
}

const describeSetAside = ({ type, key, property, expected, stored }: SetAsideObject): string =>
  `${type}[${describeValue(key)}] is set aside: its ${property} does not fit the schema of this app, which expects ${expected}; stored is ${stored}.`;

/**
 * An object that was downloaded or stored does not fit the schema of this app. Queries do not return the object. The
 * realm keeps storing and merging it, and shows it again by itself when it fits.
 *
 * @see {@link Realm.setAside$} for the list of all such objects.
 */
export class ObjectSetAsideError extends SyncError<'object-set-aside'> {
  override readonly name = 'ObjectSetAsideError';
  constructor(
    /** The object. `null`: there are more such objects, which are not reported one by one. */
    readonly object: SetAsideObject | null,
  ) {
    super('object-set-aside', object ? describeSetAside(object) : 'More objects are set aside. See realm.setAside$.');
  }
}

/**
 * The server has another history than this realm, and the app must decide: `clientReset` is `manual`, or an automatic
 * client reset did not help. The session is inactive. All unsent changes are still in the realm.
 *
 * @example
 * ```ts
 * session.errors$.subscribe((error) => {
 *   if (error.code !== 'history-changed') return;
 *   error.reset('recover').subscribe({ complete: () => session.resume() });
 * });
 * ```
 */
export class ClientResetError extends SyncError<'history-changed'> {
  override readonly name = 'ClientResetError';
  constructor(
    message: string,
    /** `manual`: `clientReset` is `manual`. `again`: the server sent `history-changed` again after a client reset. */
    readonly why: 'manual' | 'again',
    /**
     * Resets the realm. Cold. Emits nothing. Completes when the reset is durable; call `session.resume()` then. Errors
     * with a `StorageError`, in which case nothing was changed.
     *
     * @param mode - `recover` keeps unsent changes and writes them on top of the new history; `discard` drops them.
     * @returns A stream without values.
     */
    readonly reset: (mode: ResetMode) => Observable<never>,
  ) {
    super('history-changed', message);
  }
}

type PlainCode = Exclude<SyncErrorCode, 'stalled' | 'write-refused' | 'history-changed' | 'object-set-aside'>;

/** All errors that `errors$` can emit, as one union. A `switch` on `code` narrows the type, and can be exhaustive. */
export type AnySyncError =
  | { readonly [Code in PlainCode]: SyncError<Code> }[PlainCode]
  | StalledError
  | CompensatingWriteError
  | ObjectSetAsideError
  | ClientResetError;
