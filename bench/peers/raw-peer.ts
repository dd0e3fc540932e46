import type { Adapter } from './peer.js';
import { createRawClient } from './raw-client.js';
import { createRawServer } from './raw-server.js';

/**
 * The limit of these packages on this machine: `ws`, msgpackr and LevelDB, without merging, schemas and access. It
 * keeps the promises of a sync system: a client stores its writes, a server acknowledges them after it has stored them,
 * and writes are sent again after a disconnect, but applied once.
 */
export const adapter: Adapter = { createServer: createRawServer, createClient: createRawClient };
