import {
  concat,
  defer,
  EMPTY,
  ignoreElements,
  Subject,
  take,
  throwError,
  type Observable,
  type Subscription,
} from 'rxjs';
import { encodeOperations, targetsOf } from '../../lib/merge/operation-codec.js';
import type { Changeset } from '../../lib/model/changeset.js';
import { StorageError } from '../../lib/model/errors.js';
import type { Bind, ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { TokenRejectedError, createSyncServer, type Access } from '../../lib/server/index.js';
import { ConnectionError, type Wire } from '../../lib/transport/wire.js';

/** A client that sends given messages and records received ones. */
export interface TestClient {
  readonly send: (...messages: readonly ClientMessage[]) => void;
  /** Returns the messages received since the last call. */
  readonly received: () => ServerMessage[];
  /** The end of the connection: `open`, `completed`, or the close code. */
  readonly end: () => string | number;
  readonly close: () => void;
  readonly disconnect: () => void;
}

const openConnections = new Set<Subscription>();

afterEach(() => {
  openConnections.forEach((connection) => connection.unsubscribe());
  openConnections.clear();
});

/** Connects to a server. The connection is closed after the test. */
export const connect = (
  wire: Wire<ClientMessage, ServerMessage>,
  answer: (message: ServerMessage) => readonly ClientMessage[] = () => [],
): TestClient => {
  const sent = new Subject<ClientMessage>();
  let answered: ServerMessage[] = [];
  let end: string | number = 'open';
  const connection = wire(sent).subscribe({
    next: (message) => {
      answered.push(message);
      answer(message).forEach((reply) => sent.next(reply));
    },
    error: (thrown: unknown) => {
      end =
        thrown instanceof ConnectionError && thrown.failure.kind === 'closed' ? thrown.failure.code : String(thrown);
    },
    complete: () => (end = 'completed'),
  });
  openConnections.add(connection);
  return {
    send: (...messages) => messages.forEach((message) => sent.next(message)),
    received: () => {
      const all = answered;
      answered = [];
      return all;
    },
    end: () => end,
    close: () => sent.complete(),
    disconnect: () => connection.unsubscribe(),
  };
};

export const createBind = (more: Partial<Bind> = {}): Bind => ({
  type: 'bind',
  session: 1,
  realm: 'team',
  replica: 'a',
  token: null,
  history: null,
  downloadedTo: 0,
  acknowledged: 0,
  includeOwn: false,
  runs: [{ id: 'run', lastVersion: 1_000_000 }],
  ...more,
});

export const createChangeset = (version: number, text = `change ${version}`, time = 0): Changeset => ({
  version,
  time,
  count: version,
  body: encodeOperations([{ kind: 'update', type: 'Note', key: version, values: { text } }]),
});

export const createUpload = (from: number, to = from, session = 1): ClientMessage => ({
  type: 'upload',
  session,
  changesets: Array.from({ length: to - from + 1 }, (_, index) => createChangeset(from + index)),
});

/** Formats a message in one short line, so that a conversation is readable. */
export const summaryOf = (message: ServerMessage): string => {
  const at = 'session' in message && message.session !== 1 ? `#${message.session} ` : '';
  switch (message.type) {
    case 'bound':
      return `${at}bound head ${message.head} accepted ${message.accepted}`;
    case 'accepted':
      return `${at}accepted ${message.version}`;
    case 'download':
      return `${at}download ${message.changesets.map(({ version, origin }) => `${version}${origin}`).join(' ') || 'nothing'} up to ${message.upTo}, ${message.remaining} left`;
    case 'mark':
      return `${at}mark ${message.request} at ${message.version}`;
    case 'refused':
      return `${at}refused ${message.version}`;
    case 'snapshot':
      return `${at}snapshot ${message.version}: ${message.objects.map(({ key }) => key).join(' ')}, ${message.remaining} left`;
    case 'view':
      return `${at}view ${message.number} at ${message.version}: ${message.mode} of about ${message.objects}, ${message.rejections.map(({ id, code }) => `${id} ${code}`).join(' ') || 'nothing'} rejected`;
    case 'members':
      return `${at}members ${message.number}: ${message.objects.map(({ key }) => key).join(' ') || 'nothing'} without ${message.leaves.map(({ key }) => key).join(' ') || 'nothing'}, ${message.upTo === null ? `${message.remaining} left` : `up to ${message.upTo}`}`;
    case 'parts':
      return `${at}parts ${[...message.changesets.flatMap(({ body }) => targetsOf(body).map(({ key }) => `~${key}`)), ...message.states.map(({ key }) => key)].join(' ') || 'nothing'} without ${message.leaves.map(({ key }) => key).join(' ') || 'nothing'} up to ${message.upTo}, ${message.remaining} left`;
    case 'unbound':
      return `${at}unbound`;
    case 'copied':
      return `${at}copied after ${message.version}`;
    case 'pong':
      return `pong ${message.sentAt}`;
    case 'error':
      return `${message.session === null ? '' : at}error ${message.code}, ${typeof message.retry === 'string' ? message.retry : `after ${message.retry.after}`}`;
  }
};

export const summariesOf = (caller: TestClient): string[] => caller.received().map(summaryOf);

/** A memory storage whose durable batches can be delayed and made to fail. */
export interface FaultyStorage extends Storage {
  /** Delays durable batches from now on. */
  readonly hold: () => void;
  /** Writes the delayed batches, in order. */
  readonly release: () => void;
  /** Makes durable batches fail (`true`) or succeed again (`false`). */
  readonly fail: (isFailing: boolean) => void;
  /** Number of durable batches that have been written. */
  readonly written: () => number;
  readonly isClosed: () => boolean;
}

export const createFaultyStorage = (storage: Storage = memoryStorage()): FaultyStorage => {
  const go = new Subject<void>();
  let isHeld = false;
  let isFailing = false;
  let isClosed = false;
  let written = 0;
  const writing = (changes: Parameters<Storage['batch']>[0]): Observable<never> =>
    defer(() => {
      if (isFailing) return throwError(() => new StorageError('the disk is full'));
      written += 1;
      return storage.batch(changes, { durable: true });
    });
  return {
    ...storage,
    batch: (changes, options) => {
      if (!options.durable) return storage.batch(changes, options);
      const held$ = defer(() => (isHeld ? go.pipe(take(1), ignoreElements()) : EMPTY));
      return concat(held$, writing(changes));
    },
    close: () =>
      defer(() => {
        isClosed = true;
        return storage.close();
      }),
    hold: () => (isHeld = true),
    release: () => {
      isHeld = false;
      go.next();
    },
    fail: (failing) => (isFailing = failing),
    written: () => written,
    isClosed: () => isClosed,
  };
};

/** Creates a server on which a token is the user's name, and that name determines the access. */
export const createGuardedServer = () =>
  createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => {
      if (token === 'old') throw new TokenRejectedError('token-expired', 'too old');
      if (token === 'forged') throw new TokenRejectedError('token-refused', 'not ours');
      if (token === 'banned') throw new TokenRejectedError('user-refused', 'banned');
      if (token === 'crash') throw new Error('no database');
      return { id: token };
    },
    authorize: ({ id }): Access => (id.startsWith('writer') ? 'write' : id.startsWith('reader') ? 'read' : 'none'),
    log: () => undefined,
  });
