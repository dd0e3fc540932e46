import { VirtualTimeScheduler } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import type { Operation } from '../../lib/merge/operation.js';
import { decodeState } from '../../lib/merge/state-codec.js';
import type { Values } from '../../lib/model/value.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import { createSyncServer, type Permit, type ServerEvent, type SyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { createBind, connect, createFaultyStorage, summariesOf, type TestClient } from './test-kit.js';

export const createNote = (key: string, values: Values): Operation => ({ kind: 'create', type: 'Note', key, values });
export const updateNote = (key: string, values: Values): Operation => ({ kind: 'update', type: 'Note', key, values });
export const deleteNote = (key: string): Operation => ({ kind: 'delete', type: 'Note', key });

/** Uploads transactions from a client version on. The time of each equals its version. */
export const sendTransactions = (
  client: TestClient,
  from: number,
  ...transactions: readonly (readonly Operation[])[]
): void =>
  client.send({
    type: 'upload',
    session: 1,
    changesets: transactions.map((operations, index) => ({
      version: from + index,
      time: from + index,
      count: 0,
      body: encodeOperations(operations),
    })),
  });

/** A `permit` function that rejects notes with the text `bad`. */
export const rejectBad: Permit = (_, __, { after }) => after?.['text'] !== 'bad' || 'that is bad';

/** Creates a clock that does not move, so that permit checks never give way to other work on a slow machine. */
const createStillClock = () => ({ ...systemClock, scheduler: new VirtualTimeScheduler() });

export const createPermitServer = (
  permit: Permit = rejectBad,
  storage = createFaultyStorage(memoryStorage()),
  more: object = {},
) => {
  const events: ServerEvent[] = [];
  const server = createSyncServer({
    storage,
    permit,
    clock: createStillClock(),
    log: (event) => events.push(event),
    ...more,
  });
  return { server, storage, events };
};

export const bindToPermitServer = (...given: Parameters<typeof createPermitServer>) => {
  const served = createPermitServer(...given);
  const client = connect(served.server.wire);
  client.send(createBind());
  client.received();
  return { ...served, client };
};

/** Returns the server state that is sent with rejections. */
export const serverValuesOf = (messages: readonly ServerMessage[]): unknown[] =>
  messages.flatMap((message) => {
    if (message.type !== 'refused') return [];
    return message.serverStates.map(({ key, state }) => {
      const decoded = state === null ? null : decodeState(state);
      return [key, decoded !== null && 'right' in decoded ? decoded.right.values : decoded];
    });
  });

/** Returns the text of the whole history, as a new replica receives it. */
export const historyTextOf = ({ server }: ReturnType<typeof createPermitServer>): string => {
  const reader = connect(server.wire);
  reader.send(createBind({ replica: 'reader' }));
  const [, ...pages] = summariesOf(reader);
  reader.close();
  return pages.join('; ') || 'nothing';
};

/** Returns the history id, as a bound replica knows it. */
export const readHistoryId = (server: SyncServer): string => {
  const reader = connect(server.wire);
  reader.send(createBind({ replica: 'asks' }));
  const [message] = reader.received();
  reader.disconnect();
  if (message?.type !== 'bound') throw new Error('not bound');
  return message.history;
};
