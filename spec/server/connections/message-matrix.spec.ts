import type { ClientMessage } from '../../../lib/protocol/messages.js';
import { TokenRejectedError, createSyncServer, type Access, type SyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { createBind, connect, summaryOf, summariesOf, createUpload, type TestClient } from '../test-kit.js';

/*
 * Tests every message in every state for every kind of client. Three tables give the expected results, and every cell
 * of their product is played against a server.
 */

/** Kinds of clients by their access to the realm `team`: each has a token and a replica id. */
const clientKinds = {
  'may write': { token: 'writer', replica: 'w' },
  'may read': { token: 'reader', replica: 'r' },
  'may do nothing': { token: 'no-access', replica: 'n' },
  'has the replica of another user': { token: 'writer-2', replica: 'owned' },
  'has a token that has expired': { token: 'expired', replica: 'w' },
  'has a rejected token': { token: 'forged', replica: 'w' },
  'is a rejected user': { token: 'banned', replica: 'w' },
  'has no token': { token: null, replica: 'w' },
} as const;
type ClientKind = keyof typeof clientKinds;

/** Results of a bind, and of a token message alone. After `ends:` the server has closed the connection. */
const answers: Readonly<Record<ClientKind, { readonly bind: string; readonly token: string }>> = {
  'may write': { bind: 'bound head 2 accepted 0; download 1owned 2owned up to 2, 0 left', token: '' },
  'may read': { bind: 'bound head 2 accepted 0; download 1owned 2owned up to 2, 0 left', token: '' },
  'may do nothing': { bind: 'error permission-denied, never', token: '' },
  'has the replica of another user': { bind: 'error replica-taken, never', token: '' },
  'has a token that has expired': {
    bind: 'error token-expired, later; ends: 1000',
    token: 'error token-expired, later; ends: 1000',
  },
  'has a rejected token': {
    bind: 'error token-refused, never; ends: 1000',
    token: 'error token-refused, never; ends: 1000',
  },
  'is a rejected user': {
    bind: 'error user-refused, never; ends: 1000',
    token: 'error user-refused, never; ends: 1000',
  },
  'has no token': { bind: 'error token-refused, never; ends: 1000', token: 'error token-refused, never; ends: 1000' },
};

/** State of a session when a message arrives. `over`: the connection has ended. */
type SessionState = 'never bound' | 'writes' | 'reads' | 'ended' | 'over';

const statesAfterBind = (bound: SessionState): Readonly<Record<State, SessionState>> => ({
  'has sent nothing': 'never bound',
  'has bound': bound,
  'has bound, and again elsewhere': bound === 'over' ? 'over' : 'ended',
  'has bound, and received an error': bound === 'over' ? 'over' : 'ended',
  'has bound, beside another realm': bound,
});

const states = {
  'has sent nothing': () => undefined,
  'has bound': ({ sendBind }: Scene) => sendBind(),
  'has bound, and again elsewhere': ({ sendBind, elsewhere }: Scene) => {
    sendBind();
    elsewhere();
  },
  'has bound, and received an error': ({ sendBind }: Scene) => sendBind({ history: 'another', downloadedTo: 1 }),
  'has bound, beside another realm': ({ sendBind }: Scene) => {
    sendBind({ session: 2, realm: 'open', replica: 'beside' });
    sendBind();
  },
};
type State = keyof typeof states;

/** State that each kind of client reaches in each situation. */
const reachedStates: Readonly<Record<ClientKind, Readonly<Record<State, SessionState>>>> = {
  'may write': statesAfterBind('writes'),
  'may read': statesAfterBind('reads'),
  'may do nothing': statesAfterBind('ended'),
  'has the replica of another user': statesAfterBind('ended'),
  'has a token that has expired': statesAfterBind('over'),
  'has a rejected token': statesAfterBind('over'),
  'is a rejected user': statesAfterBind('over'),
  'has no token': statesAfterBind('over'),
};

const violation = 'ends: 4400';
/**
 * The answer to each message. `as bind`, `as token`: by the kind of client. On an ended connection no message is sent.
 */
const kinds: Readonly<Record<ClientMessage['type'], Readonly<Record<Exclude<SessionState, 'over'>, string>>>> = {
  bind: { 'never bound': 'as bind', writes: violation, reads: violation, ended: 'as bind' },
  upload: { 'never bound': violation, writes: 'accepted 1', reads: 'refused 1; accepted 1', ended: '' },
  received: { 'never bound': violation, writes: '', reads: '', ended: '' },
  mark: { 'never bound': violation, writes: 'mark 1 at 2', reads: 'mark 1 at 2', ended: '' },
  token: { 'never bound': 'as token', writes: '', reads: '', ended: '' },
  unbind: { 'never bound': violation, writes: 'unbound', reads: 'unbound', ended: '' },
  fault: { 'never bound': violation, writes: '', reads: '', ended: '' },
  ping: { 'never bound': 'pong 5', writes: 'pong 5', reads: 'pong 5', ended: 'pong 5' },
  fetch: { 'never bound': violation, writes: violation, reads: violation, ended: '' },
  withdraw: { 'never bound': violation, writes: 'refused 1; accepted 1', reads: 'refused 1; accepted 1', ended: '' },
  // No session here has a view.
  subscribe: { 'never bound': violation, writes: violation, reads: violation, ended: '' },
  next: { 'never bound': violation, writes: violation, reads: violation, ended: '' },
};

interface Scene {
  /** Sends the client's bind. */
  readonly sendBind: (more?: Parameters<typeof createBind>[0]) => void;
  /** Sends the bind on another connection. */
  readonly elsewhere: () => void;
}

const accessIn = (id: string, realm: string): Access => {
  if (realm === 'open' || id.startsWith('writer') || id === 'owner') return 'write';
  return id === 'reader' ? 'read' : 'none';
};

const serving = (storage: Storage): SyncServer =>
  createSyncServer({
    storage,
    authenticate: (token) => {
      if (token === 'expired') throw new TokenRejectedError('token-expired', 'too old');
      if (token === 'banned') throw new TokenRejectedError('user-refused', 'banned');
      if (token === 'forged' || token === '') throw new TokenRejectedError('token-refused', 'not ours');
      return { id: token };
    },
    authorize: ({ id }, realm) => accessIn(id, realm),
  });

/** Creates a server with a realm of two changesets. */
const createFilledServer = (storage = memoryStorage()): SyncServer => {
  const server = serving(storage);
  const owner = connect(server.wire);
  owner.send(createBind({ token: 'owner', replica: 'owned' }), createUpload(1, 2));
  owner.close();
  return server;
};

/** Returns the content of a realm, as a reader receives it. */
const readContent = (server: SyncServer, realm: string): readonly string[] => {
  const probe = connect(server.wire);
  probe.send(createBind({ realm, token: 'owner', replica: 'probe' }));
  const all = summariesOf(probe);
  probe.close();
  return all;
};

const receivedBy = (connection: TestClient): string =>
  [...summariesOf(connection), ...(connection.end() === 'open' ? [] : [`ends: ${connection.end()}`])].join('; ');

const message = (kind: ClientMessage['type'], clientKind: ClientKind): ClientMessage => {
  const { token, replica } = clientKinds[clientKind];
  switch (kind) {
    case 'bind':
      return createBind({ token, replica });
    case 'upload':
      return createUpload(1);
    case 'received':
      return { type: kind, session: 1, version: 2 };
    case 'mark':
      return { type: kind, session: 1, request: 1 };
    case 'token':
      return { type: kind, token: token ?? '' };
    case 'unbind':
      return { type: kind, session: 1 };
    case 'fault':
      return { type: kind, session: 1, version: 1, code: 'cannot' };
    case 'ping':
      return { type: kind, sentAt: 5 };
    case 'fetch':
      return { type: kind, session: 1, version: 2, after: null };
    case 'withdraw':
      return { type: kind, session: 1, version: 1, code: 'too-large', objects: [] };
    case 'subscribe':
      return { type: kind, session: 1, number: 1, filters: [] };
    case 'next':
      return { type: kind, session: 1, number: 1, position: null };
  }
};

const expected = (kind: ClientMessage['type'], clientKind: ClientKind, reached: SessionState): string => {
  if (reached === 'over') return '';
  const answer = kinds[kind][reached];
  return answer === 'as bind' ? answers[clientKind].bind : answer === 'as token' ? answers[clientKind].token : answer;
};

const namesOf = <Name extends string>(table: Readonly<Record<Name, unknown>>): readonly Name[] =>
  Object.keys(table) as Name[];
const cells = namesOf(clientKinds).flatMap((clientKind) =>
  namesOf(states).map((state) => [clientKind, state] as const),
);

describe('every message, of every kind of client, in every state', () => {
  it.each(cells)(
    'is answered as the tables say, and reads and writes nothing beyond its access: a client that %s and %s',
    (clientKind, state) => {
      const { token, replica } = clientKinds[clientKind];
      for (const kind of namesOf(kinds)) {
        const server = createFilledServer();
        const before = readContent(server, 'team');
        const connection = connect(server.wire);
        const other = connect(server.wire);
        states[state]({
          sendBind: (more = {}) => connection.send(createBind({ token, replica, ...more })),
          elsewhere: () => other.send(createBind({ token, replica })),
        });
        connection.received();
        const wasOpen = connection.end() === 'open';
        const reached = reachedStates[clientKind][state];
        expect([kind, wasOpen]).toEqual([kind, reached !== 'over']);

        connection.send(message(kind, clientKind));
        const replies = connection.received();
        const end = wasOpen && connection.end() !== 'open' ? [`ends: ${connection.end()}`] : [];
        expect([kind, [...replies.map(summaryOf), ...end].join('; ')]).toEqual([
          kind,
          expected(kind, clientKind, reached),
        ]);

        const isWritten = kind === 'upload' && reached === 'writes';
        const after = readContent(server, 'team');
        if (isWritten)
          expect(after).toEqual(['bound head 3 accepted 0', `download 1owned 2owned 3${replica} up to 3, 0 left`]);
        else expect(after).toEqual(before);
        if (state !== 'has bound, beside another realm' || connection.end() !== 'open') continue;
        // The other session of the connection is not affected.
        connection.send({ type: 'mark', session: 2, request: 1 });
        expect(receivedBy(connection)).toBe('#2 mark 1 at 0');
      }
    },
  );

  it('has a cell for each of them', () => {
    expect([cells.length, namesOf(kinds).length]).toEqual([40, 12]);
  });
});

/** Counts the operations of a storage. */
const counted = () => {
  const counts = { asked: 0 };
  const inner = memoryStorage();
  const storage: Storage = {
    ...inner,
    range: (range) => {
      counts.asked += 1;
      return inner.range(range);
    },
    batch: (...args) => {
      counts.asked += 1;
      return inner.batch(...args);
    },
  };
  return { storage, counts };
};

describe('a client without read access', () => {
  const withoutName = (connection: TestClient, name: string): string =>
    connection
      .received()
      .map((replies) => JSON.stringify(replies).replaceAll(name, '…'))
      .join('; ');

  it.each([
    'may do nothing',
    'has a token that has expired',
    'has a rejected token',
    'is a rejected user',
    'has no token',
  ] as const)(
    'receives the same for an existing, a missing and an open realm, and causes no storage access: it %s',
    (clientKind) => {
      const { storage, counts } = counted();
      const server = createFilledServer(storage);
      const owner = connect(server.wire);
      owner.send(createBind({ realm: 'busy', token: 'owner', replica: 'o' }));
      const before = counts.asked;
      const replies = ['team', 'void', 'busy'].map((realm) => {
        const connection = connect(server.wire);
        connection.send(createBind({ ...clientKinds[clientKind], realm }));
        return `${withoutName(connection, realm)}; ${connection.end()}`;
      });
      expect(new Set(replies).size).toBe(1);
      expect(replies[0]).toContain('"error"');
      expect(counts.asked).toBe(before);
    },
  );

  it('creates nothing for a missing realm, and neither does a client with read access', () => {
    const { storage } = counted();
    const server = createFilledServer(storage);
    const keys = (): number => {
      let found = 0;
      storage
        .range({ from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity })
        .subscribe((all) => (found = all.length));
      return found;
    };
    const before = keys();
    for (const clientKind of ['may read', 'may do nothing'] as const) {
      const connection = connect(server.wire);
      connection.send(createBind({ ...clientKinds[clientKind], realm: 'void' }));
      connection.close();
    }
    expect(keys()).toBe(before);
  });

  it('learns nothing about users and replicas, whichever it names', () => {
    const server = createFilledServer();
    const replies = ['owned', 'w', 'unheard-of'].map((replica) => {
      const connection = connect(server.wire);
      connection.send(createBind({ token: 'no-access', replica }));
      return receivedBy(connection);
    });
    expect(new Set(replies)).toEqual(new Set(['error permission-denied, never']));
  });
});
