import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { createSyncServer, type Permit } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { nextTurn } from '../../client/test-kit.js';
import { createBind, connect } from '../test-kit.js';

const target = { type: 'Note', key: 1 } as const;
const put = (from: number, many: number): Operation => ({
  ...{ kind: 'put', ...target, property: 'labels' },
  entries: Array.from({ length: many }, (_, index) => [`k${from + index}`, 1] as const),
});
const drop = (key: number): Operation => ({ kind: 'drop', ...target, property: 'labels', keys: [`k${key}`] });
const secret: Operation = { kind: 'update', type: 'Secret', key: 1, values: { a: 1 } };

/**
 * Creates a server that allows ten labels in a note and can be restarted, and returns its answers to one page of
 * transactions.
 */
const served = (permit?: Permit) => {
  const storage = memoryStorage();
  let [from, time] = [1, 1];
  return async (...transactions: readonly (readonly Operation[])[]): Promise<readonly string[]> => {
    const server = createSyncServer({ storage, limits: { elementsMax: 10 }, ...(permit && { permit }) });
    const client = connect(server.wire);
    client.send(createBind({ acknowledged: from - 1 }));
    const changesets = transactions.map((operations, at) => ({
      ...{ version: from + at, time: (time += 1), count: 0, body: encodeOperations(operations) },
    }));
    from += transactions.length;
    client.send({ type: 'upload', session: 1, changesets });
    const messages: ServerMessage[] = [];
    for (let turns = 0; turns < 1_000 && messages.at(-1)?.type !== 'accepted'; turns += 1) {
      messages.push(...client.received().filter(({ type }) => ['refused', 'accepted', 'error'].includes(type)));
      await nextTurn();
    }
    client.disconnect();
    await server.close();
    return messages.map((message) =>
      message.type === 'refused' ? `${message.code} ${message.version}` : message.type,
    );
  };
};

describe('the size of an object', () => {
  it('field report E-3: is counted without earlier rejections of permit in the same page', async () => {
    const say = served((_, __, { type }) => type !== 'Secret' || 'nobody may');
    expect(await say([put(0, 8), secret], [put(20, 8)])).toEqual(['not-permitted 1', 'accepted']);
    expect(await say([put(30, 3)])).toEqual(['too-large 3', 'accepted']);
  });

  it('field report E-3: is counted without the elements that an earlier transaction in the same page removes', async () => {
    const say = served();
    expect(await say([put(0, 10)])).toEqual(['accepted']);
    expect(await say([drop(0)], [put(20, 1)])).toEqual(['accepted']);
    expect(await say([put(30, 1)])).toEqual(['too-large 4', 'accepted']);
    expect(await say([drop(1)], [put(40, 1), secret], [drop(2), drop(3)], [put(50, 3)], [put(60, 2)])).toEqual([
      'too-large 8',
      'accepted',
    ]);
  });
});
