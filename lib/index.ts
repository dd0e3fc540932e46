/* The entry point of `tidemark`: every public name of the client, listed by hand (`spec/public-exports.spec.ts`). */
export { createSyncClient, type LogOutOptions, type SyncClient } from './client/sync-client.js';
export type { ClientEvent, ClientLog } from './client/log-events.js';
export type { AccessToken, SyncClientOptions } from './client/client-options.js';
export {
  watchReconnectTriggers,
  type ReconnectTrigger,
  type ReconnectTriggerOptions,
  type ReconnectTriggerSource,
  type ReconnectTriggerSources,
} from './client/reconnect-triggers.js';
export { exportRealm, importRealm } from './client/transfer-realm.js';
export type { ImportSource } from './client/import-source.js';
export { openRealm, openRealm$ } from './client/open-realm.js';
export type { Realm } from './client/realm.js';
export type { AnyRealm, AnyTransaction } from './client/any-realm.js';
export type { RealmOptions, SessionOf, SyncOptions } from './client/realm-options.js';

export type { SyncSession, ConnectionChange } from './session/api/sync-session.js';
export type { Progress, ProgressDirection, ProgressMode, ProgressOptions } from './session/api/progress.js';
export type { ClientReset } from './session/binding/client-reset.js';
export type { RejectedWrite, ResetMode, SetAsideObject } from './model/changeset.js';
export type { WriteStage } from './session/api/write-status.js';
export type { ConnectionState, ConnectionStatus, Reason, SyncState, SyncStatus } from './session/state/status.js';
export { transitions, type SyncInput } from './session/state/transitions.js';
export { record, type Recordable, type Recording, type RecordOptions } from './session/recording/record.js';
export { defaultTimeouts, type SyncTimeouts } from './session/connection/timeouts.js';

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
} from './model/schema-types.js';
export type { DictionaryEdit, ListEdit, SetEdit } from './store/transaction/collection-edits.js';
export type { Transaction } from './store/transaction/transaction-api.js';
export type { Migrate, OldObject, OldRealm } from './store/transfer/migrate.js';
export type { RejectedObject, RejectedOperation, RejectedTransaction } from './store/rejected/rejected-writes-api.js';
export type { CollectionCondition, Condition, Filter, Where } from './store/query/filter.js';
export type { Query } from './store/query/query.js';
export type { TypeChanges } from './store/objects/object-change.js';
export { ImportError, type Imported, type ImportOptions } from './store/transfer/import.js';
export { WriteLimitError } from './model/write-limit-error.js';
export type { RealmStats } from './store/transfer/stats.js';
export { WrongRealmError } from './store/ownership/claim-owner.js';
export type { Written } from './store/transaction/write.js';

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
export { syncErrors, type ErrorLevel, type SyncErrorCode } from './model/error-catalogue.js';
export { userPart } from './model/user-part.js';
export { isNone, isSome, none, some, type Option } from './model/result.js';

export { abstractLevelStorage, type LevelDatabase } from './storage/abstract-level.js';
export { indexedDbStorage } from './storage/indexeddb.js';
export { memoryStorage } from './storage/memory.js';
export type { OpenStorage, Storage, StorageChange, StorageEntry, StorageRange } from './storage/storage.js';

export { systemClock, type Clock } from './clock.js';
export { createCloseError, ConnectionError, type Dial, type ConnectionFailure, type Wire } from './transport/wire.js';
export { clientWire } from './protocol/message-wire.js';
export type { ClientMessage, ServerMessage } from './protocol/messages.js';
export { createSubscriptions } from './client/create-subscriptions.js';
export type {
  InitialSubscriptions,
  RealmSubscriptions,
  Subscriptions,
  SyncSubscription,
} from './client/subscriptions.js';
export type {
  SubscriptionEdit,
  SubscriptionOptions,
  SubscriptionQuery,
} from './store/subscriptions/edit-subscriptions.js';
export type { SubscriptionRejection, SubscriptionState, ViewState } from './store/subscriptions/subscription-state.js';
export type { SubscriptionInfo } from './store/subscriptions/subscriptions-api.js';
export { SubscriptionError } from './store/subscriptions/subscription-error.js';
