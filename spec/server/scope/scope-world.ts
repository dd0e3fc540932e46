import { BehaviorSubject } from 'rxjs';
import type { Operation } from '../../../lib/merge/operation.js';
import type { ObjectName } from '../../../lib/model/changeset.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import type { ServerOptions, SyncServer, VisibleObjects } from '../../../lib/server/index.js';
import { createFakeReplica, createTimedServer } from '../fake-replica.js';
import { createViewConnection, filterOf } from '../views/view-world.js';
import { namesOf } from '../views/view-facts.js';
type Client = ReturnType<typeof createViewConnection>;

export const inTeam = (team: string): VisibleObjects => ({ Task: { team } });
export const all = [filterOf(true)];

/** A server in virtual time, an administrator who writes, and ann, who may see a part. */
export const createScopeWorld = (first: VisibleObjects, options: Partial<ServerOptions> = {}) => {
  const made = createTimedServer();
  let drawn = 0;
  const visible$ = new BehaviorSubject(first);
  const server: SyncServer = made.make({
    clock: { ...made.clock, random: () => (drawn = (drawn + 0.618034) % 1) },
    authenticate: (token) => ({ id: token }),
    authorize: () => 'write',
    scope: ({ id }) => (id === 'ann' ? visible$ : true),
    ...options,
  });
  const writer = createFakeReplica('w', 'admin');
  writer.connect(server);
  const connectAnn = (replica = 'v') => createViewConnection(server, replica, 'ann');
  const { pass } = made;
  return {
    ...{ server, visible$, pass, connectAnn },
    write: (...operations: readonly Operation[]): void => {
      writer.write(made.clock.now(), ...operations);
      pass(10);
    },
    /** Binds the device of a client again, on another connection, with a scope and a cursor. */
    bindAgain: (before: Client, scope: string | null, downloadedTo: number) => {
      const client = connectAnn();
      client.bind({ number: 1, filters: all, scope }, downloadedTo, before.history());
      pass(10);
      client.texts();
      const bound = client.all.flatMap((message) => (message.type === 'bound' ? [message.view] : [])).at(-1);
      return { client, mode: () => bound?.mode, scope: () => bound?.scope };
    },
    /** Connects a device of ann that has all of its objects. */
    openPlaced: () => {
      const client = connectAnn();
      client.bind();
      client.subscribe(1, all);
      pass(10);
      client.fetchAll(1);
      pass(10);
      client.texts();
      return client;
    },
  };
};

export const messagesAfter = (client: Client, act: () => void): readonly ServerMessage[] => {
  client.texts();
  const before = client.all.length;
  act();
  client.texts();
  return client.all.slice(before);
};

export const keysOf = (messages: readonly ServerMessage[]): readonly ObjectName['key'][] =>
  messages.flatMap((message) => namesOf(message).map(({ key }) => key));

export const scopeOf = (client: Client): string | null => {
  client.texts();
  return client.all.flatMap((message) => (message.type === 'view' ? [message.scope] : [])).at(-1) ?? null;
};
