import fc from 'fast-check';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createNote, rejectBad, createPermitServer } from '../permit-kit.js';
import { createBind, connect, createFaultyStorage, type TestClient } from '../test-kit.js';

/*
 * A property test of replica cursors over sequences of steps: pages that share a batch, rejections and clean batches
 * after them, lost answers, server restarts, and too many rejections at once. The client follows docs/PROTOCOL.md and
 * checks every message.
 */

const rejectionsPendingMax = 2;

/** The changesets of a client and the progress that it knows of. */
interface Client {
  /** Whether the server rejects each changeset. */
  readonly isBad: boolean[];
  acknowledged: number;
  /** Version up to which the server has received changesets, as far as the client can know. */
  sentTo: number;
  /** Version up to which the current connection has sent changesets. */
  sent: number;
  isBound: boolean;
}

interface Served {
  server: ReturnType<typeof createPermitServer>['server'];
  connection: TestClient;
  history: string | null;
  readonly storage: ReturnType<typeof createFaultyStorage>;
}

const changesetOf = (client: Client, version: number) => ({
  ...{ version, time: version, count: 0 },
  body: encodeOperations([createNote(`k${version};`, { text: client.isBad[version - 1] === true ? 'bad' : 'good' })]),
});

/**
 * Checks that no rejection is skipped: every version that is accepted, or known to be, was valid, or its rejection was
 * sent.
 */
const acceptUpTo = (client: Client, to: number): void => {
  for (let version = client.acknowledged + 1; version <= to; version += 1)
    if (client.isBad[version - 1] === true) throw new Error(`${version} is accepted, and was to be rejected`);
  client.acknowledged = Math.max(client.acknowledged, to);
};

/** Applies one message to the client. */
const applyMessage = (client: Client, served: Served, message: ServerMessage): void => {
  switch (message.type) {
    case 'bound':
      served.history = message.history;
      expect(message.accepted).toBeGreaterThanOrEqual(client.acknowledged);
      expect(message.accepted).toBeLessThanOrEqual(client.sentTo);
      acceptUpTo(client, message.accepted);
      client.sent = message.accepted;
      break;
    case 'accepted':
      expect(message.version).toBeLessThanOrEqual(client.sent);
      acceptUpTo(client, message.version);
      break;
    case 'refused': {
      expect(message.version).toBeLessThanOrEqual(client.sent);
      expect(client.isBad[message.version - 1]).toBe(true);
      expect(message.writes).toMatchObject([{ key: `k${message.version};`, reason: 'that is bad' }]);
      if (message.version <= client.acknowledged) break;
      acceptUpTo(client, message.version - 1);
      client.acknowledged = message.version;
      break;
    }
    case 'error':
      expect(message.code).toBe('too-many-refused');
      client.isBound = false;
      break;
    default:
  }
};

const listens = (client: Client, served: Served): void =>
  served.connection.received().forEach((message) => applyMessage(client, served, message));

const rebinds = (client: Client, served: Served): void => {
  served.connection.disconnect();
  served.connection = connect(served.server.wire);
  client.isBound = true;
  served.connection.send(createBind({ acknowledged: client.acknowledged, history: served.history }));
  listens(client, served);
  expect(client.isBound).toBe(true);
};

type Command = fc.Command<Client, Served>;

const command = (name: string, run: Command['run']): Command => ({ check: () => true, run, toString: () => name });

/** Writes, and sends the unsent changesets in pages that share a batch. */
const uploads = (pages: readonly (readonly boolean[])[], isResent: boolean): Command =>
  command(`upload ${JSON.stringify(pages)}${isResent ? ' and what was sent' : ''}`, (client, served) => {
    if (!client.isBound) rebinds(client, served);
    served.storage.hold();
    for (const page of pages) {
      client.isBad.push(...page);
      const from = isResent ? client.acknowledged : client.sent;
      const changesets = client.isBad.slice(from).map((_, at) => changesetOf(client, from + at + 1));
      if (changesets.length === 0) continue;
      client.sent = client.isBad.length;
      client.sentTo = Math.max(client.sentTo, client.sent);
      const message: ClientMessage = { type: 'upload', session: 1, changesets };
      served.connection.send(message);
    }
    served.storage.release();
  });

const commands = fc.commands(
  [
    fc
      .tuple(fc.array(fc.array(fc.boolean(), { maxLength: 4 }), { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([pages, isResent]) => uploads(pages, isResent)),
    fc.constant(command('listen', listens)),
    fc.constant(command('bind again', rebinds)),
    // The client receives only the first messages of the answer before the connection breaks.
    fc.nat(3).map((count) =>
      command(`hear ${count} and drop`, (client, served) => {
        served.connection
          .received()
          .slice(0, count)
          .forEach((message) => applyMessage(client, served, message));
        served.connection.disconnect();
        client.isBound = false;
      }),
    ),
    fc.constant(
      command('start the server again', (client, served) => {
        served.connection.disconnect();
        client.isBound = false;
        served.server = createPermitServer(rejectBad, served.storage, { limits: { rejectionsPendingMax } }).server;
      }),
    ),
  ],
  { maxCommands: 20 },
);

/** Returns the changesets of the history, as another replica receives them. */
const historyIn = ({ server }: Served): readonly string[] => {
  const reader = connect(server.wire);
  reader.send(createBind({ replica: 'reader' }));
  const bodies = reader
    .received()
    .flatMap((message) => (message.type === 'download' ? message.changesets : []))
    .map(({ body }) => /k(\d+);/.exec(Buffer.from(body).toString('latin1'))?.[1] ?? '?');
  reader.disconnect();
  return bodies;
};

describe('cursors and rejections of a server', () => {
  it('field report H-1: pass over nothing, lose nothing and take nothing twice, over any sequence of uploads, answers and restarts', () => {
    fc.assert(
      fc.property(commands, (steps) => {
        const storage = createFaultyStorage(memoryStorage());
        const { server } = createPermitServer(rejectBad, storage, { limits: { rejectionsPendingMax } });
        const connection = connect(server.wire);
        connection.send(createBind());
        const client: Client = { isBad: [], acknowledged: 0, sentTo: 0, sent: 0, isBound: true };
        const served: Served = { server, connection, history: null, storage };
        listens(client, served);
        fc.modelRun(() => ({ model: client, real: served }), steps);
        // At last everything is uploaded: more rejections than there is room for only take another bind.
        for (let binds = 0; client.acknowledged < client.isBad.length; binds += 1) {
          expect(binds).toBeLessThan(serverLimits.rejectionsPendingMax);
          rebinds(client, served);
          uploads([[]], false).run(client, served);
          listens(client, served);
        }
        const good = client.isBad.flatMap((isBad, at) => (isBad ? [] : [String(at + 1)]));
        expect(historyIn(served)).toEqual(good);
        served.connection.disconnect();
      }),
      { numRuns: 150 },
    );
  });
});
