import { Subject } from 'rxjs';
import { limits } from '../../../lib/model/limits.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import { createSyncServer, type ServerEvent } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createBind, connect, createChangeset, summariesOf, createUpload } from '../test-kit.js';

const received = (version: number, session = 1): ClientMessage => ({ type: 'received', session, version });
const mark = (request: number, session = 1): ClientMessage => ({ type: 'mark', session, request });
const unbind: ClientMessage = { type: 'unbind', session: 1 };

/** Number of unconfirmed pages of `withPages` that fit the smallest window. */
const pagesInFlight = 4;
const smallestWindow = { downloadBytesInFlightMax: pagesInFlight * limits.pageBytesMax };

/** Creates a server whose realm has a number of pages of one changeset each, all of replica x. */
const withPages = (count: number, window: Partial<typeof smallestWindow> = {}) => {
  const server = createSyncServer({ storage: memoryStorage(), limits: window });
  const writer = connect(server.wire);
  writer.send(createBind({ replica: 'x' }));
  const text = 'x'.repeat(limits.pageBytesMax);
  for (let version = 1; version <= count; version += 1) {
    writer.send({ type: 'upload', session: 1, changesets: [createChangeset(version, text)] });
  }
  writer.received();
  return { server, writer };
};

describe('downloads', () => {
  it('have everything after the downloaded version, then later changes', () => {
    const { server, writer } = withPages(3);
    const client = connect(server.wire);
    client.send(createBind());
    expect(summariesOf(client)).toEqual([
      'bound head 3 accepted 0',
      'download 1x up to 1, 2 left',
      'download 2x up to 2, 1 left',
      'download 3x up to 3, 0 left',
    ]);
    writer.send(createUpload(4));
    expect(summariesOf(client)).toEqual(['download 4x up to 4, 0 left']);
  });

  it('have the uploaded changesets unchanged', () => {
    const server = createSyncServer({ storage: memoryStorage() });
    const client = connect(server.wire);
    client.send(createBind());
    const { body } = createChangeset(1);
    connect(server.wire).send(createBind({ replica: 'x' }), {
      type: 'upload',
      session: 1,
      changesets: [{ version: 1, time: 5, count: 6, body }],
    });
    expect(client.received()[1]).toMatchObject({
      type: 'download',
      session: 1,
      changesets: [{ version: 1, origin: 'x', time: 5, count: 6, body }],
      upTo: 1,
      remaining: 0,
      bytes: 32 + body.byteLength,
      remainingBytes: 0,
    });
  });

  it('are at most a number of bytes ahead of the received ones', () => {
    const { server } = withPages(8, smallestWindow);
    const client = connect(server.wire);
    client.send(createBind());
    expect(summariesOf(client)).toEqual([
      'bound head 8 accepted 0',
      'download 1x up to 1, 7 left',
      'download 2x up to 2, 6 left',
      'download 3x up to 3, 5 left',
      'download 4x up to 4, 4 left',
    ]);
    client.send(received(1));
    expect(summariesOf(client)).toEqual(['download 5x up to 5, 3 left']);
    client.send(received(3));
    expect(summariesOf(client)).toEqual(['download 6x up to 6, 2 left', 'download 7x up to 7, 1 left']);
    client.send(received(3), received(2));
    expect(summariesOf(client)).toEqual([]);
  });

  it('count at least a kilobyte each, so that the number of small ones ahead is bounded, too', () => {
    const server = createSyncServer({ storage: memoryStorage(), limits: smallestWindow });
    const [writer, client] = [connect(server.wire), connect(server.wire)];
    writer.send(createBind({ replica: 'x' }));
    client.send(createBind());
    client.received();
    for (let version = 1; version <= 600; version += 1) writer.send(createUpload(version));
    const ahead = smallestWindow.downloadBytesInFlightMax / limits.downloadBytesMore;
    const sent = client.received().length;
    expect(sent).toBeGreaterThan(ahead / 2);
    expect(sent).toBeLessThanOrEqual(ahead);
    client.send(received(sent));
    expect(summariesOf(client)[0]).toMatch(/^download .* up to 600, 0 left$/);
  });

  it('reach the end also when every page is answered synchronously', () => {
    const { server } = withPages(40, smallestWindow);
    const client = connect(server.wire, (message) => (message.type === 'download' ? [received(message.upTo)] : []));
    client.send(createBind());
    expect(summariesOf(client)).toHaveLength(41);
  });

  it('were sent before they are received, or the connection ends', () => {
    const { server } = withPages(6, smallestWindow);
    const client = connect(server.wire);
    client.send(createBind(), received(1));
    expect(client.end()).toBe('open');
    client.send(received(6));
    expect(client.end()).toBe(4400);
  });

  it('field report B-1: continue when the client reports that it cannot apply one, which is only logged', () => {
    const events: ServerEvent[] = [];
    const server = createSyncServer({ storage: memoryStorage(), log: (event) => events.push(event) });
    const writer = connect(server.wire);
    writer.send(createBind({ replica: 'x' }), createUpload(1));
    const client = connect(server.wire);
    client.send(createBind(), { type: 'fault', session: 1, version: 1, code: 'unreadable' });
    client.received();
    writer.send(createUpload(2));
    expect(summariesOf(client)).toEqual(['download 2x up to 2, 0 left']);
    expect(events).toEqual([
      { level: 'warn', event: 'fault', realm: 'team', replica: 'a', version: 1, text: 'unreadable', more: 0 },
    ]);
    expect(client.end()).toBe('open');
  });
});

describe('own changesets', () => {
  it('never come back', () => {
    const server = createSyncServer({ storage: memoryStorage() });
    const [a, b] = [connect(server.wire), connect(server.wire)];
    a.send(createBind({ replica: 'a' }));
    b.send(createBind({ replica: 'b' }));
    a.send(createUpload(1, 2));
    b.send(createUpload(1));
    a.send(createUpload(3));
    expect(summariesOf(a)).toEqual([
      'bound head 0 accepted 0',
      'accepted 2',
      'download 3b up to 3, 0 left',
      'accepted 3',
    ]);
    const fresh = connect(server.wire);
    fresh.send(createBind({ replica: 'a' }));
    expect(summariesOf(fresh)).toEqual(['bound head 4 accepted 3', 'download 3b up to 4, 0 left']);
  });

  it('move the cursor all the same, when they have become many', () => {
    const server = createSyncServer({ storage: memoryStorage() });
    const client = connect(server.wire);
    client.send(createBind(), createUpload(1, limits.pageChangesetsMax));
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', `accepted ${limits.pageChangesetsMax}`]);
    client.send(createUpload(limits.pageChangesetsMax + 1));
    expect(summariesOf(client)).toEqual([
      `accepted ${limits.pageChangesetsMax + 1}`,
      `download nothing up to ${limits.pageChangesetsMax + 1}, 0 left`,
    ]);
    client.send(createUpload(limits.pageChangesetsMax + 2));
    expect(summariesOf(client)).toEqual([`accepted ${limits.pageChangesetsMax + 2}`]);
  });

  it('take a kilobyte of the window each, until everything before them is received', () => {
    const server = createSyncServer({ storage: memoryStorage(), limits: smallestWindow });
    const [a, b] = [connect(server.wire), connect(server.wire)];
    a.send(createBind({ replica: 'a' }));
    b.send(createBind({ replica: 'b' }));
    for (let version = 1; version <= 5; version += 1) a.send(createUpload(version));
    b.send(createUpload(1));
    expect(summariesOf(a).at(-1)).toBe('download 6b up to 6, 0 left');
    for (let version = 6; version <= 600; version += 1) a.send(createUpload(version));
    b.send(createUpload(2));
    expect(summariesOf(a).at(-1)).toMatch(/^accepted/);
    a.send(received(6));
    expect(summariesOf(a)).toEqual(['download 602b up to 602, 0 left']);
  });
});

describe('a mark', () => {
  it('is answered at once when everything has been sent', () => {
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
    client.send(createBind(), mark(7));
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'mark 7 at 0']);
  });

  it('comes after all downloads that the server had when it read it, and does not wait for later ones', () => {
    const { server, writer } = withPages(6, smallestWindow);
    const client = connect(server.wire);
    client.send(createBind(), mark(1));
    writer.send(createUpload(7));
    client.send(mark(2), received(1), received(2));
    expect(summariesOf(client).slice(1)).toEqual([
      'download 1x up to 1, 5 left',
      'download 2x up to 2, 4 left',
      'download 3x up to 3, 3 left',
      'download 4x up to 4, 2 left',
      'download 5x up to 5, 2 left',
      'download 6x up to 6, 1 left',
      'mark 1 at 6',
    ]);
    client.send(received(3));
    expect(summariesOf(client)).toEqual(['download 7x up to 7, 0 left', 'mark 2 at 7']);
  });

  it('includes the replica’s own changesets, which are not sent', () => {
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
    client.send(createBind(), createUpload(1, 3), mark(1));
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'accepted 3', 'mark 1 at 3']);
  });

  it('is limited: a client that sends too many is disconnected', () => {
    const { server } = withPages(pagesInFlight + 1, smallestWindow);
    const client = connect(server.wire);
    client.send(createBind());
    for (let request = 0; request < serverLimits.marksWaitingMax; request += 1) client.send(mark(request));
    expect(client.end()).toBe('open');
    client.send(mark(serverLimits.marksWaitingMax));
    expect(client.end()).toBe(4429);
  });
});

describe('an unbind', () => {
  it('ends its session and no other, and its number can be used again', () => {
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
    client.send(createBind(), createBind({ session: 2, replica: 'b' }), unbind, createUpload(1, 1, 2), createBind());
    expect(summariesOf(client)).toEqual([
      'bound head 0 accepted 0',
      '#2 bound head 0 accepted 0',
      'unbound',
      '#2 accepted 1',
      'bound head 1 accepted 0',
      'download 1b up to 1, 0 left',
    ]);
  });

  it('ignores messages in flight for the session', () => {
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
    client.send(createBind(), unbind, createUpload(1), received(3), mark(1), unbind, {
      type: 'fault',
      session: 1,
      version: 1,
      code: 'unreadable',
    });
    expect(summariesOf(client)).toEqual(['bound head 0 accepted 0', 'unbound']);
    expect(client.end()).toBe('open');
  });
});

describe('the order of messages', () => {
  it.each<[string, readonly ClientMessage[]]>([
    ['an upload to a session that never was', [createUpload(1)]],
    ['a mark for a session that never was', [createBind(), mark(1, 2)]],
    ['an unbind of nothing', [unbind]],
    ['a number that is bound already', [createBind(), createBind({ replica: 'b' })]],
  ])('is kept, or the connection ends: %s', (_, messages) => {
    const client = connect(createSyncServer({ storage: memoryStorage() }).wire);
    client.send(...messages);
    expect(client.end()).toBe(4400);
  });

  it('is kept also while a bind is under way', () => {
    const client = connect(createSyncServer({ storage: new Subject() }).wire);
    client.send(createBind(), createBind());
    expect(client.end()).toBe(4400);
  });
});
