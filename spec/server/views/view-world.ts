import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { Values } from '../../../lib/model/value.js';
import type { PlacedView, ViewFilter } from '../../../lib/model/view.js';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import type { ServerOptions, SyncServer } from '../../../lib/server/index.js';
import { createFakeReplica, createTimedServer } from '../fake-replica.js';
import { connect, createBind, summaryOf } from '../test-kit.js';

export const create = (key: string, list: string | null, more: Values = {}): Operation => ({
  kind: 'create',
  ...{ type: 'Task', key, values: { list, ...more } },
});
export const update = (key: string, values: Values): Operation => ({ kind: 'update', type: 'Task', key, values });
export const remove = (key: string): Operation => ({ kind: 'delete', type: 'Task', key });

/** Returns subscriptions to the objects in some lists. */
export const lists = (...names: readonly string[]): readonly ViewFilter[] =>
  names.map((name, at): ViewFilter => ({ id: at + 1, type: 'Task', filter: ['in', 'list', name] }));

export const filterOf = (filter: unknown, id = 1, type = 'Task'): ViewFilter => ({ id, type, filter });

/** A connection whose messages a spec sends one by one. */
export const createViewConnection = (server: SyncServer, replica = 'v', token: string | null = null) => {
  const client = connect(server.wire);
  let position: string | null = null;
  let written = 0;
  const texts: string[] = [];
  const all: ServerMessage[] = [];
  const take = (): readonly ServerMessage[] => {
    const received = client.received();
    for (const message of received) {
      all.push(message);
      if (message.type === 'members') ({ position } = message);
      if (message.type === 'view') position = null;
      if (message.type !== 'accepted') texts.push(summaryOf(message));
    }
    return received;
  };
  return {
    /** All messages so far. */
    all,
    send: (...messages: readonly ClientMessage[]): void => client.send(...messages),
    bind: (view: Partial<PlacedView> = {}, downloadedTo = 0, history: string | null = null): void =>
      client.send(
        createBind({
          replica,
          token,
          downloadedTo,
          history,
          view: { number: null, filters: [], scope: null, ...view },
        }),
      ),
    subscribe: (number: number, filters: readonly ViewFilter[]): void =>
      client.send({ type: 'subscribe', session: 1, number, filters }),
    /** Requests the page after the last one, or after another position. */
    next: (number: number, at?: string | null): void => {
      take();
      client.send({ type: 'next', session: 1, number, position: at === undefined ? position : at });
    },
    position: (): string | null => {
      take();
      return position;
    },
    /** Requests all pages. */
    fetchAll: (number: number): void => {
      take();
      do {
        client.send({ type: 'next', session: 1, number, position });
        if (!take().some(({ type }) => type === 'members')) break;
      } while (position !== null);
    },
    mark: (request: number): void => client.send({ type: 'mark', session: 1, request }),
    received: (version: number): void => client.send({ type: 'received', session: 1, version }),
    write: (time: number, ...operations: readonly Operation[]): void => {
      written += 1;
      const changeset = { version: written, time, count: written, body: encodeOperations(operations) };
      client.send({ type: 'upload', session: 1, changesets: [changeset] });
    },
    /** Returns the messages since the last call in short lines. Those that accept uploads are left out. */
    texts: (): readonly string[] => {
      take();
      return texts.splice(0);
    },
    history: (): string => {
      take();
      return all.flatMap((message) => (message.type === 'bound' ? [message.history] : [])).at(-1) ?? '';
    },
    end: client.end,
    disconnect: client.disconnect,
  };
};

/** A server in virtual time, a replica that writes the whole realm, and clients with views. */
export const createViewWorld = (options: Partial<ServerOptions> = {}) => {
  const made = createTimedServer(options);
  const writer = createFakeReplica('w');
  writer.connect(made.server);
  const write = (...operations: readonly Operation[]): void => writer.write(made.clock.now(), ...operations);
  return {
    ...made,
    writer,
    /** Uploads a changeset with these operations. */
    write,
    /** Uploads changesets that become one page of the history. */
    writePage: (...changesets: readonly (readonly Operation[])[]): void => {
      writer.drop();
      for (const operations of changesets) write(...operations);
      writer.connect(made.server);
    },
    /** Connects a client that has placed a view, whose messages so far are left out. */
    openPlaced: (filters: readonly ViewFilter[], replica = 'v') => {
      const client = createViewConnection(made.server, replica);
      client.bind();
      client.subscribe(1, filters);
      made.pass(10);
      client.fetchAll(1);
      made.pass(10);
      client.texts();
      return client;
    },
  };
};
