import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { limits } from '../../../lib/model/limits.js';
import { createSyncServer, type ServerLimits } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { nextTurn } from '../../client/test-kit.js';
import { createBind, connect, summariesOf } from '../test-kit.js';

const target = { type: 'Note', key: 1 } as const;
const insert = (at: number, many: number): Operation => ({
  ...{ kind: 'insert', ...target, property: 'tags', run: ['a0', 'r'] },
  keys: Array.from({ length: many }, (_, index) => `a${at}${String(index).padStart(6, '0')}1`),
  values: new Array<number>(many).fill(1),
});
const put = (from: number, many: number): Operation => ({
  ...{ kind: 'put', ...target, property: 'labels' },
  entries: Array.from({ length: many }, (_, index) => [`k${from + index}`, 1] as const),
});
const drop = (key: number): Operation => ({ kind: 'drop', ...target, property: 'labels', keys: [`k${key}`] });
const text = (property: string, kilobytes: number): Operation => ({
  ...{ kind: 'update', ...target },
  values: { [property]: 'x'.repeat(kilobytes * 1_024) },
});

/** Creates a realm on a server with these limits, and clients that receive their rejections. */
const served = (given: Partial<ServerLimits> = {}, permit?: () => true) => {
  const storage = memoryStorage();
  const server = createSyncServer({ storage, limits: given, ...(permit && { permit }) });
  const versions = new Map<string, number>();
  let time = 1_000;
  return async (replica: string, ...operations: readonly Operation[]): Promise<string[]> => {
    const client = connect(server.wire);
    client.send(createBind({ replica }));
    const version = (versions.get(replica) ?? 0) + 1;
    versions.set(replica, version);
    client.received();
    const body = encodeOperations(operations);
    client.send({ type: 'upload', session: 1, changesets: [{ version, time: (time += 1), count: 0, body }] });
    const messages: ServerMessage[] = [];
    // A large object is checked in several event-loop turns.
    for (let turns = 0; turns < 10_000 && messages.at(-1)?.type !== 'accepted'; turns += 1) {
      messages.push(...client.received().filter(({ type }) => ['refused', 'accepted', 'error'].includes(type)));
      await nextTurn();
    }
    client.disconnect();
    return messages.map((message) =>
      message.type === 'refused'
        ? `${message.code}: ${message.writes.map(({ reason }) => reason).join()}`
        : message.type,
    );
  };
};

describe('a server', () => {
  it('field report E-3: rejects a list with more elements than clients may create', async () => {
    const say = served();
    expect(await say('a', insert(1, limits.elementsMax + 1))).toEqual([
      `too-large: tags would have ${limits.elementsMax + 1} elements. At most ${limits.elementsMax} are accepted.`,
      'accepted',
    ]);
    expect(await say('b', insert(1, limits.elementsMax))).toEqual(['accepted']);
    expect(await say('c', insert(2, 1))).toEqual([expect.stringContaining('100001 elements'), 'accepted']);
  });

  it.each([
    ['asks nobody', undefined],
    ['asks permit', () => true as const],
  ])(
    'field report E-3: rejects what takes a collection over the limit, whichever user wrote the rest, and %s',
    async (_, permit) => {
      const say = served({ elementsMax: 10 }, permit);
      expect(await say('a', insert(1, 6), put(0, 6))).toEqual(['accepted']);
      expect(await say('b', insert(2, 5))).toEqual([
        expect.stringContaining('tags would have 11 elements'),
        'accepted',
      ]);
      expect(await say('c', put(3, 7))).toEqual(['accepted']); // The object has three of them.
      expect(await say('d', put(10, 1))).toEqual([
        expect.stringContaining('labels would have 11 elements'),
        'accepted',
      ]);
      expect(await say('e', drop(0), put(20, 1))).toEqual(['accepted']);
      expect(await say('f', insert(3, 4))).toEqual(['accepted']);
      expect(await say('g', insert(4, 1))).toEqual([expect.stringContaining('11 elements'), 'accepted']);
    },
  );

  it('field report B-4, E-3: rejects a change that makes an object larger than clients may', async () => {
    const say = served({ objectBytesMax: 100 * 1_024 });
    expect(await say('a', text('one', 60))).toEqual(['accepted']);
    expect(await say('b', text('two', 60))).toEqual([
      expect.stringMatching(/^too-large: .* 12\d+ bytes.* 102400 /),
      'accepted',
    ]);
    expect(await say('c', text('one', 90))).toEqual(['accepted']);
    for (let at = 0; at < 8; at += 1) expect(await say('d', text(`p${at}`, 1))).toEqual(['accepted']);
    expect(await say('d', text('p8', 1), text('p9', 1))).toEqual([expect.stringContaining('too-large'), 'accepted']);
  });

  it.each([
    ['operations', { operationsMax: 3 }, [1, 2, 3, 4].map((at) => text(`p${at}`, 0)), /4 operations, at most 3/],
    ['values', { valuesMax: 100 }, [insert(1, 60)], /more than 100 values/],
    ['bytes', { changesetBytesMax: 2_048 }, [text('one', 2)], /20\d\d bytes\. At most 2048/],
  ] as const)(
    'field report E-2: rejects a changeset of too many %s, and names the touched objects',
    async (_, given, operations, reason) => {
      const say = served(given);
      expect(await say('a', ...operations)).toEqual([expect.stringMatching(reason), 'accepted']);
      expect(await say('b', text('one', 0))).toEqual(['accepted']);
    },
  );

  it('sends the limits when a realm is bound', () => {
    const server = createSyncServer({
      storage: memoryStorage(),
      limits: { elementsMax: 7, frameBytesMax: 512 * 1_024 },
    });
    const client = connect(server.wire);
    client.send(createBind());
    const [bound] = client.received();
    const { operationsMax, valuesMax, objectBytesMax } = limits;
    expect(bound).toMatchObject({
      limits: { changesetBytesMax: 448 * 1_024, operationsMax, valuesMax, elementsMax: 7, objectBytesMax },
    });
    expect(summariesOf(client)).toEqual([]);
  });
});
