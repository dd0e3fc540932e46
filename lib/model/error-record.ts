import {
  ClientResetError,
  CompensatingWriteError,
  InvalidArgumentError,
  InvalidStateError,
  messageOf,
  ObjectSetAsideError,
  RealmClosedError,
  SchemaError,
  SessionClosedError,
  StalledError,
  StorageError,
  SyncError,
} from './errors.js';
import { isRecord } from './value.js';
import { WriteLimitError } from './write-limit-error.js';

/** An error as a record that can be cloned: its fields, with `name` and `message`. */
export type ErrorRecord = Readonly<Record<string, unknown>>;

const classes: Readonly<Record<string, { readonly prototype: object }>> = {
  ...{ ClientResetError, CompensatingWriteError, InvalidArgumentError, InvalidStateError, ObjectSetAsideError },
  ...{ RealmClosedError, SchemaError, SessionClosedError, StalledError, StorageError, SyncError, WriteLimitError },
};

/** Whether a value can be cloned: a function, which a few errors have, cannot. */
const isCloneable = (value: unknown): boolean => typeof value !== 'function' && typeof value !== 'symbol';

/** Returns the record of a thrown value, for another tab. Leaves out what cannot be cloned. */
export const toErrorRecord = (thrown: unknown): ErrorRecord => {
  const fields = thrown instanceof Error ? Object.entries(thrown).filter(([, value]) => isCloneable(value)) : [];
  return { ...(JSON.parse(JSON.stringify(Object.fromEntries(fields))) as object), message: messageOf(thrown) };
};

/** Returns the error of a record: an instance of the same class, if it is one of this library. */
export const errorOf = (record: unknown): Error => {
  const { name: given, message, __proto__: _, ...fields } = isRecord(record) ? record : {};
  const error = new Error(typeof message === 'string' ? message : '');
  const name = typeof given === 'string' ? given : 'Error';
  const { prototype } = (Object.hasOwn(classes, name) ? classes[name] : undefined) ?? Error;
  return Object.assign(Object.setPrototypeOf(error, prototype) as Error, fields, { name });
};
