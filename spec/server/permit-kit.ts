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

/** Uploads these transactions, from a version on; each is written at the time of its version. */
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

/** No note may be said to be `bad`. */
export const rejectBad: Permit = (_, __, { after }) => after?.['text'] !== 'bad' || 'that is bad';

/** Time that stands still: questions about writes give way to nothing, however slow the machine is. */
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

/** The values that stand instead, as a refusal tells them. */
export const serverValuesOf = (messages: readonly ServerMessage[]): unknown[] =>
  messages.flatMap((message) => {
    if (message.type !== 'refused') return [];
    return message.serverStates.map(({ key, state }) => {
      const decoded = state === null ? null : decodeState(state);
      return [key, decoded !== null && 'right' in decoded ? decoded.right.values : decoded];
    });
  });

/** Everything in the history, as one who has nothing of it is sent it. */
export const historyTextOf = ({ server }: ReturnType<typeof createPermitServer>): string => {
  const reader = connect(server.wire);
  reader.send(createBind({ replica: 'reader' }));
  const [, ...pages] = summariesOf(reader);
  reader.close();
  return pages.join('; ') || 'nothing';
};

/** The id of the history, as a replica knows it that has bound it. */
export const readHistoryId = (server: SyncServer): string => {
  const reader = connect(server.wire);
  reader.send(createBind({ replica: 'asks' }));
  const [message] = reader.received();
  reader.disconnect();
  if (message?.type !== 'bound') throw new Error('not bound');
  return message.history;
};
