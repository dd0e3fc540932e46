import { Observable, tap } from 'rxjs';
import { decodeOperationsLeniently } from '../lib/merge/operation-codec.js';
import { isAlive, type ObjectState } from '../lib/merge/object-state.js';
import { decodeState } from '../lib/merge/state-codec.js';
import type { ObjectName, ServerChangeset } from '../lib/model/changeset.js';
import { objectTextOf } from '../lib/model/object-key.js';
import { isRight } from '../lib/model/result.js';
import type { ViewFilter } from '../lib/model/view.js';
import type { Bind, ClientMessage, ServerMessage, WriteRejected } from '../lib/protocol/messages.js';
import type { Members, Parts } from '../lib/protocol/view-messages.js';
import type { Wire } from '../lib/index.js';
import { InvariantError } from './invariants.js';
import { otherTextOf, type ScopeCheck } from './scope-check.js';
import { parseToken } from './token-source.js';
import { isSelected, visibleTextOf, type ViewOracle } from './view-oracle.js';

/** A session with a view, as far as its messages show it. */
interface WatchedView {
  readonly bind: Bind;
  readonly user: string;
  /** All filters that the session has asked for. */
  asked: readonly ViewFilter[];
  readonly requested: Map<number, readonly ViewFilter[]>;
  /** The filters of the members on the way. */
  arriving: readonly ViewFilter[];
  placed: readonly ViewFilter[];
}

export interface ViewWatchOptions {
  readonly oracle: ViewOracle;
  /** `null` in a world in which every user sees everything. */
  readonly scopeCheck: ScopeCheck | null;
  readonly broken: (broken: InvariantError) => void;
}

/** The fields of messages that have names, states or operations of objects. */
const objectFields = ['objects', 'leaves', 'states', 'serverStates', 'writes', 'changesets'];

const namesOf = ({ body }: Pick<ServerChangeset, 'body'>): readonly ObjectName[] => {
  const read = decodeOperationsLeniently(body);
  return isRight(read) ? read.right : [];
};

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
  private user = '';

  constructor(
    private readonly oracle: ViewOracle,
    private readonly scopeCheck: ScopeCheck | null,
    /** The names of objects that each replica has changed. */
    private readonly written: Map<string, Set<string>>,
  ) {}

  fromClient(message: ClientMessage): void {
    if (message.type === 'token') this.user = parseToken(message.token).user;
    if (message.type === 'bind') {
      this.bind(message);
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
    this.scopeCheck?.noteUpload(replica, message.changesets);
    const own = this.written.get(replica) ?? new Set();
    this.written.set(replica, own);
    for (const { type, key } of message.changesets.flatMap(namesOf)) own.add(objectTextOf(type, key));
  }

  private bind(message: Bind): void {
    if (message.token !== null) this.user = parseToken(message.token).user;
    const { user } = this;
    const filters = message.view?.filters ?? [];
    if (message.view === undefined) {
      this.sessions.delete(message.session);
      return;
    }
    this.scopeCheck?.noteBind(message.replica, user);
    this.sessions.set(message.session, {
      ...{ bind: message, user, asked: filters, placed: filters, arriving: [] },
      requested: new Map(message.view.number === null ? [] : [[message.view.number, filters]]),
    });
  }

  fromServer(message: ServerMessage): void {
    const view = 'session' in message ? this.sessions.get(message.session ?? -1) : undefined;
    if (view === undefined) return;
    this.scopeCheck?.checkText(view.user, message.type, otherTextOf(message, objectFields));
    this.checkMessage(view, message);
  }

  private checkMessage(view: WatchedView, message: ServerMessage): void {
    switch (message.type) {
      case 'download':
      case 'snapshot':
        throw new InvariantError('a session with a view is sent nothing else', message.type);
      case 'view': {
        this.scopeCheck?.noteView(view.user, message.scope);
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
        this.checkNames(view, message, [...message.states, ...message.leaves, ...message.changesets.flatMap(namesOf)]);
        this.checkStates(view, message, message.states, view.placed);
        return;
      case 'refused':
        this.checkNames(view, message, message.serverStates);
        this.checkRejection(view, message);
        return;
      default:
    }
  }

  private checkRejection({ bind: { replica }, user }: WatchedView, message: WriteRejected): void {
    for (const { type, key, state } of message.serverStates) {
      const text = objectTextOf(type, key);
      this.oracle.noteRejected(text, replica, message.upTo ?? 0);
      if (state === null) this.oracle.noteHidden(text, replica);
      else this.scopeCheck?.checkState(user, message.type, text, decode(state));
    }
    this.scopeCheck?.checkRejection(user, replica, message);
  }

  private checkNames(
    { bind, user, asked }: WatchedView,
    { type }: ServerMessage,
    names: readonly { readonly type: string; readonly key: string | number }[],
  ): void {
    const own = this.written.get(bind.replica);
    for (const name of names) {
      const text = objectTextOf(name.type, name.key);
      if (own?.has(text) === true || this.oracle.hasChanged(text, bind.replica, 0)) continue;
      this.scopeCheck?.checkName(user, type, text);
      if (this.oracle.statesFrom(text, bind.downloadedTo).some((state) => isSelected(asked, text, state))) continue;
      throw new InvariantError(
        'a server names only what a session asked for',
        `${type} for replica ${bind.replica} names ${text}, from version ${bind.downloadedTo}`,
        [text.replace('/s', ' ')],
      );
    }
  }

  private checkStates(
    { bind, user }: WatchedView,
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
      this.scopeCheck?.checkState(user, message.type, text, state);
      if (isAlive(state) && !isSelected(filters, text, state)) fail(`is not in it: ${visibleTextOf(state)}`);
      if (upTo === null || upTo > this.oracle.head()) continue;
      const exact = visibleTextOf(this.oracle.stateAt(text, upTo));
      if (visibleTextOf(state) !== exact) fail(`is ${visibleTextOf(state)} instead of ${exact}`);
    }
  }
}

/** Returns a function that watches all connections of a server. */
export const createViewWatch = ({ oracle, scopeCheck, broken }: ViewWatchOptions) => {
  const written = new Map<string, Set<string>>();
  return (wire: Wire<ClientMessage, ServerMessage>): Wire<ClientMessage, ServerMessage> =>
    (sent$) =>
      new Observable((subscriber) => {
        const watch = new ConnectionWatch(oracle, scopeCheck, written);
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
