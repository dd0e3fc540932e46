/*
 * The front door of `tidemark`: every public name of the client, listed by hand (`spec/door.spec.ts`).
 */
export { createSyncClient, type LogOutOptions, type SyncClient } from './client/client.js';
export type { ClientEvent, ClientLog } from './client/log.js';
export type { AccessToken, SyncClientOptions } from './client/options.js';
export { platformNudges, type Nudge, type NudgeOptions, type NudgeSource, type NudgeSources } from './client/nudges.js';
export type { Lines } from './client/lines.js';
export { openRealm, openRealm$, type Realm } from './client/realm.js';
export type { AnyRealm, AnyTransaction } from './client/any-realm.js';
export type { RealmOptions, SessionOf, SyncOptions } from './client/realm-options.js';

export type { SyncSession, ConnectionChange } from './session/syncsession.js';
export type { Progress, ProgressDirection, ProgressMode, ProgressOptions } from './session/progress.js';
export type { ClientReset } from './session/reset.js';
export type { RefusedWrite, ResetMode, SetAsideObject } from './model/changeset.js';
export type { WriteStage } from './session/written.js';
export type { ConnectionState, ConnectionStatus, Reason, SyncState, SyncStatus } from './session/status.js';
export { transitions, type SyncInput } from './session/transitions.js';
export { record, type Recordable, type Recording, type RecordOptions } from './session/recording.js';
export { defaultTimeouts, type SyncTimeouts } from './session/options.js';

export type { ObjectSchema, PropertySpec, PropertyType, Schema } from './model/schema.js';
export type {
  CounterOf,
  DictionaryOf,
  ElementOf,
  KeyOf,
  ListOf,
  Mixed,
  NewObject,
  ObjectOf,
  Patch,
  SetOf,
  TypeName,
} from './model/types.js';
export type { DictionaryEdit, ListEdit, SetEdit } from './store/collections.js';
export type { Transaction } from './store/transaction.js';
export type { Migrate, OldObject, OldRealm } from './store/migrate.js';
export type { RefusedObject, RefusedOperation, RefusedTransaction } from './store/decide.js';
export type { CollectionCondition, Condition, Filter, Where } from './store/filter.js';
export type { Query } from './store/queries.js';
export type { TypeChanges } from './store/objects.js';
export { ImportError, type Imported, type ImportOptions } from './store/import.js';
export { WriteLimitError } from './model/write-limit-error.js';
export type { RealmStats } from './store/stats.js';
export { WrongRealmError } from './store/claim.js';
export type { Written } from './store/write.js';

export {
  ClientResetError,
  CompensatingWriteError,
  DiscardError,
  InvalidArgumentError,
  InvalidStateError,
  ObjectSetAsideError,
  RealmClosedError,
  SchemaError,
  SessionClosedError,
  StalledError,
  StorageError,
  SyncError,
  TidemarkError,
  type AnySyncError,
  type SchemaViolation,
  type UndiscardedRealm,
} from './model/errors.js';
export { syncErrors, type ErrorLevel, type SyncErrorCode } from './model/sync-error-codes.js';
export { userPart } from './model/user-part.js';
export { isNone, isSome, none, some, type Option } from './model/result.js';

export { abstractLevelStorage, type LevelDatabase } from './storage/abstractlevel.js';
export { indexedDbStorage } from './storage/indexeddb.js';
export { memoryStorage } from './storage/memory.js';
export type { OpenStorage, Storage, StorageChange, StorageEntry, StorageRange } from './storage/storage.js';

export { systemClock, type Clock } from './clock.js';
export { hangUp, LineError, type Dial, type LineFailure, type Wire } from './transport/wire.js';
export { clientWire } from './protocol/wires.js';
export type { ClientMessage, ServerMessage } from './protocol/messages.js';
