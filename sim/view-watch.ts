import { Observable, tap } from 'rxjs';
import { decodeOperationsLeniently } from '../lib/merge/operation-codec.js';
import { isAlive, type ObjectState } from '../lib/merge/object-state.js';
import { decodeState } from '../lib/merge/state-codec.js';
import { objectTextOf } from '../lib/model/object-key.js';
import { isRight } from '../lib/model/result.js';
import type { ViewFilter } from '../lib/model/view.js';
import type { Bind, ClientMessage, ServerMessage } from '../lib/protocol/messages.js';
import type { Members, Parts } from '../lib/protocol/view-messages.js';
import type { Wire } from '../lib/index.js';
import { InvariantError } from './invariants.js';
import { isSelected, visibleTextOf, type ViewOracle } from './view-oracle.js';

/** A session with a view, as far as its messages show it. */
interface WatchedView {
  readonly bind: Bind;
  /** All filters that the session has asked for. */
  asked: readonly ViewFilter[];
  readonly requested: Map<number, readonly ViewFilter[]>;
  /** The filters of the members on the way. */
  arriving: readonly ViewFilter[];
  placed: readonly ViewFilter[];
}

export interface ViewWatchOptions {
  readonly oracle: ViewOracle;
  readonly broken: (broken: InvariantError) => void;
}

const decode = (bytes: Uint8Array): ObjectState => {
  const read = decodeState(bytes);
  if (isRight(read)) return read.right;
  throw new InvariantError('a server sends objects', read.left);
};

/**
 * Watches the messages of one connection: a server names only what a session has asked for or its replica has written,
 * and sends only states that the view has.
 */
class ConnectionWatch {
  private readonly sessions = new Map<number, WatchedView>();

  constructor(
    private readonly oracle: ViewOracle,
    /** The names of objects that each replica has changed. */
    private readonly written: Map<string, Set<string>>,
  ) {}

  fromClient(message: ClientMessage): void {
    if (message.type === 'bind') {
      const filters = message.view?.filters ?? [];
      if (message.view === undefined) this.sessions.delete(message.session);
      else
        this.sessions.set(message.session, {
          ...{ bind: message, asked: filters, placed: filters, arriving: [] },
          requested: new Map(message.view.number === null ? [] : [[message.view.number, filters]]),
        });
      return;
    }
    if (message.type !== 'upload' && message.type !== 'subscribe') return;
    const view = this.sessions.get(message.session);
    if (view === undefined) return;
    if (message.type === 'subscribe') {
      view.asked = [...view.asked, ...message.filters];
      view.requested.set(message.number, message.filters);
      return;
    }
    const { replica } = view.bind;
    const own = this.written.get(replica) ?? new Set();
    this.written.set(replica, own);
    for (const { body } of message.changesets) {
      const read = decodeOperationsLeniently(body);
      if (isRight(read)) for (const { type, key } of read.right) own.add(objectTextOf(type, key));
    }
  }

  fromServer(message: ServerMessage): void {
    if (message.type === 'error') return;
    const view = 'session' in message ? this.sessions.get(message.session) : undefined;
    if (view === undefined) return;
    switch (message.type) {
      case 'download':
      case 'snapshot':
        throw new InvariantError('a session with a view is sent nothing else', message.type);
      case 'view': {
        const rejected = new Set(message.rejections.map(({ id }) => id));
        view.arriving = (view.requested.get(message.number) ?? []).filter(({ id }) => !rejected.has(id));
        return;
      }
      case 'members':
        this.checkNames(view, message, [...message.objects, ...message.leaves]);
        this.checkStates(view, message, message.objects, view.arriving);
        if (message.upTo !== null) view.placed = view.arriving;
        return;
      case 'parts':
        this.checkNames(view, message, [...message.states, ...message.leaves]);
        this.checkStates(view, message, message.states, view.placed);
        return;
      case 'refused':
        this.checkNames(view, message, message.serverStates);
        for (const { type, key } of message.serverStates)
          this.oracle.noteRejected(objectTextOf(type, key), view.bind.replica, message.upTo ?? 0);
        return;
      default:
    }
  }

  private checkNames(
    { bind, asked }: WatchedView,
    { type }: ServerMessage,
    names: readonly { readonly type: string; readonly key: string | number }[],
  ): void {
    const own = this.written.get(bind.replica);
    for (const name of names) {
      const text = objectTextOf(name.type, name.key);
      if (own?.has(text) === true || this.oracle.hasChanged(text, bind.replica, 0)) continue;
      if (this.oracle.statesFrom(text, bind.downloadedTo).some((state) => isSelected(asked, text, state))) continue;
      throw new InvariantError(
        'a server names only what a session asked for',
        `${type} for replica ${bind.replica} names ${text}, from version ${bind.downloadedTo}`,
        [text.replace('/s', ' ')],
      );
    }
  }

  private checkStates(
    { bind }: WatchedView,
    message: Members | Parts,
    objects: Members['objects'],
    filters: readonly ViewFilter[],
  ): void {
    const { upTo } = message;
    for (const { type, key, state: bytes } of objects) {
      const text = objectTextOf(type, key);
      const state = decode(bytes);
      const fail = (reason: string): never => {
        throw new InvariantError(
          'a state that is sent is in the view',
          `${message.type} up to ${upTo} for replica ${bind.replica}: ${text} ${reason}`,
          [text.replace('/s', ' ')],
        );
      };
      if (isAlive(state) && !isSelected(filters, text, state)) fail(`is not in it: ${visibleTextOf(state)}`);
      if (upTo === null || upTo > this.oracle.head()) continue;
      const exact = visibleTextOf(this.oracle.stateAt(text, upTo));
      if (visibleTextOf(state) !== exact) fail(`is ${visibleTextOf(state)} instead of ${exact}`);
    }
  }
}

/** Returns a function that watches all connections of a server. */
export const createViewWatch = ({ oracle, broken }: ViewWatchOptions) => {
  const written = new Map<string, Set<string>>();
  return (wire: Wire<ClientMessage, ServerMessage>): Wire<ClientMessage, ServerMessage> =>
    (sent$) =>
      new Observable((subscriber) => {
        const watch = new ConnectionWatch(oracle, written);
        const guard =
          <A>(check: (message: A) => void) =>
          (message: A): void => {
            try {
              check(message);
            } catch (thrown) {
              broken(
                thrown instanceof InvariantError
                  ? thrown
                  : new InvariantError('nothing throws', String((thrown as Error).stack)),
              );
            }
          };
        const messages$ = sent$.pipe(tap(guard((message: ClientMessage) => watch.fromClient(message))));
        return wire(messages$)
          .pipe(tap(guard((message: ServerMessage) => watch.fromServer(message))))
          .subscribe(subscriber);
      });
};
