import { createSyncServer, type ServerEvent } from '../../../lib/server/index.js';
import { limits } from '../../../lib/model/limits.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createBind, connect, createChangeset, createFaultyStorage, summariesOf, createUpload } from '../test-kit.js';

const bound = (storage = createFaultyStorage()) => {
  const server = createSyncServer({ storage, log: () => undefined });
  const client = connect(server.wire);
  client.send(createBind());
  client.received();
  return { server, storage, client };
};

/** Returns the whole history of a realm, as a new replica receives it. */
const historyOf = (server: ReturnType<typeof createSyncServer>): string => {
  const reader = connect(server.wire);
  reader.send(createBind({ replica: 'reader' }));
  const [, ...pages] = summariesOf(reader);
  reader.close();
  return pages.join('; ') || 'nothing';
};

describe('an upload', () => {
  it('is accepted when it is durable, and not before', () => {
    const { storage, client } = bound();
    storage.hold();
    client.send(createUpload(1, 3));
    expect(summariesOf(client)).toEqual([]);
    storage.release();
    expect(summariesOf(client)).toEqual(['accepted 3']);
  });

  it('is sent to no other replica before it is durable', () => {
    const { server, storage, client } = bound();
    const other = connect(server.wire);
    other.send(createBind({ replica: 'b' }));
    storage.hold();
    client.send(createUpload(1));
    other.send({ type: 'mark', session: 1, request: 1 });
    expect(summariesOf(other)).toEqual(['bound head 0 accepted 0', 'mark 1 at 0']);
    storage.release();
    expect(summariesOf(other)).toEqual(['download 1a up to 1, 0 left']);
  });

  it('E11 goes in once, however often it is sent', () => {
    const { server, client } = bound();
    client.send(createUpload(1, 3), createUpload(1, 3), createUpload(2, 5), createUpload(1), createUpload(6));
    expect(summariesOf(client)).toEqual(['accepted 3', 'accepted 3', 'accepted 5', 'accepted 5', 'accepted 6']);
    expect(historyOf(server)).toBe('download 1a 2a 3a 4a 5a 6a up to 6, 0 left');
  });

  it('that repeats what is known costs no write', () => {
    const { storage, client } = bound();
    client.send(createUpload(1, 3));
    const before = storage.written();
    client.send(createUpload(1, 3), createUpload(2));
    expect(storage.written()).toBe(before);
  });

  it('is stored once when it is sent again while the first one is pending', () => {
    const { server, storage, client } = bound();
    storage.hold();
    client.send(createUpload(1), createUpload(1), createUpload(1, 2));
    storage.release();
    expect(summariesOf(client)).toEqual(['accepted 1', 'accepted 2']);
    expect(historyOf(server)).toBe('download 1a 2a up to 2, 0 left');
  });

  it('with a gap before it ends the session, and nothing of it goes in', () => {
    const { server, client } = bound();
    client.send(createUpload(1), createUpload(3));
    expect(summariesOf(client)).toEqual(['accepted 1', 'error bad-cursor, never']);
    expect(historyOf(server)).toBe('download 1a up to 1, 0 left');
  });

  it('with a gap in it ends the session', () => {
    const { server, client } = bound();
    client.send({ type: 'upload', session: 1, changesets: [createChangeset(1), createChangeset(3)] });
    expect(summariesOf(client)).toEqual(['error bad-cursor, never']);
    expect(historyOf(server)).toBe('nothing');
  });

  it('with a stamp too far ahead of the clock ends the session', () => {
    const clock = { scheduler: undefined as never, random: Math.random, now: () => 1_000 };
    const scheduler = { now: () => 0, schedule: () => ({ unsubscribe: () => undefined }) as never };
    const server = createSyncServer({
      storage: memoryStorage(),
      clock: { ...clock, scheduler },
      limits: { stampAheadMsMax: 50 },
    });
    const client = connect(server.wire);
    client.send(createBind(), { type: 'upload', session: 1, changesets: [createChangeset(1, 'in time', 1_050)] });
    client.send({
      type: 'upload',
      session: 1,
      changesets: [createChangeset(2, 'fine', 0), createChangeset(3, 'early', 1_051)],
    });
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'accepted 1', 'error stamped-ahead, later']);
    expect(historyOf(server)).toBe('download 1a up to 1, 0 left');
  });

  it('with a body that fits no frame is rejected', () => {
    const { client } = bound();
    const body = new Uint8Array(limits.changesetBytesMax + 1);
    client.send({ type: 'upload', session: 1, changesets: [{ ...createChangeset(1), body }] });
    expect(summariesOf(client)).toEqual(['refused 1', 'accepted 1']);
  });

  it('of nothing, or of more than a page, is against the protocol', () => {
    const empty = bound().client;
    empty.send({ type: 'upload', session: 1, changesets: [] });
    expect(empty.end()).toBe(4400);
    const large = bound().client;
    large.send(createUpload(1, limits.pageChangesetsMax + 1));
    expect(large.end()).toBe(4400);
    const ofBytes = (size: number) => {
      const { client } = bound();
      const body = new Uint8Array(size - 32);
      client.send({ type: 'upload', session: 1, changesets: [{ ...createChangeset(1), body }, createChangeset(2)] });
      return client;
    };
    expect(summariesOf(ofBytes(serverLimits.uploadBytesMax - 1))).toContain('accepted 2');
    expect(ofBytes(serverLimits.uploadBytesMax).end()).toBe(4400);
  });

  it('goes in also when its client is gone', () => {
    const { server, storage, client } = bound();
    storage.hold();
    client.send(createUpload(1, 2), createUpload(3));
    client.disconnect();
    const back = connect(server.wire);
    back.send(createBind());
    storage.release();
    back.send({ type: 'unbind', session: 1 }, createBind());
    expect(summariesOf(back)).toEqual([
      'bound head 3 accepted 3',
      'download nothing up to 3, 0 left',
      'unbound',
      'bound head 3 accepted 3',
      'download nothing up to 3, 0 left',
    ]);
  });

  it('has a bounded queue: the connection of a client that sends too much is closed', () => {
    const { storage, client } = bound();
    storage.hold();
    for (let version = 1; version <= limits.pagesInFlightMax; version += 1) client.send(createUpload(version));
    expect(client.end()).toBe('open');
    client.send(createUpload(limits.pagesInFlightMax + 1));
    expect(client.end()).toBe(4429);
    storage.release(); // A server that waits for its storage keeps the process running.
  });

  it('leaves room again when it is accepted', () => {
    const { storage, client } = bound();
    for (let round = 0; round < 3; round += 1) {
      storage.hold();
      for (let page = 1; page <= limits.pagesInFlightMax; page += 1)
        client.send(createUpload(round * limits.pagesInFlightMax + page));
      storage.release();
    }
    expect(client.end()).toBe('open');
    expect(summariesOf(client).at(-1)).toBe(`accepted ${3 * limits.pagesInFlightMax}`);
  });
});

describe('uploads that come together', () => {
  it('share a batch, and each replica receives one answer', () => {
    const { server, storage, client } = bound();
    const other = connect(server.wire);
    other.send(createBind({ replica: 'b' }));
    other.received();
    const before = storage.written();
    storage.hold();
    client.send(createUpload(1));
    client.send(createUpload(2), createUpload(3, 4));
    other.send(createUpload(1), createUpload(2));
    storage.release();
    expect(storage.written() - before).toBe(2);
    expect(summariesOf(client)).toEqual(['accepted 1', 'download 5b 6b up to 6, 0 left', 'accepted 4']);
    expect(summariesOf(other)).toEqual([
      'download 1a up to 1, 0 left',
      'download 2a 3a 4a up to 6, 0 left',
      'accepted 2',
    ]);
    expect(historyOf(server)).toBe('download 1a 2a 3a 4a 5b 6b up to 6, 0 left');
  });

  it('do not suffer from one among them that has a gap', () => {
    const { server, storage, client } = bound();
    const other = connect(server.wire);
    other.send(createBind({ replica: 'b' }));
    other.received();
    storage.hold();
    client.send(createUpload(1));
    other.send(createUpload(7));
    client.send(createUpload(2));
    storage.release();
    expect(summariesOf(other)).toContain('error bad-cursor, never');
    expect(summariesOf(client)).toEqual(['accepted 1', 'accepted 2']);
  });
});

describe('a storage that fails', () => {
  it('acknowledges nothing, ends the session to be tried again later, and changes nothing', () => {
    const events: ServerEvent[] = [];
    const storage = createFaultyStorage();
    const server = createSyncServer({ storage, log: (event) => events.push(event) });
    const client = connect(server.wire);
    const other = connect(server.wire);
    client.send(createBind(), createUpload(1));
    other.send(createBind({ replica: 'b' }));
    storage.fail(true);
    client.send(createUpload(2), createUpload(3));
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'accepted 1', 'error internal, later']);
    expect(summariesOf(other)).toEqual(['bound head 1 accepted 0', 'download 1a up to 1, 0 left']);
    expect(events).toMatchObject([{ level: 'error', event: 'failed', realm: 'team', error: { code: 'storage' } }]);

    storage.fail(false);
    client.send(createBind(), createUpload(2));
    expect(summariesOf(client)).toEqual(['bound head 1 accepted 1', 'download nothing up to 1, 0 left', 'accepted 2']);
    expect(summariesOf(other)).toEqual(['download 2a up to 2, 0 left']);
  });

  it('fails the sessions of one batch together, and no later one', () => {
    const { server, storage, client } = bound();
    const other = connect(server.wire);
    other.send(createBind({ replica: 'b' }));
    storage.hold();
    client.send(createUpload(1));
    client.send(createUpload(2));
    other.send(createUpload(1));
    storage.fail(true);
    storage.release();
    storage.fail(false);
    expect(summariesOf(client)).toEqual(['error internal, later']);
    expect(summariesOf(other).at(-1)).toBe('error internal, later');
    client.send(createBind(), createUpload(1, 2));
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'accepted 2']);
  });

  it('does not make a realm by halves', () => {
    const storage = createFaultyStorage();
    const client = connect(createSyncServer({ storage, log: () => undefined }).wire);
    storage.fail(true);
    client.send(createBind());
    storage.fail(false);
    client.send(createBind());
    expect(summariesOf(client)).toEqual(['error internal, later', 'bound head 0 accepted 0']);
  });
});
