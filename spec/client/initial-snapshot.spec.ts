import {
  concat,
  concatMap,
  defer,
  filter,
  finalize,
  first,
  firstValueFrom,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  repeat,
  Subject,
  takeUntil,
  tap,
  timeout,
} from 'rxjs';
import { createCloseError, memoryStorage } from '../../lib/index.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import type { SyncServer } from '../../lib/server/index.js';
import type { Wire } from '../../lib/transport/wire.js';
import { addTask, openDevice, open, sessionOf, type Tasks, readTitles, nextTurn } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

type Message = ClientMessage | ServerMessage;
type MessageWire = Wire<ClientMessage, ServerMessage>;

/** Creates a connection that records all messages, and that breaks before a message for which `breaks` returns true. */
const watched = (server: SyncServer, breaks: (message: Message) => boolean = () => false) => {
  const messages: Message[] = [];
  const after = new Subject<Message>();
  const serverWire: MessageWire = (sent) => {
    const broken = new Subject<never>();
    const noted = <M extends Message>(stream: Observable<M>): Observable<M> =>
      stream.pipe(
        tap((message) => {
          if (breaks(message)) broken.error(createCloseError(1006, ''));
          else messages.push(message);
        }),
      );
    const disconnected = new Subject<void>();
    return merge(broken, noted(server.wire(noted(sent).pipe(takeUntil(disconnected))))).pipe(
      // One turn for each page, so that other work can run.
      concatMap((message) => (message.type === 'snapshot' ? defer(() => nextTurn().then(() => message)) : of(message))),
      tap((message) => after.next(message)),
      finalize(() => disconnected.next()),
    );
  };
  const types = (): string[] => messages.map(({ type }) => type);
  return { dial: of(serverWire), messages, types, after };
};

/** Whether a new device receives a snapshot: the projection advances while no client uploads. */
const offered = (server: SyncServer): Observable<boolean> =>
  defer(() => {
    const bind = { type: 'bind', session: 1, realm: 'tasks', replica: 'asking', token: null, history: null } as const;
    return server
      .wire(
        concat(
          of<ClientMessage>({
            ...bind,
            downloadedTo: 0,
            acknowledged: 0,
            includeOwn: false,
            runs: [{ id: 'run', lastVersion: 0 }],
          }),
          NEVER,
        ),
      )
      .pipe(
        first(({ type }) => type === 'bound'),
        map((message) => message.type === 'bound' && message.snapshot !== null),
      );
  });

/** Creates a server that keeps its projection near the head, with a few objects that have changed often. */
const busy = async (objects: number, changes: number, size = 100) => {
  const server = open.server({ limits: { projectionLagBytesMax: 1_024, snapshotLeaseMs: 1 } });
  const writer = await openDevice(server);
  const names = Array.from({ length: objects }, (_, n) => `t${String(n).padStart(3, '0')}`);
  await Promise.all(names.map((name) => addTask(writer.realm, name, 'x'.repeat(size))));
  const change = (n: number) =>
    writer.realm.write((tx) => tx.update('Task', names[n % objects]!, { title: `${'y'.repeat(size)} ${n}` }));
  await Promise.all(Array.from({ length: changes }, (_, n) => change(n)));
  await waitForValue(writer.session.uploadComplete$, 'uploadComplete$');
  await firstValueFrom(
    offered(server).pipe(repeat({ delay: () => nextTurn() }), filter(Boolean), timeout({ first: 10_000 })),
  );
  return { server, writer };
};

const synced = async (...realms: readonly Tasks[]): Promise<void> => {
  for (const realm of [...realms, ...realms]) {
    await waitForValue(sessionOf(realm).uploadComplete$, 'uploadComplete$');
    await waitForValue(sessionOf(realm).downloadComplete$, 'downloadComplete$');
  }
};

describe('a device that begins with a realm of many changes', () => {
  it('receives its objects, not its past changes', async () => {
    const { server, writer } = await busy(20, 2_000);
    const { dial, messages, types } = watched(server);
    const realm = await open.realm(open.client({ dial }), memoryStorage());
    await synced(realm);
    expect(await readTitles(realm)).toEqual(await readTitles(writer.realm));
    expect(types().filter((type) => type === 'snapshot').length).toBeGreaterThan(0);
    const changesets = messages.flatMap((message) => (message.type === 'download' ? message.changesets : []));
    expect(changesets.length).toBeLessThan(300);
    expect(realm.stats()).toMatchObject({ cursors: { downloadedTo: 2_020 }, outbox: { changesets: 0 } });
  });

  it('loses no write of any device while it arrives, whichever connection breaks at which message', async () => {
    const { server, writer } = await busy(300, 1_200, 1_500);
    const moments = [
      'bound 2',
      'fetch 2',
      'snapshot 3',
      'received 1',
      'accepted 1',
      'accepted 2',
      'download 1',
      'mark 1',
    ];
    for (const moment of moments) {
      const [wanted, nth] = moment.split(' ');
      let left = Number(nth);
      const breaks = ({ type }: Message): boolean => type === wanted && (left -= 1) === 0;
      const { dial, types, after } = watched(server, breaks);
      const client = open.client({ dial, timeouts: { backoffFirst: 1, backoffMost: 1 } });
      const realm = await open.realm(client);
      const written: Promise<unknown>[] = [];
      const id = `${moment} mine`;
      after.subscribe(({ type }) => {
        if (type !== 'snapshot' || written.length > 4) return;
        const n = written.length;
        written.push(addTask(realm, `${id} ${n}`), addTask(writer.realm, `${moment} theirs ${n}`));
      });
      await synced(realm, writer.realm, realm);
      await Promise.all(written);
      await synced(realm, writer.realm, realm);
      const pages = types().filter((type) => type === 'snapshot').length;
      expect([moment, pages > 2, written.length > 2]).toEqual([moment, true, true]);
      const [ownTitles, otherTitles] = [await readTitles(realm), await readTitles(writer.realm)];
      expect(ownTitles).toEqual(otherTitles);
      expect(ownTitles.filter((title) => title.startsWith(id)).length).toBeGreaterThan(0);
      await client.close();
    }
  });
});
