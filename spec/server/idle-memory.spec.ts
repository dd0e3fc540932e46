import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
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

  it('takes at most 24 KiB of heap with three subscriptions of its own, besides its socket and its realm', async () => {
    const core = createServerCore(checkServerOptions({ storage: memoryStorage() }));
    const connections: Receiver<unknown>[] = [];
    let next = 0;
    /** Connects a client, and resolves when it has its view. */
    const connectPartial = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const index = (next += 1);
        const filters = [
          ['in', 'list', `list-${index}`],
          ['in', 'owner', `user-${index}`],
          ['and', ['in', 'done', true], ['in', 'list', `more-${index}`]],
        ].map((filter, at) => ({ id: at + 1, type: 'Task', filter }));
        const answer = (message: ClientMessage): void => connection.receive(message);
        const connection: Receiver<unknown> = core.createAcceptor({ user: null, sessions: 0 })({
          next: ({ type }: ServerMessage) => {
            if (type === 'view') answer({ type: 'next', session: 1, number: 1, position: null });
            if (type === 'members') resolve();
            if (type === 'error') reject(new Error('The server has rejected a message.'));
          },
          error: reject,
          complete: () => undefined,
        });
        connections.push(connection);
        const realm = `realm-${index % 5}`;
        const view = { number: null, filters: [], scope: null };
        answer(createBind({ realm, replica: `partial-${index}`, view }));
        answer({ type: 'subscribe', session: 1, number: 1, filters });
      });
    const connectAll = async (): Promise<void> => {
      for (let index = 0; index < clients; index += 1) await connectPartial();
    };
    await connectAll(); // Fills caches and arrays.
    let least = Infinity;
    // Other work in the process, such as the compiler of JavaScript, may need memory in one of the rounds.
    for (let round = 0; round < 3 && least >= 24; round += 1) {
      const before = await heapUsed();
      await connectAll();
      least = Math.min(least, ((await heapUsed()) - before) / 1_024 / clients);
    }
    for (const connection of connections) connection.close();
    expect(least).toBeLessThan(24);
  }, 120_000);
});
