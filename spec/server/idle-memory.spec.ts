import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { checkServerOptions } from '../../lib/server/check-server-options.js';
import { createServerCore } from '../../lib/server/server-core.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Receiver } from '../../lib/transport/wire.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
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

  it('invariant 16: takes at most 24 KiB of heap with three subscriptions, however many objects it has', async () => {
    const core = createServerCore(checkServerOptions({ storage: memoryStorage() }));
    const connections: Receiver<unknown>[] = [];
    const received = new Set<number>();
    let next = 0;
    /** Connects a client, and resolves when it has its view. */
    const connectPartial = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const index = (next += 1);
        let count = 0;
        const filters = [
          ['in', 'list', `list-${index}`],
          ['in', 'owner', `user-${index}`],
          ['in', 'list', 'shared', `more-${index}`],
        ].map((filter, at) => ({ id: at + 1, type: 'Task', filter }));
        const answer = (message: ClientMessage): void => connection.receive(message);
        const connection: Receiver<unknown> = core.createAcceptor({ user: null, sessions: 0 })({
          next: (message: ServerMessage) => {
            if (message.type === 'view') answer({ type: 'next', session: 1, number: 1, position: null });
            if (message.type === 'members') {
              count += message.objects.length;
              if (message.position !== null)
                answer({ type: 'next', session: 1, number: 1, position: message.position });
              else {
                received.add(count);
                resolve();
              }
            }
            if (message.type === 'error') reject(new Error('The server has rejected a message.'));
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
    // Each device has these objects. A name for each of them would be more memory than a device may take.
    const objects = 200;
    const keys = Array.from({ length: objects }, (_, key) => key);
    const body = encodeOperations(
      keys.map((key) => ({ kind: 'create', type: 'Task', key, values: { list: 'shared' } })),
    );
    await new Promise<void>((resolve, reject) => {
      let accepted = 0;
      const answer = (message: ClientMessage): void => writer.receive(message);
      const writer: Receiver<unknown> = core.createAcceptor({ user: null, sessions: 0 })({
        next: (message: ServerMessage) => {
          const changesets = [{ version: 1, time: 1, count: 0, body }];
          if (message.type === 'bound') answer({ type: 'upload', session: message.session, changesets });
          if (message.type === 'accepted' && ++accepted === 5) resolve();
        },
        error: reject,
        complete: () => undefined,
      });
      connections.push(writer);
      for (let realm = 0; realm < 5; realm += 1)
        answer(createBind({ session: realm + 1, realm: `realm-${realm}`, replica: 'writer' }));
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
    expect([...received]).toEqual([objects]);
    expect(least).toBeLessThan(24);
  }, 120_000);
});
