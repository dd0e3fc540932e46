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
const guests = {
  'may write': { token: 'writer', replica: 'w' },
  'may read': { token: 'reader', replica: 'r' },
  'may do nothing': { token: 'nobody', replica: 'n' },
  'has the replica of another user': { token: 'writer-2', replica: 'owned' },
  'has a token that has expired': { token: 'expired', replica: 'w' },
  'has a token that is refused': { token: 'forged', replica: 'w' },
  'is a user that is refused': { token: 'banned', replica: 'w' },
  'says no token': { token: null, replica: 'w' },
} as const;
type Guest = keyof typeof guests;

/** Results of a bind, and of a token message alone. After `ends:` the server has closed the connection. */
const answers: Readonly<Record<Guest, { readonly bind: string; readonly token: string }>> = {
  'may write': { bind: 'bound head 2 accepted 0; download 1owned 2owned up to 2, 0 left', token: '' },
  'may read': { bind: 'bound head 2 accepted 0; download 1owned 2owned up to 2, 0 left', token: '' },
  'may do nothing': { bind: 'error permission-denied, never', token: '' },
  'has the replica of another user': { bind: 'error replica-taken, never', token: '' },
  'has a token that has expired': {
    bind: 'error token-expired, later; ends: 1000',
    token: 'error token-expired, later; ends: 1000',
  },
  'has a token that is refused': {
    bind: 'error token-refused, never; ends: 1000',
    token: 'error token-refused, never; ends: 1000',
  },
  'is a user that is refused': {
    bind: 'error user-refused, never; ends: 1000',
    token: 'error user-refused, never; ends: 1000',
  },
  'says no token': { bind: 'error token-refused, never; ends: 1000', token: 'error token-refused, never; ends: 1000' },
};

/** State of a session when a message arrives. `over`: the connection has ended. */
type Standing = 'never bound' | 'writes' | 'reads' | 'ended' | 'over';

const standings = (bound: Standing): Readonly<Record<State, Standing>> => ({
  'has said nothing': 'never bound',
  'has bound': bound,
  'has bound, and again elsewhere': bound === 'over' ? 'over' : 'ended',
  'has bound, and heard an error': bound === 'over' ? 'over' : 'ended',
  'has bound, beside another realm': bound,
});

const states = {
  'has said nothing': () => undefined,
  'has bound': ({ come }: Scene) => come(),
  'has bound, and again elsewhere': ({ come, elsewhere }: Scene) => {
    come();
    elsewhere();
  },
  'has bound, and heard an error': ({ come }: Scene) => come({ history: 'another', downloadedTo: 1 }),
  'has bound, beside another realm': ({ come }: Scene) => {
    come({ session: 2, realm: 'open', replica: 'beside' });
    come();
  },
};
type State = keyof typeof states;

/** State that each kind of client reaches in each situation. */
const places: Readonly<Record<Guest, Readonly<Record<State, Standing>>>> = {
  'may write': standings('writes'),
  'may read': standings('reads'),
  'may do nothing': standings('ended'),
  'has the replica of another user': standings('ended'),
  'has a token that has expired': standings('over'),
  'has a token that is refused': standings('over'),
  'is a user that is refused': standings('over'),
  'says no token': standings('over'),
};

const violation = 'ends: 4400';
/**
 * The answer to each message. `as bind`, `as token`: by the kind of client. On an ended connection no message is sent.
 */
const kinds: Readonly<Record<ClientMessage['type'], Readonly<Record<Exclude<Standing, 'over'>, string>>>> = {
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
};

interface Scene {
  /** Sends the client's bind. */
  readonly come: (more?: Parameters<typeof createBind>[0]) => void;
  /** Sends the bind on another connection. */
  readonly elsewhere: () => void;
}

const rightIn = (id: string, realm: string): Access => {
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
    authorize: ({ id }, realm) => rightIn(id, realm),
  });

/** Creates a server with a realm of two changesets. */
const inhabited = (storage = memoryStorage()): SyncServer => {
  const server = serving(storage);
  const owner = connect(server.wire);
  owner.send(createBind({ token: 'owner', replica: 'owned' }), createUpload(1, 2));
  owner.close();
  return server;
};

/** Returns the content of a realm, as a reader receives it. */
const contents = (server: SyncServer, realm: string): readonly string[] => {
  const probe = connect(server.wire);
  probe.send(createBind({ realm, token: 'owner', replica: 'probe' }));
  const all = summariesOf(probe);
  probe.close();
  return all;
};

const receivedBy = (line: TestClient): string =>
  [...summariesOf(line), ...(line.end() === 'open' ? [] : [`ends: ${line.end()}`])].join('; ');

const message = (kind: ClientMessage['type'], guest: Guest): ClientMessage => {
  const { token, replica } = guests[guest];
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
  }
};

const expected = (kind: ClientMessage['type'], guest: Guest, place: Standing): string => {
  if (place === 'over') return '';
  const answer = kinds[kind][place];
  return answer === 'as bind' ? answers[guest].bind : answer === 'as token' ? answers[guest].token : answer;
};

const namesOf = <Name extends string>(table: Readonly<Record<Name, unknown>>): readonly Name[] =>
  Object.keys(table) as Name[];
const cells = namesOf(guests).flatMap((guest) => namesOf(states).map((state) => [guest, state] as const));

describe('every message, of every kind of client, in every state', () => {
  it.each(cells)(
    'is answered as the tables say, and reads and writes nothing beyond the right: who %s and %s',
    (guest, state) => {
      const { token, replica } = guests[guest];
      for (const kind of namesOf(kinds)) {
        const server = inhabited();
        const before = contents(server, 'team');
        const line = connect(server.wire);
        const other = connect(server.wire);
        states[state]({
          come: (more = {}) => line.send(createBind({ token, replica, ...more })),
          elsewhere: () => other.send(createBind({ token, replica })),
        });
        line.received();
        const wasOpen = line.end() === 'open';
        const place = places[guest][state];
        expect([kind, wasOpen]).toEqual([kind, place !== 'over']);

        line.send(message(kind, guest));
        const heard = line.received();
        const end = wasOpen && line.end() !== 'open' ? [`ends: ${line.end()}`] : [];
        expect([kind, [...heard.map(summaryOf), ...end].join('; ')]).toEqual([kind, expected(kind, guest, place)]);

        const isWritten = kind === 'upload' && place === 'writes';
        const after = contents(server, 'team');
        if (isWritten)
          expect(after).toEqual(['bound head 3 accepted 0', `download 1owned 2owned 3${replica} up to 3, 0 left`]);
        else expect(after).toEqual(before);
        if (state !== 'has bound, beside another realm' || line.end() !== 'open') continue;
        // The other session of the connection is not affected.
        line.send({ type: 'mark', session: 2, request: 1 });
        expect(receivedBy(line)).toBe('#2 mark 1 at 0');
      }
    },
  );

  it('has a cell for each of them', () => {
    expect([cells.length, namesOf(kinds).length]).toEqual([40, 10]);
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

describe('who may not read a realm', () => {
  const nameless = (line: TestClient, name: string): string =>
    line
      .received()
      .map((heard) => JSON.stringify(heard).replaceAll(name, '…'))
      .join('; ');

  it.each([
    'may do nothing',
    'has a token that has expired',
    'has a token that is refused',
    'is a user that is refused',
    'says no token',
  ] as const)(
    'hears the same of one that is there, one that is not and one that is open, and costs the storage nothing: who %s',
    (guest) => {
      const { storage, counts } = counted();
      const server = inhabited(storage);
      const owner = connect(server.wire);
      owner.send(createBind({ realm: 'busy', token: 'owner', replica: 'o' }));
      const before = counts.asked;
      const heard = ['team', 'void', 'busy'].map((realm) => {
        const line = connect(server.wire);
        line.send(createBind({ ...guests[guest], realm }));
        return `${nameless(line, realm)}; ${line.end()}`;
      });
      expect(new Set(heard).size).toBe(1);
      expect(heard[0]).toContain('"error"');
      expect(counts.asked).toBe(before);
    },
  );

  it('leaves nothing of a realm behind that is not there, and neither does who may only read', () => {
    const { storage } = counted();
    const server = inhabited(storage);
    const keys = (): number => {
      let found = 0;
      storage
        .range({ from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity })
        .subscribe((all) => (found = all.length));
      return found;
    };
    const before = keys();
    for (const guest of ['may read', 'may do nothing'] as const) {
      const line = connect(server.wire);
      line.send(createBind({ ...guests[guest], realm: 'void' }));
      line.close();
    }
    expect(keys()).toBe(before);
  });

  it('learns nothing about users and replicas, whichever it names', () => {
    const server = inhabited();
    const heard = ['owned', 'w', 'unheard-of'].map((replica) => {
      const line = connect(server.wire);
      line.send(createBind({ token: 'nobody', replica }));
      return receivedBy(line);
    });
    expect(new Set(heard)).toEqual(new Set(['error permission-denied, never']));
  });
});
