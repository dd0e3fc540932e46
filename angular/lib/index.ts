/* The entry point of `tidemark/angular`: every public name of the Angular bindings. */
export { injectSyncClient, provideSyncClient, type SyncClientFeature } from './sync-client.js';
export { withUnsentChangesGuard } from './unsent-changes.js';
export { unsentChangesGuard } from './leave-guard.js';
export { provideRealm, type ProvidedRealmOptions } from './provide-realm.js';
export { createRealmToken, type RealmToken, type RegisteredRealm, type RegisteredSchema } from './realm-token.js';
export { injectRealm, type InjectRealmOptions } from './inject-realm.js';
export type { RealmRef } from './realm-ref.js';
export type { RealmResource, RealmResourceStatus } from './resource-state.js';
export { injectObject, injectObjects } from './inject-objects.js';
export { injectConnectionState, injectSyncState, injectSyncStatus, injectUploadProgress } from './inject-session.js';
