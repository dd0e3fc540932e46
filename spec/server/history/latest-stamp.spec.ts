import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Changeset } from '../../../lib/model/changeset.js';
import { createSyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createBind, connect, summariesOf } from '../test-kit.js';

const body = (...keys: readonly number[]) =>
  encodeOperations(keys.map((key) => ({ kind: 'create', type: 'Note', key, values: {} })));

/** Returns the answers to changesets of one replica. */
const answersTo = (...stamps: readonly (readonly [time: number, count: number, operations?: number])[]) => {
  const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
  client.send(createBind());
  client.received();
  const changesets = stamps.map(([time, count, operations = 1], at): Changeset => ({
    ...{ version: at + 1, time, count },
    body: body(...Array.from({ length: operations }, (_, index) => 10 * at + index)),
  }));
  client.send({ type: 'upload', session: 1, changesets });
  return summariesOf(client);
};

describe('the stamps of a replica', () => {
  it('field report E-8: are rejected above 2^52, where a clock continues with the next millisecond', () => {
    expect(answersTo([1, 2 ** 52], [2, 2 ** 52 + 1], [3, 2 ** 53 - 1], [4, 0])).toEqual([
      'refused 2',
      'refused 3',
      'accepted 4',
    ]);
  });

  it('field report E-8: are rejected when they do not rise, also within the stamps of another changeset', () => {
    expect(answersTo([5, 0], [5, 0], [5, 0], [4, 9], [5, 1, 3], [5, 3], [5, 4])).toEqual([
      'refused 2',
      'refused 3',
      'refused 4',
      'refused 6',
      'accepted 7',
    ]);
  });

  it('field report E-8: have to rise from one upload to the next, and after a server was started again', () => {
    const storage = memoryStorage();
    const describeInstant = (version: number, count: number): string[] => {
      const client = connect(createSyncServer({ storage }).wire);
      client.send(createBind({ acknowledged: 0 }));
      client.received();
      client.send({ type: 'upload', session: 1, changesets: [{ version, time: 1, count, body: body(version) }] });
      const answers = summariesOf(client);
      client.disconnect();
      return answers.filter((answer) => !answer.startsWith('download'));
    };
    expect([describeInstant(1, 7), describeInstant(2, 7), describeInstant(3, 8)]).toEqual([
      ['accepted 1'],
      ['refused 2', 'accepted 2'],
      expect.arrayContaining(['accepted 3']),
    ]);
  });
});
