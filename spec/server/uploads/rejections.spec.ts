import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import {
  bindToPermitServer,
  createNote,
  readHistoryId,
  historyTextOf,
  rejectBad,
  sendTransactions,
  createPermitServer,
  serverValuesOf,
  updateNote,
} from '../permit-kit.js';
import { createBind, connect, createFaultyStorage, summariesOf } from '../test-kit.js';

describe('a rejection', () => {
  it('is durable before it is sent', () => {
    const { client, storage } = bindToPermitServer();
    storage.hold();
    sendTransactions(client, 1, [createNote('a', { text: 'bad' })]);
    expect(summariesOf(client)).toEqual([]);
    storage.release();
    expect(summariesOf(client)).toEqual(['refused 1', 'accepted 1']);
  });

  it('E9 is sent again after every bind until it is acknowledged, also after a server restart, with the server state of that time', () => {
    const served = bindToPermitServer();
    sendTransactions(
      served.client,
      1,
      [createNote('a', { text: 'good' })],
      [updateNote('a', { text: 'bad' })],
      [updateNote('a', { more: 1 })],
    );
    expect(summariesOf(served.client)).toEqual(['refused 2', 'accepted 3']);
    served.client.disconnect();
    for (const { server } of [
      served,
      createPermitServer(rejectBad, served.storage),
      createPermitServer(() => true, served.storage),
    ]) {
      const again = connect(server.wire);
      again.send(createBind({ acknowledged: 1, history: readHistoryId(server) }));
      expect(summariesOf(again)[0]).toMatch(/^bound head \d accepted 1$/);
      sendTransactions(again, 2, [updateNote('a', { text: 'bad' })], [updateNote('a', { more: 1 })]);
      const messages = again.received();
      expect(messages).toMatchObject([
        { type: 'refused', version: 2, writes: [{ key: 'a', reason: 'that is bad' }] },
        { type: 'accepted', version: 3 },
      ]);
      expect(serverValuesOf(messages)).toEqual([['a', { text: 'good', more: 1 }]]);
      again.disconnect();
    }
    const knowing = connect(served.server.wire);
    knowing.send(createBind({ acknowledged: 2, history: readHistoryId(served.server) }));
    expect(summariesOf(knowing)[0]).toBe('bound head 2 accepted 3');
    sendTransactions(knowing, 2, [updateNote('a', { text: 'bad' })]);
    expect(summariesOf(knowing)).toEqual(['accepted 3']);
    knowing.disconnect();
    const later = connect(createPermitServer(rejectBad, served.storage).server.wire);
    later.send(createBind({ acknowledged: 0, history: readHistoryId(served.server) }));
    expect(summariesOf(later)[0]).toBe('bound head 2 accepted 3');
  });

  it('of which too many are not acknowledged ends the session, and the next bind makes room', () => {
    const storage = createFaultyStorage(memoryStorage());
    const served = bindToPermitServer(rejectBad, storage, { limits: { rejectionsPendingMax: 2 } });
    const bad = [createNote('a', { text: 'bad' })];
    sendTransactions(served.client, 1, bad, [createNote('b', {})], bad, bad, bad);
    expect(summariesOf(served.client)).toEqual(['refused 1', 'refused 3', 'error too-many-refused, after 0']);
    served.client.send(createBind({ session: 2, acknowledged: 3, history: readHistoryId(served.server) }));
    expect(summariesOf(served.client)[0]).toBe('#2 bound head 1 accepted 3');
    served.client.send(
      { type: 'unbind', session: 2 },
      createBind({ session: 3, acknowledged: 3, history: readHistoryId(served.server) }),
    );
    served.client.received();
    served.client.send({
      type: 'upload',
      session: 3,
      changesets: [4, 5].map((version) => ({ version, time: version, count: 0, body: encodeOperations(bad) })),
    });
    expect(summariesOf(served.client)).toEqual(['#3 refused 4', '#3 refused 5', '#3 accepted 5']);
    expect(historyTextOf(served)).toBe('download 1a up to 1, 0 left');
  });

  it('is sent before a later changeset is acknowledged, also when a later page of the same batch has too many', () => {
    const storage = createFaultyStorage(memoryStorage());
    const { client } = bindToPermitServer(rejectBad, storage, { limits: { rejectionsPendingMax: 2 } });
    const [good, bad] = [[createNote('b', {})], [createNote('a', { text: 'bad' })]];
    storage.hold();
    sendTransactions(client, 1, good);
    // Two pages wait for the first one and become one batch; the second page is not processed completely.
    sendTransactions(client, 2, good, bad);
    sendTransactions(client, 4, good, bad, bad);
    storage.release();
    const summaries = summariesOf(client);
    expect(summaries).toEqual([
      'accepted 1',
      ...['refused 3', 'accepted 3'],
      ...['refused 5', 'error too-many-refused, after 0'],
    ]);
  });

  it('counts for what the next transactions in the same page are shown', () => {
    const asked: unknown[] = [];
    const { client } = bindToPermitServer((_, __, { before, after }) => {
      asked.push(before);
      return after?.['text'] !== 'bad' || 'bad';
    });
    sendTransactions(
      client,
      1,
      [createNote('a', { text: 'one' })],
      [updateNote('a', { text: 'bad' })],
      [updateNote('a', { text: 'two' })],
      [updateNote('a', { text: 'three' })],
    );
    expect(asked).toEqual([null, { text: 'one' }, { text: 'one' }, { text: 'two' }]);
  });
});
