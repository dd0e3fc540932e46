import { map } from 'rxjs';
import { isAlive, propertyValueOf } from '../../../lib/merge/object-state.js';
import { liveEntriesOf } from '../../../lib/merge/lww-map.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { createFakeReplica } from '../fake-replica.js';
import { createViewClient, type ViewClient } from './view-client.js';
import { create, createViewConnection, createViewWorld, lists, remove, update } from './view-world.js';

const day = 24 * 60 * 60 * 1_000;
const { trimEntriesMin } = serverLimits;

/** The objects that a client shows, each with the entries of its collection. */
const contentOf = ({ objects }: ViewClient): readonly string[] =>
  [...objects]
    .filter(([, state]) => isAlive(state))
    .map(([text, { collections }]) => {
      const keys = Object.values(collections ?? {}).flatMap(({ entries }) =>
        liveEntriesOf(entries).map(([key]) => key),
      );
      return `${text}: ${keys.join(' ')}`;
    })
    .sort();

const modesOf = (client: ViewClient): readonly string[] =>
  client.takeReceived().flatMap((message) => {
    if (message.type === 'bound') return [message.view?.mode ?? 'none'];
    return message.type === 'view' ? [message.mode] : [];
  });

/** A storage as a server uses it that does not know views: it neither reads nor writes what they need. */
const hideViews = (storage: Storage): Storage => ({
  range: (range) =>
    storage.range(range).pipe(map((entries) => entries.filter(([key]) => !/\/(watched|index)\//.test(key)))),
  batch: (changes, options) => storage.batch(changes, options),
  close: () => storage.close(),
});

interface OlderServer {
  readonly pass: (ms: number) => void;
  /** Writes to the older server. */
  readonly write: () => void;
  /** Lets another replica be the only one that is connected. */
  readonly readOnly: () => void;
  /** Ends the older server, and writes to one with views. */
  readonly writeNow: () => void;
}

describe('a server that was restarted', () => {
  it('edge case 37: sends each of 500 devices with views of their own only its changes, and routes later ones', () => {
    const { make, writer, pass, clock, openPlaced } = createViewWorld();
    const count = 500;
    const each = Array.from({ length: count }, (_, at) => at);
    writer.write(clock.now(), ...each.map((at) => create(`k${at}`, `list-${at}`)));
    const first = openPlaced(lists('list-0'), 'device-0');
    const history = first.history();
    first.disconnect();
    // A tenth changes in its list, a tenth moves away, and the rest stays as it is.
    writer.write(
      clock.now(),
      ...each.flatMap((at): readonly Operation[] => {
        if (at % 10 > 1) return [];
        return [update(`k${at}`, at % 10 === 0 ? { text: 'new' } : { list: 'elsewhere' })];
      }),
    );

    const server = make();
    writer.connect(server);
    const again = each.map((at) => {
      const client = createViewConnection(server, `device-${at}`);
      client.bind({ number: 1, filters: lists(`list-${at}`) }, 1, history);
      return client;
    });
    pass(10);
    const progress = 'parts nothing without nothing up to 2, 0 left';
    const changesOf = [
      (at: number) => [`parts ~k${at} without nothing up to 2, 0 left`],
      (at: number) => [`parts nothing without k${at} up to 2, 0 left`],
      () => [progress],
    ] as const;
    for (const at of each)
      expect(again[at]!.texts()).toEqual(['bound head 2 accepted 0', ...changesOf[Math.min(2, at % 10)]!(at)]);
    for (const client of again) client.mark(1);
    for (const client of again) {
      expect(client.texts()).toEqual(['mark 1 at 2']);
      client.received(2);
    }
    writer.write(clock.now(), update('k2', { text: 'new' }), update('k1', { list: 'list-7' }));
    pass(10);
    const sent = again.map((client) => client.texts().join());
    expect(sent.map((text, at) => (text === '' ? '' : `${at}: ${text}`)).filter((text) => text !== '')).toEqual([
      '2: parts ~k2 without nothing up to 3, 0 left',
      '7: parts k1 without nothing up to 3, 0 left',
    ]);
  });
});

describe('a device with a view that was away', () => {
  afterEach(() => {
    Object.assign(serverLimits, { trimEntriesMin });
  });

  it('edge case 46: gets its whole view when deletes were forgotten meanwhile, and one that was online got them', () => {
    const { server, write, pass, clock, errors } = createViewWorld({ limits: { compactionMs: 3_600_000 } });
    const tags = { type: 'Task', key: 'kept', property: 'tags' };
    const at = clock.now();
    write(create('gone', 'a'), create('kept', 'a'), {
      kind: 'put',
      ...tags,
      entries: [
        ['one', 1],
        ['two', 2],
      ],
    });
    const [online, away] = ['online', 'away'].map((name) => createViewClient(name));
    for (const client of [online!, away!]) {
      client.subscribe(lists('a'));
      client.connect(server);
      pass(10);
    }
    expect(contentOf(away!)).toEqual(['Task/sgone: ', 'Task/skept: one two']);
    away!.drop();
    pass(1_000);
    write(remove('gone'), { kind: 'drop', ...tags, keys: ['one'] });
    expect(contentOf(online!)).toEqual(['Task/skept: two']);
    const cursor = online!.known.downloadedTo;
    pass(32 * day);
    write(create('new', 'a'));
    pass(day);
    for (const client of [online!, away!]) client.takeReceived();
    online!.drop();
    for (const client of [online!, away!]) client.connect(server);
    pass(10);
    expect([modesOf(online!), modesOf(away!)]).toEqual([['continue'], ['resync', 'resync']]);
    for (const client of [online!, away!]) expect(contentOf(client)).toEqual(['Task/skept: two', 'Task/snew: ']);
    expect([cursor, clock.now() - at > 30 * day, errors()]).toEqual([2, true, []]);
  });

  /** The acts of a server that does not know views, and was started with the storage in between. */
  const olderServers: readonly (readonly [string, (older: OlderServer) => void])[] = [
    ['took writes', ({ write }) => write()],
    [
      'took writes, and then another server did',
      ({ write, writeNow }) => {
        write();
        writeNow();
      },
    ],
    ['stored objects only', ({ pass }) => pass(3 * 3_600_000)],
    [
      'took writes and has trimmed the history',
      ({ write, readOnly, pass }) => {
        write();
        readOnly();
        pass(32 * day);
      },
    ],
  ];
  it.each(olderServers)('edge case 47: gets exactly its view after a server without views has %s', (_, act) => {
    Object.assign(serverLimits, { trimEntriesMin: 1 });
    const limits = { compactionMs: 3_600_000, retentionMs: 31 * day };
    const { make, server, storage, write, writer, pass, clock, errors } = createViewWorld({ limits });
    for (let key = 0; key < 60; key += 1) write(create(`z${key}`, 'z'));
    write(create('stays', 'a'), create('moves', 'a'), create('dies', 'a'));
    const away = createViewClient('away');
    away.subscribe(lists('a'));
    away.connect(server);
    pass(1_000);
    write(update('z7', { list: 'b' }), create('late', 'b'), update('z8', { list: 'a' }));
    expect([...away.objects.keys()].length).toBe(4);
    away.drop();
    writer.drop();
    pass(10);

    const reader = createFakeReplica('reader');
    const older = make({ storage: hideViews(storage), limits });
    writer.connect(older);
    act({
      pass,
      write: () =>
        write(
          update('moves', { list: 'c' }),
          remove('dies'),
          update('z9', { list: 'a' }),
          update('late', { list: 'a' }),
        ),
      readOnly: () => {
        reader.connect(older);
        pass(10);
        writer.drop();
      },
      writeNow: () => {
        writer.drop();
        pass(10);
        writer.connect(make());
        write(update('z1', { list: 'c' }));
      },
    });
    pass(10);
    for (const each of [writer, reader]) each.drop();
    pass(10);

    const present = make();
    writer.connect(present);
    const fresh = createViewClient('fresh');
    fresh.subscribe(lists('a'));
    for (const client of [away, fresh]) client.connect(present);
    pass(1_000);
    const expected = [...writer.states]
      .filter(([, state]) => isAlive(state) && propertyValueOf(state, 'list') === 'a')
      .map(([text]) => text.split(' ').at(-1));
    for (const client of [away, fresh])
      expect(contentOf(client)).toEqual(expected.map((key) => `Task/s${key}: `).sort());
    // From now on the history has what it needs again.
    write(update('z10', { list: 'a' }), update('stays', { list: 'b' }));
    pass(10);
    for (const client of [away, fresh]) {
      expect(client.objects.has('Task/sz10')).toBe(true);
      expect(client.objects.has('Task/sstays')).toBe(false);
    }
    expect([errors(), clock.now() > 0]).toEqual([[], true]);
  });
});
