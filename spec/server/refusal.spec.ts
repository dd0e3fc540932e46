import { encodeOperations } from '../../lib/merge/body.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { bound, create, historyId, historyOf, noBad, say, serving, standingIn, update } from './permitkit.js';
import { bind, call, faultyStorage, short } from './support.js';

describe('a refusal', () => {
  it('is durable before it is told', () => {
    const { client, storage } = bound();
    storage.hold();
    say(client, 1, [create('a', { text: 'bad' })]);
    expect(short(client)).toEqual([]);
    storage.letGo();
    expect(short(client)).toEqual(['refused 1', 'accepted 1']);
  });

  it('E9 is told again after every bind until it is acknowledged, also by a server that was started again, with what stands then', () => {
    const served = bound();
    say(served.client, 1, [create('a', { text: 'good' })], [update('a', { text: 'bad' })], [update('a', { more: 1 })]);
    expect(short(served.client)).toEqual(['refused 2', 'accepted 3']);
    served.client.drop();
    for (const { server } of [served, serving(noBad, served.storage), serving(() => true, served.storage)]) {
      const again = call(server.wire);
      again.say(bind({ acknowledged: 1, history: historyId(server) }));
      expect(short(again)[0]).toMatch(/^bound head \d accepted 1$/);
      say(again, 2, [update('a', { text: 'bad' })], [update('a', { more: 1 })]);
      const messages = again.heard();
      expect(messages).toMatchObject([
        { type: 'refused', version: 2, writes: [{ key: 'a', reason: 'that is bad' }] },
        { type: 'accepted', version: 3 },
      ]);
      expect(standingIn(messages)).toEqual([['a', { text: 'good', more: 1 }]]);
      again.drop();
    }
    const knowing = call(served.server.wire);
    knowing.say(bind({ acknowledged: 2, history: historyId(served.server) }));
    expect(short(knowing)[0]).toBe('bound head 2 accepted 3');
    say(knowing, 2, [update('a', { text: 'bad' })]);
    expect(short(knowing)).toEqual(['accepted 3']);
    knowing.drop();
    const later = call(serving(noBad, served.storage).server.wire);
    later.say(bind({ acknowledged: 0, history: historyId(served.server) }));
    expect(short(later)[0]).toBe('bound head 2 accepted 3');
  });

  it('of which too many are not acknowledged ends the session, and the next bind makes room', () => {
    const storage = faultyStorage(memoryStorage());
    const served = bound(noBad, storage, { limits: { refusalsPendingMax: 2 } });
    const bad = [create('a', { text: 'bad' })];
    say(served.client, 1, bad, [create('b', {})], bad, bad, bad);
    expect(short(served.client)).toEqual(['refused 1', 'refused 3', 'error too-many-refused, after 0']);
    served.client.say(bind({ session: 2, acknowledged: 3, history: historyId(served.server) }));
    expect(short(served.client)[0]).toBe('#2 bound head 1 accepted 3');
    served.client.say(
      { type: 'unbind', session: 2 },
      bind({ session: 3, acknowledged: 3, history: historyId(served.server) }),
    );
    served.client.heard();
    served.client.say({
      type: 'upload',
      session: 3,
      changesets: [4, 5].map((version) => ({ version, time: version, count: 0, body: encodeOperations(bad) })),
    });
    expect(short(served.client)).toEqual(['#3 refused 4', '#3 refused 5', '#3 accepted 5']);
    expect(historyOf(served)).toBe('download 1a up to 1, 0 left');
  });

  it('is told before anything after it is said to be accepted, also when a later page of the same batch is too much', () => {
    const storage = faultyStorage(memoryStorage());
    const { client } = bound(noBad, storage, { limits: { refusalsPendingMax: 2 } });
    const [good, bad] = [[create('b', {})], [create('a', { text: 'bad' })]];
    storage.hold();
    say(client, 1, good);
    // These two wait for the first one, and become one batch; the second page of it is not dealt with to its end.
    say(client, 2, good, bad);
    say(client, 4, good, bad, bad);
    storage.letGo();
    const said = short(client);
    expect(said).toEqual([
      'accepted 1',
      ...['refused 3', 'accepted 3'],
      ...['refused 5', 'error too-many-refused, after 0'],
    ]);
  });

  it('counts for what the next transactions in the same page are shown', () => {
    const seen: unknown[] = [];
    const { client } = bound((_, __, { before, after }) => {
      seen.push(before);
      return after?.['text'] !== 'bad' || 'bad';
    });
    say(
      client,
      1,
      [create('a', { text: 'one' })],
      [update('a', { text: 'bad' })],
      [update('a', { text: 'two' })],
      [update('a', { text: 'three' })],
    );
    expect(seen).toEqual([null, { text: 'one' }, { text: 'one' }, { text: 'two' }]);
  });
});
