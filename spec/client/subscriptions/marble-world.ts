import { concat, EMPTY, map, NEVER, Observable, Subject, type Subscriber } from 'rxjs';
import {
  createSubscriptions,
  createSyncClient,
  memoryStorage,
  openRealm$,
  type Realm,
  type Storage,
  type SyncSession,
} from '../../../lib/index.js';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import type { ViewRejection } from '../../../lib/model/view.js';
import type { MarbleHelpers } from '../../../lib/testing/marbles.js';
import { ConnectionError, type Wire } from '../../../lib/transport/wire.js';
import { boundFields } from '../../protocol/bound-fields.js';

/*
 * A device in virtual time, with a server that a spec answers for. The letters: p pending, b bootstrapping, c complete,
 * r rejected, s removed.
 */

export const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', list: 'string' } },
  Note: { primaryKey: 'id', properties: { id: 'string' } },
} as const;
export type Tasks = Realm<typeof schema, SyncSession>;

const letters: Readonly<Record<string, string>> = {
  pending: 'p',
  bootstrapping: 'b',
  complete: 'c',
  rejected: 'r',
  removed: 's',
};

/** Returns the letters of states. */
export const toLetters = (state$: Observable<string>): Observable<string> =>
  state$.pipe(map((state) => letters[state] ?? '?'));

type ViewFields = Partial<Extract<ServerMessage, { type: 'view' }>>;

/** A server of one device, which does what a spec says. */
export class SpokenServer {
  /** The sets that it answers with all their members, at once. */
  readonly answered = new Set<number>();
  readonly sent: ClientMessage[] = [];
  #line: Subscriber<ServerMessage> | null = null;
  #number = 0;
  #session = 0;
  /** Fields of the next `bound`. */
  bound: object = {};

  readonly wire: Wire<ClientMessage, ServerMessage> = (messages$) =>
    new Observable((subscriber) => {
      this.#line = subscriber;
      return messages$.subscribe((message) => this.#receive(message));
    });

  /** Announces members: `objects` of them, and without some subscriptions. */
  announce(objects: number, rejections: readonly ViewRejection[] = [], fields: ViewFields = {}): void {
    const usual = { version: 1, scope: null, mode: 'difference', objects, rejections } as const;
    this.#say({ type: 'view', session: this.#session, number: this.#number, ...usual, ...fields });
  }

  /** Sends the last page of members. */
  sendLastPage(upTo = 1): void {
    const empty = { objects: [], leaves: [], remaining: 0, bytes: 0 };
    this.#say({ type: 'members', session: this.#session, number: this.#number, ...empty, position: null, upTo });
  }

  /** Sends a page of members that is not the last one. */
  sendPage(position: string): void {
    const empty = { objects: [], leaves: [], remaining: 1, bytes: 0 };
    this.#say({ type: 'members', session: this.#session, number: this.#number, ...empty, position, upTo: null });
  }

  /** Breaks the connection. */
  cut(): void {
    this.#line?.error(new ConnectionError({ kind: 'closed', code: 1006, text: '' }));
  }

  fail(code: string): void {
    this.#say({ type: 'error', session: this.#session, code, text: 'said by the spec', retry: 'never' });
  }

  #say(message: ServerMessage): void {
    this.#line?.next(message);
  }

  #receive(message: ClientMessage): void {
    this.sent.push(message);
    if (message.type === 'bind') {
      this.#session = message.session;
      const mode = message.view?.number === null ? 'resync' : 'continue';
      this.#say({
        ...{ type: 'bound', session: message.session, history: 'h', head: 1, headBytes: 0, frameBytesMax: 1e6 },
        ...{ accepted: message.acknowledged, serverTime: 0, snapshot: null, view: { mode, scope: null } },
        ...boundFields,
        ...this.bound,
      });
    }
    if (message.type === 'subscribe') {
      this.#number = message.number;
      if (this.answered.has(message.number))
        this.announce(0, [], { mode: message.number === 1 ? 'resync' : 'difference' });
    }
    if (message.type === 'next' && this.answered.has(message.number)) this.sendLastPage();
    if (message.type === 'mark')
      this.#say({ type: 'mark', session: message.session, request: message.request, version: 1 });
  }
}

export interface MarbleWorld {
  readonly realm: Tasks;
  readonly server: SpokenServer;
  readonly disk: Storage;
  /** Closes the realm and opens it again on the same storage, without a connection. */
  readonly reopen: () => Tasks;
}

const openNow = (disk: Storage, wire: Observable<Wire<ClientMessage, ServerMessage>>, m: MarbleHelpers): Tasks => {
  const client = createSyncClient({ dial: wire, clock: m.clock });
  let realm: Tasks | undefined;
  openRealm$({
    schema,
    storage: disk,
    sync: { client, realm: 'tasks', stopPolicy: 'immediately' },
    subscriptions: createSubscriptions<typeof schema>({
      initial: (edit) => edit.set('Task', { where: { list: 'inbox' } }, { name: 'inbox' }),
    }),
  }).subscribe((opened) => (realm = opened));
  if (!realm) throw new Error('memory opens at once');
  return realm;
};

/** A device with the inbox, whose first set is placed, if the server is to place it. */
export const createMarbleWorld = (m: MarbleHelpers, isFirstPlaced = true): MarbleWorld => {
  const server = new SpokenServer();
  if (isFirstPlaced) server.answered.add(1);
  const disk: Storage = { ...memoryStorage(), close: () => EMPTY };
  const dials = new Subject<never>();
  const realm = openNow(disk, concat(m.cold('(w|)', { w: server.wire }), dials), m);
  return {
    ...{ realm, server, disk },
    reopen: () => {
      void realm.close();
      return openNow(disk, NEVER, m);
    },
  };
};
