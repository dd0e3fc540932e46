import type { ServerMessage } from '../../lib/protocol/messages.js';
import { checkServerOptions } from '../../lib/server/check-server-options.js';
import { createServerCore } from '../../lib/server/server-core.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Receiver } from '../../lib/transport/wire.js';
import { createBind } from './test-kit.js';
import { heapUsed } from '../heap-used.js';

const clients = 500;

/** Returns the KiB of heap that each idle client takes, without its socket. */
const measureClients = async (realmOf: (index: number) => string): Promise<number> => {
  const core = createServerCore(checkServerOptions({ storage: memoryStorage() }));
  const connections: Receiver<unknown>[] = [];
  let bound = 0;
  const sink = {
    next: ({ type }: ServerMessage) => void (bound += type === 'bound' ? 1 : 0),
    error: (thrown: unknown) => {
      throw thrown;
    },
    complete: () => undefined,
  };
  const connect = (name: string, realm: string): void => {
    const connection = core.createAcceptor({ user: null, sessions: 0 })(sink);
    connection.receive(createBind({ realm, replica: name }));
    connections.push(connection);
  };
  for (let index = 0; index < clients; index += 1) connect(`warm-${index}`, realmOf(index)); // Fills caches and arrays.
  const before = await heapUsed();
  for (let index = 0; index < clients; index += 1) connect(`idle-${index}`, `more-${realmOf(index)}`);
  const after = await heapUsed();
  expect(bound).toBe(2 * clients);
  for (const connection of connections) connection.close();
  return (after - before) / 1_024 / clients;
};

describe('an idle client of a server', () => {
  it('takes at most 7 KiB of heap besides its socket and its realm', async () => {
    expect(await measureClients((index) => `realm-${index % 5}`)).toBeLessThan(7);
  });

  it('takes at most 12 KiB of heap with a realm of its own, besides its socket', async () => {
    expect(await measureClients((index) => `realm-${index}`)).toBeLessThan(12);
  });
});
