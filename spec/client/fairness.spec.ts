import { concatMap, delay, firstValueFrom, map, of, tap, VirtualAction, VirtualTimeScheduler } from 'rxjs';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.js';
import { limits } from '../../lib/model/limits.js';
import { encodeClient } from '../../lib/protocol/codec.js';
import { subprotocol, type ClientMessage, type ServerMessage, type Upload } from '../../lib/protocol/messages.js';
import { clientWire } from '../../lib/protocol/message-wire.js';
import { levelStorage } from '../../lib/storage/level.js';
import type { OpenStorage } from '../../lib/storage/storage.js';
import { createWebSocketDial } from '../../lib/transport/websocket-dial.js';
import type { Wire } from '../../lib/transport/wire.js';
import { useBuiltLibrary, startServerProcess, type ServerProcess } from '../server/server-process.js';
import { addTask, createFolder, open, sessionOf, waitUntil, type Tasks } from './test-kit.js';

type ClientWire = Wire<ClientMessage, ServerMessage>;

const backlog = 20_000;

/** Records uploads in their order. */
const noting =
  (uploads: Upload[]) =>
  (wire: ClientWire): ClientWire =>
  (sent) =>
    wire(sent.pipe(tap((message) => message.type === 'upload' && uploads.push(message))));

const fill = async (realm: Tasks): Promise<void> => {
  const title = 'x'.repeat(100);
  await Promise.all(Array.from({ length: backlog }, (_, at) => addTask(realm, `task ${at}`, title)));
};

/** Counts the pages between a moment and the upload of a single write. */
const pagesBefore = (uploads: readonly Upload[], from: number): number =>
  uploads.slice(from).findIndex(({ changesets }) => changesets.length === 1);

const bytesPerMs = 1_000;
const latency = 50;

/** Creates a connection that needs time for every uploaded byte, and records the bytes that have arrived. */
const slow =
  (server: ClientWire, arrived: Upload[], { scheduler }: Clock): ClientWire =>
  (sent) =>
    noting(arrived)(server)(
      sent.pipe(
        concatMap((message) => of(message).pipe(delay(encodeClient(message).byteLength / bytesPerMs, scheduler))),
        delay(latency, scheduler),
      ),
    ).pipe(delay<ServerMessage>(latency, scheduler));

describe(`a small write of one session, while another one on its connection uploads ${backlog} changesets`, () => {
  const code = useBuiltLibrary();
  let server: ServerProcess | undefined;
  afterEach(() => server?.kill());

  it('is sent next; on a slow connection it waits for one page at most', async () => {
    const scheduler = new VirtualTimeScheduler(VirtualAction, 30_000);
    const clock: Clock = { scheduler, random: () => 0, now: () => scheduler.now() };
    const [sent, arrived]: [Upload[], Upload[]] = [[], []];
    const client = open.client({ dial: of(noting(sent)(slow(open.server({ clock }).wire, arrived, clock))), clock });
    const large = await open.realm(client, undefined, 'large');
    const small = await open.realm(client, undefined, 'small');
    sessionOf(large).pause();
    await fill(large);

    const at = { sent: 0, arrived: 0, acknowledged: 0 };
    scheduler.schedule(sessionOf(large).resume, 1_000);
    scheduler.schedule(() => {
      Object.assign(at, { sent: sent.length, arrived: arrived.length });
      void addTask(small, 'small');
      sessionOf(small).uploadComplete$.subscribe(() => (at.acknowledged = scheduler.now()));
    }, 2_000);
    scheduler.flush();
    const pages = { sent: pagesBefore(sent, at.sent), arrived: pagesBefore(arrived, at.arrived) };
    expect(sessionOf(large).status.pending.changesets).toBe(0);
    expect(pages.sent).toBe(0);
    expect(pages.arrived).toBeGreaterThanOrEqual(0);
    expect(pages.arrived).toBeLessThanOrEqual(1);
    expect(at.acknowledged).toBeLessThan(2_300);
  }, 30_000);

  it('goes up as soon as it is durable, and is acknowledged while the backlog is still going up', async () => {
    server = await startServerProcess(code, join(createFolder(), 'server'));
    const url = `ws://127.0.0.1:${server.port}`;
    const sent: Upload[] = [];
    const socket = createWebSocketDial({ url, protocols: [subprotocol], frameBytesMax: limits.frameBytesMax });
    const client = open.client({ dial: socket.pipe(map(clientWire), map(noting(sent))) });
    let durable = 0; // Bytes sent when the last batch of the small realm was durable.
    const noticed: OpenStorage = levelStorage(join(createFolder(), 'small')).pipe(
      map((storage) => ({
        ...storage,
        batch: (changes, options) =>
          storage.batch(changes, options).pipe(
            tap({
              complete: () => {
                if (options.durable) durable = sent.length;
              },
            }),
          ),
      })),
    );
    const large = await open.realm(client, join(createFolder(), 'large'), 'large');
    const small = await open.realm(client, noticed, 'small');
    const acknowledged = async (id: string): Promise<{ ms: number; called: number; pages: number }> => {
      const [start, from] = [performance.now(), sent.length];
      await addTask(small, id);
      await firstValueFrom(sessionOf(small).uploadComplete$);
      const ms = Math.round(performance.now() - start);
      return { ms, called: pagesBefore(sent, from), pages: pagesBefore(sent, durable) };
    };
    await waitUntil(sessionOf(small).connectionState$, (state) => state === 'connected');
    const durations = [];
    for (let n = 0; n < 30; n += 1) durations.push(await acknowledged(`alone ${n}`));
    sessionOf(large).pause();
    await fill(large);
    sessionOf(large).resume();
    await waitUntil(sessionOf(large).connectionState$, (state) => state === 'connected');
    const during: typeof durations = [];
    while (sessionOf(large).status.pending.changesets > 0) during.push(await acknowledged(`during ${during.length}`));
    expect(Math.max(...during.map(({ pages }) => pages))).toBe(0);
    expect(during.length).toBeGreaterThan(1); // The first answer arrived while the other session still had changesets to send.
  }, 60_000);
});
