import { Subject, type Subscription } from 'rxjs';
import { joinStates } from '../../../lib/merge/join-states.js';
import type { ObjectState } from '../../../lib/merge/object-state.js';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { Changeset, ObjectName } from '../../../lib/model/changeset.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import type { PlacedView, ViewFilter } from '../../../lib/model/view.js';
import { encodeClient, encodeServer } from '../../../lib/protocol/codec.js';
import type { Bound, ClientMessage, ServerMessage, WriteRejected } from '../../../lib/protocol/messages.js';
import type { Members, Parts, ViewStart } from '../../../lib/protocol/view-messages.js';
import type { SyncServer } from '../../../lib/server/index.js';
import { applyPiece, applyTo, isIn, stateOf, type States } from './view-facts.js';

const textOf = ({ type, key }: ObjectName): string => objectTextOf(type, key);

/** Members that were received before the last page. */
interface Received {
  readonly view: ViewStart;
  /** The last statement about each object. `null`: it leaves. */
  readonly named: Map<string, ObjectState | null>;
  position: string | null;
}

/**
 * Creates a replica with a view that follows docs/PROTOCOL.md and is written independently of the library. It answers
 * synchronously, but a spec can hold its requests for members.
 */
export const createViewClient = (replica: string, token: string | null = null) => {
  const objects: States = new Map();
  const detached = new Set<string>();
  /** Objects that own changesets name, by the versions of these. */
  const touchedBy = new Map<number, readonly string[]>();
  let outbox: Changeset[] = [];
  let written = 0;
  let clock = { time: 0, count: 0 };
  const known = { history: null as string | null, downloadedTo: 0, acknowledged: 0 };
  let placed: PlacedView = { number: null, filters: [], scope: null };
  let wanted = { number: 0, filters: [] as readonly ViewFilter[] };
  let isSubscribed = false; // Whether the latest subscriptions were sent on this connection.
  let receiving: Received | null = null;
  let isHolding = false;
  let isRequested = false;
  /** The number of a view whose first page was requested before the view is announced. */
  let ahead: number | null = null;
  let connection: Subscription | null = null;
  let isBound = false;
  /** Whether the view whose members are received was announced on this connection. */
  let isAnnounced = false;
  let failure: unknown = null;
  let sent = new Subject<ClientMessage>();
  let left = Infinity;
  /** The version of states in rejections: until the view is as late, it is not known which objects are in it. */
  let shownTo = 0;
  /** Called with each message, before it is handled. */
  const hooks = { watch: (_message: ServerMessage): void => undefined };
  const received: ServerMessage[] = [];
  const marks = { asked: 0, answered: [] as number[] };
  const asked: ViewFilter[][] = [];
  /** The kinds of messages, for a spec that counts what it has reached. */
  const log: string[] = [];

  const send = (message: ClientMessage): void => {
    encodeClient(message);
    if (connection !== null && (isBound || message.type === 'bind')) sent.next(message);
  };
  const disconnect = (): void => {
    connection?.unsubscribe();
    connection = null;
    isBound = isAnnounced = isRequested = false;
    ahead = null;
  };
  const unsentOf = (text: string): boolean =>
    outbox.some(({ version }) => touchedBy.get(version)?.includes(text) === true);
  const settleDetached = (): void => {
    for (const text of detached) {
      if (unsentOf(text)) continue;
      detached.delete(text);
      objects.delete(text);
    }
  };
  const acknowledge = (version: number): void => {
    known.acknowledged = Math.max(known.acknowledged, version);
    outbox = outbox.filter((each) => each.version > version);
    settleDetached();
  };
  const leave = (text: string): void => {
    if (unsentOf(text)) detached.add(text);
    else objects.delete(text);
  };
  const enter = (text: string, state: ObjectState): void => {
    const before = objects.get(text);
    objects.set(text, before === undefined ? state : joinStates(before, state));
    detached.delete(text);
  };
  const request = (): void => {
    if (receiving === null || isRequested || isHolding || !isAnnounced) return;
    isRequested = true;
    send({ type: 'next', session: 1, number: receiving.view.number, position: receiving.position });
  };
  /** Asks for the latest view. Requests the first page of every other one with it. */
  const ask = (): void => {
    const { number } = wanted;
    isSubscribed = true;
    const isAhead = number % 2 === 1 && number !== placed.number && receiving === null && !isHolding;
    if (isAhead) [ahead, isRequested] = [number, true];
    send({ type: 'subscribe', session: 1, ...wanted });
    if (isAhead && wanted.number === number) send({ type: 'next', session: 1, number, position: null });
  };
  const subscribe = (): void => {
    if (wanted.number === placed.number && !mustResync) receiving = null;
    else ask();
  };
  let mustResync = false;

  const onBound = ({ history, accepted, view, snapshot }: Bound): void => {
    if (view === undefined || snapshot !== null) throw new Error('the server does not know views');
    isBound = true;
    known.history = history;
    acknowledge(accepted);
    mustResync = view.mode === 'resync';
    isSubscribed = false;
    const changesets = outbox.filter(({ version }) => version > accepted);
    if (changesets.length > 0) changesets.forEach((each) => send({ type: 'upload', session: 1, changesets: [each] }));
    subscribe();
    if (marks.asked > (marks.answered.at(-1) ?? 0)) send({ type: 'mark', session: 1, request: marks.asked });
  };
  const onView = (view: ViewStart): void => {
    if (isSubscribed && view.number !== wanted.number) return; // Overtaken by a subscribe on the way.
    const kept = isAnnounced ? null : receiving?.view; // A second view on a connection begins again.
    isRequested = view.number === ahead;
    ahead = null;
    isAnnounced = true;
    if (
      kept?.version !== view.version ||
      kept.number !== view.number ||
      kept.mode !== view.mode ||
      kept.scope !== view.scope
    )
      receiving = { view, named: new Map(), position: null };
    request();
  };
  const place = ({ upTo }: Members, { view, named }: Received): void => {
    if (view.mode === 'resync')
      for (const text of objects.keys()) if (!named.has(text) && !detached.has(text)) leave(text);
    for (const [text, state] of named) {
      if (state === null) leave(text);
      else if (view.mode === 'difference') enter(text, state);
      else {
        objects.set(text, state);
        detached.delete(text);
        // Unsent changes are applied again.
        for (const each of outbox) if (touchedBy.get(each.version)?.includes(text)) applyTo(objects, replica, each);
      }
    }
    const rejected = new Set(view.rejections.map(({ id }) => id));
    const { filters } = view.number === wanted.number ? wanted : placed;
    placed = { number: view.number, filters: filters.filter(({ id }) => !rejected.has(id)), scope: view.scope };
    known.downloadedTo = upTo ?? 0;
    receiving = null;
    mustResync = false;
    if (known.downloadedTo > 0) send({ type: 'received', session: 1, version: known.downloadedTo });
  };
  const onMembers = (page: Members): void => {
    if (receiving?.view.number !== page.number) {
      if (isSubscribed && page.number !== wanted.number) return;
      throw new Error('members that were not requested');
    }
    isRequested = false;
    for (const object of page.objects) receiving.named.set(textOf(object), stateOf(object.state));
    for (const name of page.leaves) receiving.named.set(textOf(name), null);
    if (page.position !== null && page.position === receiving.position) throw new Error('a page ends twice');
    if (page.upTo !== null && page.upTo < known.downloadedTo) throw new Error('members before what is placed');
    receiving.position = page.position;
    if (page.position === null) place(page, receiving);
    else request();
  };
  const onParts = ({ changesets, states, leaves, upTo }: Parts): void => {
    if (upTo <= known.downloadedTo) throw new Error(`parts up to ${upTo} after ${known.downloadedTo}`);
    for (const piece of changesets) applyPiece(objects, replica, piece);
    if (changesets.length > 0) log.push('pieces');
    for (const object of states) enter(textOf(object), stateOf(object.state));
    for (const name of leaves) leave(textOf(name));
    known.downloadedTo = upTo;
    send({ type: 'received', session: 1, version: upTo });
  };
  const onRejected = ({ version, serverStates, upTo = 0 }: WriteRejected): void => {
    acknowledge(version);
    shownTo = Math.max(shownTo, upTo);
    for (const { type, key, state } of serverStates) {
      const text = objectTextOf(type, key);
      const found = state === null ? undefined : stateOf(state);
      const isVisible = found !== undefined && isIn(placed.filters, text, found);
      if (isVisible) objects.set(text, found);
      else objects.delete(text);
      for (const each of outbox) if (touchedBy.get(each.version)?.includes(text)) applyTo(objects, replica, each);
      if (isVisible || !unsentOf(text)) detached.delete(text);
      else detached.add(text);
    }
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
      case 'view': {
        onView(message);
        return;
      }
      case 'members': {
        onMembers(message);
        return;
      }
      case 'parts':
        onParts(message);
        return;
      case 'refused': {
        onRejected(message);
        return;
      }
      case 'mark':
        marks.answered.push(message.request);
        return;
      default:
        throw new Error(`unexpected ${message.type} ${JSON.stringify(message)}`);
    }
  };

  return {
    replica,
    objects,
    detached,
    received,
    log,
    marks,
    /** All sets of filters that were asked for. */
    asked,
    known,
    placed: () => placed,
    wanted: () => wanted,
    /** The error that ended a connection; `null`: none. */
    failure: () => failure,
    unsent: () => outbox.length,
    isOnline: () => connection !== null,
    isReceiving: () => receiving !== null,
    hooks,
    /** Whether an own changeset names an object. */
    wrote: (text: string): boolean => [...touchedBy.values()].some((texts) => texts.includes(text)),
    /** Returns the messages since the last call. */
    takeReceived: (): ServerMessage[] => received.splice(0),
    hold: (isHeld: boolean): void => {
      isHolding = isHeld;
      request();
    },
    /** Forgets the pages that were received. */
    forgetPages: (): void => {
      receiving = null;
    },
    subscribe: (filters: readonly ViewFilter[]): void => {
      wanted = { number: wanted.number + 1, filters };
      asked.push([...filters]);
      receiving = null;
      isRequested = false;
      if (isBound) ask();
    },
    mark: (): void => send({ type: 'mark', session: 1, request: (marks.asked += 1) }),
    write: (now: number, ...operations: readonly Operation[]): void => {
      clock = now > clock.time ? { time: now, count: 0 } : { time: clock.time, count: clock.count + 1 };
      written += 1;
      const changeset = { version: written, ...clock, body: encodeOperations(operations) };
      clock = { time: clock.time, count: clock.count + operations.length - 1 };
      outbox.push(changeset);
      touchedBy.set(written, applyTo(objects, replica, changeset));
      send({ type: 'upload', session: 1, changesets: [changeset] });
    },
    /** Connects, and ends the connection after a number of received messages. */
    connect: (server: SyncServer, messages = Infinity): void => {
      disconnect();
      left = messages;
      sent = new Subject();
      connection = server.wire(sent).subscribe({
        next: (message) => {
          if (left <= 0) return;
          left -= 1;
          encodeServer(message);
          received.push(message);
          hooks.watch(message);
          log.push(message.type === 'view' ? `view ${message.mode}` : message.type);
          onMessage(message);
          if (left <= 0 || message.type === 'error') disconnect();
        },
        error: (thrown: unknown) => {
          failure = thrown;
          disconnect();
        },
      });
      isRequested = false;
      send({
        ...{ type: 'bind', session: 1, realm: 'team', replica, token, includeOwn: false, ...known },
        runs: [{ id: 'run', lastVersion: 1_000_000 }],
        view: shownTo > known.downloadedTo ? { number: null, filters: [], scope: null } : placed,
      });
    },
    /** Keeps the connection from now on. */
    keep: (): void => {
      left = Infinity;
    },
    drop: disconnect,
    say: send,
  };
};

export type ViewClient = ReturnType<typeof createViewClient>;
