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

/** The storage as one process has it: what is asked of it after the process has ended is neither done nor answered. */
const createProcessStorage = (storage: Storage, isOver: () => boolean): Storage => {
  const whileAlive = <T>(asked$: Observable<T>): Observable<T> => defer(() => (isOver() ? NEVER : asked$));
  return {
    range: (range) => whileAlive(storage.range(range)),
    batch: (changes, options) => whileAlive(storage.batch(changes, options)),
    close: () => whileAlive(storage.close()),
  };
};

/**
 * A server whose time passes when a spec says so. Each new one replaces the one before, whose process has been killed.
 */
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
    /** What the server found to be wrong. */
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
 * A replica that does what docs/PROTOCOL.md says, written apart from the library's own: what it has is `states`. It
 * answers on the spot; a spec can drop its line after so many messages, and has it stop fetching.
 */
export const createFakeReplica = (name: string) => {
  let id = name;
  const states: States = new Map();
  let outbox: Changeset[] = [];
  let written = 0;
  let clock = { time: 0, count: 0 };
  /**
   * The server has another history, or forgot what this would have to give way to: it starts over, as somebody else.
   */
  const startOver = (now: number): void => {
    id = `${id}+`;
    states.clear();
    Object.assign(known, { history: null, seen: 0, acknowledged: 0 });
    kept = null;
    own = false;
    dealtWith = { version: 0, before: 0 };
    clock = { time: Math.max(now, clock.time), count: clock.count + 1 };
    outbox = outbox.map((each, index) => {
      clock = { time: clock.time, count: clock.count + 10 };
      return { ...each, version: index + 1, ...clock };
    });
    written = outbox.length;
    outbox.forEach((each) => applyChangeset(states, id, each));
  };
  const known = { history: null as string | null, seen: 0, acknowledged: 0 };
  let kept: { version: number; objects: StoredObject[]; after: StoredObject | null } | null = null;
  let line: Subscription | null = null;
  let said = new Subject<ClientMessage>();
  let left = Infinity;
  let isFetching = true;
  let snapshot: number | null = null;
  let own = false; // It has put away what it had.
  let dealtWith = { version: 0, before: 0 }; // What the server has decided on, and forgotten.
  const heard: ServerMessage[] = [];
  const counted = { bytes: 0, refused: [] as number[], snapshots: 0, pages: 0 };

  /** What is unsent after a version: its versions have no gap. */
  const after = (version: number): Changeset[] => outbox.slice(Math.max(0, version + 1 - (outbox[0]?.version ?? 0)));
  const drop = (): void => {
    line?.unsubscribe();
    line = null;
  };
  const say = (message: ClientMessage): void => {
    encodeClient(message);
    if (line !== null) said.next(message);
  };
  const fetch = (): void => {
    if (kept === null || !isFetching) return;
    const last = kept.after && { type: kept.after.type, key: kept.after.key };
    say({ type: 'fetch', session: 1, version: kept.version, after: last });
  };
  const upload = (from: number): void => {
    const changesets = after(from).slice(0, 1_000);
    if (changesets.length > 0) say({ type: 'upload', session: 1, changesets });
  };
  const acknowledge = (version: number): void => {
    known.acknowledged = Math.max(known.acknowledged, version);
    outbox = after(version);
  };

  /** Puts what is unsent on top of what the server gave, but for what is in there. */
  const applyUnsent = (): void =>
    outbox
      .filter(({ version, time }) => version > dealtWith.version || time >= dealtWith.before)
      .forEach((each) => applyChangeset(states, id, each));

  const onBound = ({ history, accepted, snapshot: offered, decided, retentionCutoff }: Bound): void => {
    known.history = history;
    dealtWith = { version: decided, before: retentionCutoff?.time ?? 0 };
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
    known.seen = version;
    own = true;
    say({ type: 'received', session: 1, version });
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
        known.seen = message.upTo;
        if (message.remaining === 0) own = false;
        {
          say({ type: 'received', session: 1, version: message.upTo });
          return;
        }
      case 'refused': {
        if (message.version <= known.acknowledged) return;
        counted.refused.push(message.version);
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
    startOver,
    states,
    known,
    counted,
    heard,
    isSnapshotting: () => snapshot !== null,
    isOnline: () => line !== null,
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
      if (line !== null && outbox.length < 1_000) say({ type: 'upload', session: 1, changesets: [changeset] });
    },
    /** Calls, and drops the line after so many messages that came. */
    connect: (server: SyncServer, messages = Infinity): void => {
      drop();
      left = messages;
      said = new Subject();
      const before = heard.length;
      const subscription = server.wire(said).subscribe({
        next: (message) => {
          if (left <= 0) return;
          left -= 1;
          counted.bytes += encodeServer(message).byteLength;
          heard.push(message);
          onMessage(message);
          if (left <= 0 || message.type === 'error') drop();
        },
        error: (thrown: unknown) => {
          heard.push({ type: 'error', session: null, code: String(thrown), text: '', retry: 'never' });
          drop();
        },
      });
      if (heard.length === before) line = subscription; // Or it has ended already.
      const { history, seen, acknowledged } = known;
      const runs = [{ id: 'run', lastVersion: 1_000_000 }];
      say({
        type: 'bind',
        session: 1,
        realm: 'team',
        replica: id,
        token: null,
        history,
        downloadedTo: seen,
        acknowledged,
        includeOwn: own,
        runs,
      });
    },
    drop,
    say,
  };
};

export type FakeReplica = ReturnType<typeof createFakeReplica>;
