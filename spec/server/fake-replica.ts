import { defer, NEVER, Subject, VirtualTimeScheduler, type Observable, type Subscription } from 'rxjs';
import { decodeOperations, encodeOperations } from '../../lib/merge/operation-codec.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import type { Operation } from '../../lib/merge/operation.js';
import { operationStampOf } from '../../lib/merge/timestamp.js';
import { decodeState } from '../../lib/merge/state-codec.js';
import type { Changeset, StoredObject } from '../../lib/model/changeset.js';
import { encodeClient, encodeServer } from '../../lib/protocol/codec.js';
import type { Bound, ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { createSyncServer, type ServerEvent, type ServerOptions, type SyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';

export const second = 1_000;
export const day = 24 * 60 * 60 * second;

/** Wraps a storage for one process: after the end of the process it does nothing and does not answer. */
const createProcessStorage = (storage: Storage, isOver: () => boolean): Storage => {
  const whileAlive = <T>(asked$: Observable<T>): Observable<T> => defer(() => (isOver() ? NEVER : asked$));
  return {
    range: (range) => whileAlive(storage.range(range)),
    batch: (changes, options) => whileAlive(storage.batch(changes, options)),
    close: () => whileAlive(storage.close()),
  };
};

/** Creates a server with virtual time. Each new server replaces the one before, whose process was killed. */
export const createTimedServer = (options: Partial<ServerOptions> = {}, start = 1_000 * day) => {
  const scheduler = new VirtualTimeScheduler();
  scheduler.maxFrames = 0;
  const clock = { scheduler, now: () => start + scheduler.now(), random: () => 0.5 };
  const events: ServerEvent[] = [];
  const storage = memoryStorage();
  let made = 0;
  const make = (more: Partial<ServerOptions> = {}): SyncServer => {
    const number = (made += 1);
    const own = createProcessStorage(storage, () => number !== made);
    return createSyncServer({ storage: own, clock, log: (event) => events.push(event), ...options, ...more });
  };
  return {
    make,
    server: make(),
    storage,
    clock,
    /** Errors that the server logged. */
    errors: () => events.filter(({ level }) => level === 'error'),
    pass: (ms: number): void => {
      scheduler.maxFrames += ms;
      scheduler.flush();
      scheduler.frame = scheduler.maxFrames;
    },
  };
};

const textOf = (type: string, key: unknown): string => `${type} ${typeof key} ${String(key)}`;

type States = Map<string, ObjectState>;

const applyChangeset = (
  states: States,
  origin: string,
  { time, count, body }: Pick<Changeset, 'time' | 'count' | 'body'>,
): void => {
  const operations = decodeOperations(body);
  if (!('right' in operations)) throw new Error(operations.left);
  operations.right.forEach((operation, index) => {
    const text = textOf(operation.type, operation.key);
    states.set(text, applyOperation(states.get(text), operation, operationStampOf({ time, count }, origin, index)));
  });
};

const decodeStateOf = (bytes: Uint8Array): ObjectState => {
  const state = decodeState(bytes);
  if (!('right' in state)) throw new Error(state.left);
  return state.right;
};

/**
 * Creates a replica that follows docs/PROTOCOL.md and is written independently of the library. Its objects are in
 * `states`. It answers synchronously. A spec can end its connection after a number of messages, and can make it stop
 * fetching.
 */
export const createFakeReplica = (name: string, token: string | null = null) => {
  let id = name;
  const states: States = new Map();
  let outbox: Changeset[] = [];
  let written = 0;
  let clock = { time: 0, count: 0 };
  /** The server has another history, or has compacted changes that this replica needs, so it resets under a new id. */
  const reset = (now: number): void => {
    id = `${id}+`;
    states.clear();
    Object.assign(known, { history: null, downloaded: 0, acknowledged: 0 });
    kept = null;
    own = false;
    processed = { version: 0, before: 0 };
    clock = { time: Math.max(now, clock.time), count: clock.count + 1 };
    outbox = outbox.map((each, index) => {
      clock = { time: clock.time, count: clock.count + 10 };
      return { ...each, version: index + 1, ...clock };
    });
    written = outbox.length;
    outbox.forEach((each) => applyChangeset(states, id, each));
  };
  const known = { history: null as string | null, downloaded: 0, acknowledged: 0 };
  let kept: { version: number; objects: StoredObject[]; after: StoredObject | null } | null = null;
  let connection: Subscription | null = null;
  let sent = new Subject<ClientMessage>();
  let left = Infinity;
  let isFetching = true;
  let snapshot: number | null = null;
  let own = false; // The replica has stored its replaced id.
  let processed = { version: 0, before: 0 }; // Changesets that the server has decided on and removed.
  const received: ServerMessage[] = [];
  const counted = { bytes: 0, rejected: [] as number[], snapshots: 0, pages: 0 };

  /** Returns the unsent changesets after a version. Their versions have no gap. */
  const after = (version: number): Changeset[] => outbox.slice(Math.max(0, version + 1 - (outbox[0]?.version ?? 0)));
  const disconnect = (): void => {
    connection?.unsubscribe();
    connection = null;
  };
  const send = (message: ClientMessage): void => {
    encodeClient(message);
    if (connection !== null) sent.next(message);
  };
  const fetch = (): void => {
    if (kept === null || !isFetching) return;
    const last = kept.after && { type: kept.after.type, key: kept.after.key };
    send({ type: 'fetch', session: 1, version: kept.version, after: last });
  };
  const upload = (from: number): void => {
    const changesets = after(from).slice(0, 1_000);
    if (changesets.length > 0) send({ type: 'upload', session: 1, changesets });
  };
  const acknowledge = (version: number): void => {
    known.acknowledged = Math.max(known.acknowledged, version);
    outbox = after(version);
  };

  /** Applies unsent changes on top of the server's objects, except those that these already contain. */
  const applyUnsent = (): void =>
    outbox
      .filter(({ version, time }) => version > processed.version || time >= processed.before)
      .forEach((each) => applyChangeset(states, id, each));

  const onBound = ({ history, accepted, snapshot: offered, decided, retentionCutoff }: Bound): void => {
    known.history = history;
    processed = { version: decided, before: retentionCutoff?.time ?? 0 };
    acknowledge(accepted);
    snapshot = offered;
    if (offered === null) kept = null;
    else {
      if (kept?.version !== offered) kept = { version: offered, objects: [], after: null };
      counted.snapshots += 1;
      fetch();
    }
    upload(accepted);
  };
  const onObjects = (objects: readonly StoredObject[], remaining: number): void => {
    if (kept === null) throw new Error('nothing was asked for');
    counted.pages += 1;
    kept.objects.push(...objects);
    kept.after = objects.at(-1) ?? kept.after;
    if (remaining > 0) {
      fetch();
      return;
    }
    const { version } = kept;
    states.clear();
    for (const { type, key, state } of kept.objects) {
      if (states.has(textOf(type, key))) throw new Error(`twice: ${type} ${key}`);
      states.set(textOf(type, key), decodeStateOf(state));
    }
    applyUnsent();
    kept = null;
    snapshot = null;
    known.downloaded = version;
    own = true;
    send({ type: 'received', session: 1, version });
  };
  const onMessage = (message: ServerMessage): void => {
    switch (message.type) {
      case 'bound': {
        onBound(message);
        return;
      }
      case 'accepted': {
        acknowledge(message.version);
        return;
      }
      case 'snapshot': {
        onObjects(message.objects, message.remaining);
        return;
      }
      case 'download':
        message.changesets.forEach((each) => applyChangeset(states, each.origin, each));
        known.downloaded = message.upTo;
        if (message.remaining === 0) own = false;
        {
          send({ type: 'received', session: 1, version: message.upTo });
          return;
        }
      case 'refused': {
        if (message.version <= known.acknowledged) return;
        counted.rejected.push(message.version);
        acknowledge(message.version);
        for (const { type, key, state } of message.serverStates) {
          if (state === null) states.delete(textOf(type, key));
          else states.set(textOf(type, key), decodeStateOf(state));
        }
        applyUnsent();
        return;
      }
      default:
    }
  };

  return {
    name,
    reset,
    states,
    known,
    counted,
    received,
    isSnapshotting: () => snapshot !== null,
    isOnline: () => connection !== null,
    unsent: () => outbox.length,
    kept: () => kept?.objects.length ?? null,
    holdFetching: (hold: boolean): void => {
      isFetching = !hold;
      if (!hold) fetch();
    },
    write: (now: number, ...operations: readonly Operation[]): void => {
      clock = now > clock.time ? { time: now, count: 0 } : { time: clock.time, count: clock.count + 1 };
      written += 1;
      const changeset = { version: written, ...clock, body: encodeOperations(operations) };
      clock = { time: clock.time, count: clock.count + operations.length - 1 };
      outbox.push(changeset);
      applyChangeset(states, id, changeset);
      if (connection !== null && outbox.length < 1_000) send({ type: 'upload', session: 1, changesets: [changeset] });
    },
    /** Connects, and ends the connection after a number of received messages. */
    connect: (server: SyncServer, messages = Infinity): void => {
      disconnect();
      left = messages;
      sent = new Subject();
      const before = received.length;
      const subscription = server.wire(sent).subscribe({
        next: (message) => {
          if (left <= 0) return;
          left -= 1;
          counted.bytes += encodeServer(message).byteLength;
          received.push(message);
          onMessage(message);
          if (left <= 0 || message.type === 'error') disconnect();
        },
        error: (thrown: unknown) => {
          received.push({ type: 'error', session: null, code: String(thrown), text: '', retry: 'never' });
          disconnect();
        },
      });
      if (received.length === before) connection = subscription; // Otherwise the connection has already ended.
      const { history, downloaded, acknowledged } = known;
      const runs = [{ id: 'run', lastVersion: 1_000_000 }];
      send({
        type: 'bind',
        session: 1,
        realm: 'team',
        replica: id,
        token,
        history,
        downloadedTo: downloaded,
        acknowledged,
        includeOwn: own,
        runs,
      });
    },
    drop: disconnect,
    say: send,
  };
};

export type FakeReplica = ReturnType<typeof createFakeReplica>;
