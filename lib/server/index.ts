export { createSyncServer, type SyncServer } from './listen.js';
export type { ListenOptions } from './listen.js';
export type { ServerLimits, ServerOptions } from './options.js';
export type { ServerEvent } from './telling.js';
export { anyone, type Answer, type Authenticate, type Authorize, type Right, type User } from './access.js';
export type { ObjectWrite, Permit } from './permit.js';
export type { PlainObject } from './plain.js';
export { AccessRefusedError, ServerClosedError, type RefusalCode } from './failure.js';
export { jwt, type Claims, type JwtOptions } from './jwt.js';
