import { VirtualTimeScheduler } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { encodeOperations } from '../../lib/merge/body.js';
import type { Operation } from '../../lib/merge/operation.js';
import { decodeState } from '../../lib/merge/state.js';
import type { Values } from '../../lib/model/value.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import { createSyncServer, type Permit, type ServerEvent, type SyncServer } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { bind, call, faultyStorage, short, type Caller } from './support.js';

export const create = (key: string, values: Values): Operation => ({ kind: 'create', type: 'Note', key, values });
export const update = (key: string, values: Values): Operation => ({ kind: 'update', type: 'Note', key, values });
export const remove = (key: string): Operation => ({ kind: 'delete', type: 'Note', key });

/** Uploads these transactions, from a version on; each is written at the time of its version. */
export const say = (client: Caller, from: number, ...transactions: readonly (readonly Operation[])[]): void =>
  client.say({
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
export const noBad: Permit = (_, __, { after }) => after?.['text'] !== 'bad' || 'that is bad';

/** Time that stands still: questions about writes give way to nothing, however slow the machine is. */
const still = () => ({ ...systemClock, scheduler: new VirtualTimeScheduler() });

export const serving = (permit: Permit = noBad, storage = faultyStorage(memoryStorage()), more: object = {}) => {
  const events: ServerEvent[] = [];
  const server = createSyncServer({ storage, permit, clock: still(), log: (event) => events.push(event), ...more });
  return { server, storage, events };
};

export const bound = (...given: Parameters<typeof serving>) => {
  const served = serving(...given);
  const client = call(served.server.wire);
  client.say(bind());
  client.heard();
  return { ...served, client };
};

/** The values that stand instead, as a refusal tells them. */
export const standingIn = (messages: readonly ServerMessage[]): unknown[] =>
  messages.flatMap((message) => {
    if (message.type !== 'refused') return [];
    return message.standing.map(({ key, state }) => {
      const decoded = state === null ? null : decodeState(state);
      return [key, decoded !== null && 'right' in decoded ? decoded.right.values : decoded];
    });
  });

/** Everything in the history, as one who has nothing of it is sent it. */
export const historyOf = ({ server }: ReturnType<typeof serving>): string => {
  const reader = call(server.wire);
  reader.say(bind({ replica: 'reader' }));
  const [, ...pages] = short(reader);
  reader.hangUp();
  return pages.join('; ') || 'nothing';
};

/** The id of the history, as a replica knows it that has bound it. */
export const historyId = (server: SyncServer): string => {
  const reader = call(server.wire);
  reader.say(bind({ replica: 'asks' }));
  const [message] = reader.heard();
  reader.drop();
  if (message?.type !== 'bound') throw new Error('not bound');
  return message.history;
};
