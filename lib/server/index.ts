export { createSyncServer, type SyncServer } from './sync-server.js';
export type { HttpServer } from '../transport/http-types.js';
export type { AttachOptions, ListenOptions } from './listen-options.js';
export type { Respond } from '../transport/http-handler.js';
export type { ServerLimits, ServerWire, ServerOptions } from './server-options.js';
export type { ServerEvent } from './http/server-events.js';
export {
  allowAnyone,
  type MaybeAsync,
  type Authenticate,
  type Authorize,
  type Access,
  type User,
} from './auth/access.js';
export type { ScopeFilter, ScopeOf, VisibleObjects } from './scope/scope.js';
export type { ObjectWrite, Permit } from './uploads/permit.js';
export type { RealmSchemas } from './uploads/server-schemas.js';
export type { PlainObject } from './uploads/plain-object.js';
export { TokenRejectedError, ServerClosedError, type TokenRejectionCode } from './server-errors.js';
export type { BackupSummary } from '../backup/backup.js';
export { BackupError } from '../backup/backup-error.js';
export { userPart } from '../model/user-part.js';
export { jwt, type Claims, type JwtOptions } from './auth/jwt.js';
