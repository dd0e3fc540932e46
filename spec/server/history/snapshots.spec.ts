import type { Operation } from '../../../lib/merge/operation.js';
import type { Values } from '../../../lib/model/value.js';
import { createFakeReplica, second, createTimedServer, type FakeReplica } from '../fake-replica.js';

const put = (key: number, values: Values): Operation => ({ kind: 'create', type: 'Note', key, values });
const long = 'x'.repeat(100);

/** Creates a realm with few objects and a long history, whose projection is at the head. */
const old = (objects: number, changes: number, more: Parameters<typeof createTimedServer>[0] = {}) => {
  const world = createTimedServer({ ...more, limits: { projectionLagBytesMax: 1_024, ...more.limits } });
  const writer = createFakeReplica('writer');
  for (let n = 0; n < changes; n += 1) writer.write(world.clock.now(), put(n % objects, { n, long }));
  while (writer.unsent() > 0) writer.connect(world.server);
  world.pass(10 * second);
  return { ...world, writer };
};

/** Writes enough changes that the projection advances. */
const goOn = ({ writer, clock }: Pick<ReturnType<typeof old>, 'writer' | 'clock'>): void => {
  for (let n = 0; n < 20; n += 1) writer.write(clock.now(), put(1, { later: n, long }));
};

const pagesOf = ({ received }: FakeReplica) =>
  received.flatMap((message) => (message.type === 'snapshot' ? [message] : []));
const lastError = ({ received }: FakeReplica) =>
  received.flatMap((message) => (message.type === 'error' ? [message.code] : [])).at(-1);

describe('a replica that has nothing', () => {
  it('of a realm with few objects and a long past downloads the objects, not the past', () => {
    const { server, writer } = old(1_000, 30_000);
    const reader = createFakeReplica('reader');
    reader.connect(server);
    expect(reader.states).toEqual(writer.states);
    expect(reader.counted.snapshots).toBe(1);
    expect(reader.known.downloaded).toBe(30_000);
    // The changes have six megabytes.
    expect(reader.counted.bytes).toBeLessThan(1_000 * 200);
    writer.drop();
    reader.drop();
  });

  it('reports its progress and the remaining bytes with each page', () => {
    const { server, writer } = old(3_000, 9_000);
    const reader = createFakeReplica('reader');
    reader.connect(server);
    const pages = pagesOf(reader);
    expect(pages.length).toBeGreaterThan(2);
    let sent = 0;
    for (const { objects, remaining, version } of pages) {
      sent += objects.length;
      expect([remaining, version]).toEqual([3_000 - sent, 9_000]);
    }
    const bytes = pages.map((page) => page.bytes);
    const [bound] = reader.received;
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
    expect(bytes.at(-1)).toBe(bound?.type === 'bound' ? bound.headBytes : NaN);
    writer.drop();
    reader.drop();
  });

  it('is sent changes where these are less, and when it lacks little', () => {
    const { server, writer, clock } = old(3_000, 3_000);
    const reader = createFakeReplica('reader');
    reader.connect(server);
    expect([reader.counted.snapshots, reader.known.downloaded]).toEqual([0, 3_000]);
    reader.drop();
    for (let n = 0; n < 900; n += 1) writer.write(clock.now(), put(1, { n, long }));
    reader.connect(server);
    expect([reader.counted.snapshots, reader.known.downloaded]).toEqual([0, 3_900]);
    expect(reader.states).toEqual(writer.states);
    writer.drop();
    reader.drop();
  });

  it('continues where it was after a disconnect, after every page', () => {
    const { server, writer } = old(5_000, 15_000);
    const reader = createFakeReplica('reader');
    let turns = 0;
    while (reader.known.downloaded === 0) {
      reader.connect(server, 2);
      turns += 1;
    }
    expect(turns).toBe(reader.counted.pages);
    expect(turns).toBeGreaterThan(5);
    expect(pagesOf(reader).reduce((sum, { objects }) => sum + objects.length, 0)).toBe(5_000);
    reader.connect(server);
    expect(reader.states).toEqual(writer.states);
    writer.drop();
    reader.drop();
  });

  it('receives later changes after the snapshot, and may write meanwhile; its own changes come back once', () => {
    const { server, writer, pass, clock } = old(3_000, 9_000);
    const reader = createFakeReplica('reader');
    reader.holdFetching(true);
    reader.connect(server);
    reader.write(clock.now(), put(1, { by: 'reader' }));
    writer.write(clock.now() + 1, put(2, { by: 'writer' }), put(9_999, { by: 'writer' }));
    reader.say({ type: 'mark', session: 1, request: 1 });
    pass(5 * second);
    expect([reader.isSnapshotting(), reader.unsent(), reader.received.at(-1)?.type]).toEqual([true, 0, 'accepted']);
    reader.holdFetching(false);
    expect(reader.states).toEqual(writer.states);
    const types = reader.received.map(({ type }) => type);
    expect(types.slice(0, 3)).toEqual(['bound', 'accepted', 'snapshot']);
    expect(types.slice(-2)).toEqual(['download', 'mark']);
    reader.write(clock.now() + 2, put(3, { by: 'reader' }));
    expect(reader.received.at(-1)?.type).toBe('accepted'); // The write is not sent back.
    expect(reader.states).toEqual(writer.states);
    writer.drop();
    reader.drop();
  });

  it('E9 receives its own changes also when it is disconnected after the last page and the server starts again', () => {
    const { server, writer, clock, make } = old(1_000, 9_000);
    const reader = createFakeReplica('reader');
    reader.holdFetching(true);
    reader.connect(server, 3);
    reader.write(clock.now(), put(1, { by: 'reader' }));
    reader.holdFetching(false); // The third message is the only page, and its `received` message is not sent.
    while (reader.known.downloaded === 0) reader.connect(server, 2);
    writer.drop();
    expect(reader.states.get('Note number 1')?.values).not.toEqual({ by: 'reader' });
    const again = make();
    reader.connect(again);
    writer.connect(again);
    expect(reader.states).toEqual(writer.states);
    expect(reader.states.get('Note number 1')?.values['by']).toBe('reader');
    writer.drop();
    reader.drop();
  });
});

describe('a snapshot', () => {
  const limits = { snapshotLeaseMs: 60 * second, snapshotHoldMsMax: 200 * second };
  /** A reader has fetched one page of the snapshot, and the realm has changed since. */
  const begun = () => {
    const world = old(3_000, 9_000, { limits });
    const reader = createFakeReplica('reader');
    reader.connect(world.server, 2);
    goOn(world);
    return { ...world, reader };
  };
  /** Fetches one more page and returns its server version. */
  const next = (reader: FakeReplica, server: Parameters<FakeReplica['connect']>[0]) => {
    const { length } = pagesOf(reader);
    reader.connect(server, 2);
    return pagesOf(reader)[length]?.version;
  };

  it('is kept while a replica fetches it, and not longer than a lease after its disconnect', () => {
    const { server, reader, writer, pass } = begun();
    pass(59 * second);
    expect(next(reader, server)).toBe(9_000);
    pass(59 * second);
    expect(next(reader, server)).toBe(9_000);
    pass(121 * second); // And the periodic check.
    expect(next(reader, server)).toBe(9_020);
    writer.drop();
  });

  it('is not kept for ever, even when replicas bind', () => {
    const { server, reader, writer, pass } = begun();
    const versions: unknown[] = [];
    for (let turn = 0; turn < 9; turn += 1) {
      pass(50 * second);
      const other = createFakeReplica(`other ${turn}`.replace(' ', '-'));
      other.connect(server, 2);
      versions.push(pagesOf(other)[0]?.version);
    }
    expect(versions[0]).toBe(9_000);
    expect(versions.at(-1)).toBe(9_020);
    expect(reader.kept()).toBeGreaterThan(0);
    writer.drop();
  });

  it('that is gone ends the session, and the next bind begins with another snapshot', () => {
    const { server, writer, pass, clock } = old(3_000, 9_000, { limits });
    const reader = createFakeReplica('reader');
    reader.connect(server);
    reader.drop();
    const late = createFakeReplica('late');
    late.holdFetching(true);
    late.connect(server);
    goOn({ writer, clock });
    pass(200 * second);
    late.holdFetching(false);
    expect([lastError(late), late.isOnline()]).toEqual(['snapshot-gone', false]);
    late.connect(server);
    expect(late.states).toEqual(writer.states);
    writer.drop();
    late.drop();
  });

  it.each<[string, (reader: FakeReplica) => void]>([
    ['fetched where none was offered', (reader) => reader.say({ type: 'fetch', session: 1, version: 1, after: null })],
    ['of another version fetched', (reader) => reader.say({ type: 'fetch', session: 1, version: 8_999, after: null })],
    [
      'said to be received before its last page',
      (reader) => reader.say({ type: 'received', session: 1, version: 9_000 }),
    ],
  ])('%s is against the protocol', (title, act) => {
    const { server, writer } = old(title.includes('none') ? 9_000 : 3_000, 9_000);
    const reader = createFakeReplica('reader');
    reader.holdFetching(true);
    reader.connect(server);
    act(reader);
    expect(lastError(reader)).toContain('4400');
    writer.drop();
  });
});
