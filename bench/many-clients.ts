import { setTimeout as sleep } from 'node:timers/promises';
import { Packr, unpack } from 'msgpackr';
import { WebSocket } from 'ws';
import { now, type Role, type Side } from './processes.js';

/*
 * Many clients in one process, as plain sockets: they send the frames of docs/PROTOCOL.md and read only what they need.
 */

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });
const kinds = { bind: 1, upload: 2, received: 3, bound: 33, accepted: 34, download: 35 } as const;

let lastTime = 0;
let count = 0;
/** A stamp later than the one before, which the server requires of the changesets of a replica. */
const nextStamp = (): [time: number, count: number] => {
  const time = Math.max(lastTime, Date.now());
  count = time === lastTime ? count + 1 : 0;
  lastTime = time;
  return [time, count];
};

const changeset = (version: number, text: string): unknown[] => [
  version,
  ...nextStamp(),
  packr.pack([[1, 'Note', `${process.pid}-${version}`, { text }]]),
];
const uploadOf = (from: number, count: number, text: string): Buffer =>
  packr.pack([kinds.upload, 1, Array.from({ length: count }, (_, at) => changeset(from + at, text))]);

interface ManyClient {
  socket: WebSocket;
  readonly index: number;
  readonly realm: number;
  history: string | null;
  downloadedTo: number;
  accepted: number;
  /** Is connect when the client is bound; for the raw twin, when its socket is open. */
  onReady: () => void;
  /** Is connect with the version up to which the server has accepted everything. */
  onAccepted: (version: number) => void;
}

const createManyClients =
  (side: Side): Role =>
  ({ port }) => {
    const clients: ManyClient[] = [];
    let downloads = 0;
    let expected = Infinity;
    let notifyReached: () => void = () => undefined;
    let isStorm = false;
    let stormed: Promise<number[]> | null = null;

    const receive = (client: ManyClient, frame: Buffer): void => {
      if (side === 'raw') {
        client.socket.send('1');
        downloads += 1;
        if (downloads === expected) notifyReached();
        return;
      }
      const kind = frame[1];
      if (kind === kinds.accepted) client.onAccepted((unpack(frame) as number[])[2] ?? 0);
      else if (kind === kinds.bound) {
        const [, , history, head, , accepted] = unpack(frame) as [number, number, string, number, number, number];
        client.history = history;
        client.accepted = accepted;
        client.downloadedTo = Math.min(client.downloadedTo, head);
        client.onReady();
      } else if (kind === kinds.download) {
        const before = client.downloadedTo;
        client.downloadedTo = (unpack(frame) as number[])[3] ?? 0;
        client.socket.send(packr.pack([kinds.received, 1, client.downloadedTo]));
        downloads += client.downloadedTo - before; // A page of a busy server may have several changesets.
        if (downloads >= expected) notifyReached();
      } else if (kind === 39) throw new Error(JSON.stringify(unpack(frame)));
    };

    const connect = (client: ManyClient): Promise<void> =>
      new Promise((resolve, reject) => {
        client.onReady = resolve;
        const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1', { perMessageDeflate: false });
        client.socket = socket;
        socket.on('error', reject);
        socket.on('close', (code, text) =>
          reject(new Error(`the server closed a connection: ${code} ${text.toString()}`)),
        );
        socket.on('message', (frame: Buffer) => receive(client, frame));
        socket.on('open', () => {
          if (side === 'raw') {
            resolve();
            return;
          }
          const { index, realm, history, downloadedTo, accepted } = client;
          const replica = `replica-${process.pid}-${index}`;
          const runs = [[replica, 0]];
          socket.send(
            packr.pack([
              kinds.bind,
              1,
              `realm-${realm}`,
              replica,
              replica,
              history,
              downloadedTo,
              accepted,
              false,
              runs,
            ]),
          );
        });
      });

    const addClient = (index: number, realm: number): ManyClient => {
      const client: ManyClient = {
        ...{ index, realm, history: null, downloadedTo: 0, accepted: 0 },
        socket: null as unknown as WebSocket,
        onReady: () => undefined,
        onAccepted: () => undefined,
      };
      clients.push(client);
      return client;
    };

    /** Uploads one changeset. Resolves with the milliseconds until it was accepted. */
    const uploadOne = (client: ManyClient, text: string): Promise<number> => {
      const began = now();
      client.accepted += 1;
      return new Promise((resolve) => {
        client.onAccepted = () => resolve(now() - began);
        client.socket.send(uploadOf(client.accepted, 1, text));
      });
    };

    /** Uploads pages as fast as the window allows, until it is stopped. */
    const flood = (client: ManyClient): Promise<number> =>
      new Promise((resolve) => {
        let next = client.accepted + 1;
        const inFlight: number[] = [];
        const first = next;
        const fill = (): void => {
          while (isStorm && inFlight.length < 8) {
            client.socket.send(
              uploadOf(
                next,
                400,
                'a text of about a hundred characters, as people write them into the apps they use all day',
              ),
            );
            next += 400;
            inFlight.push(next - 1);
          }
          if (!isStorm && inFlight.length === 0) resolve(next - first);
        };
        client.onAccepted = (version) => {
          while (inFlight[0] !== undefined && inFlight[0] <= version) inFlight.shift();
          fill();
        };
        fill();
      });

    return Promise.resolve({
      /** Adds clients, a number at a time, spread over realms. Resolves with the milliseconds until all are bound. */
      join: async (total = 0, atOnce = 0, realms = 1, first = 0) => {
        const began = now();
        let left = total;
        const worker = async (): Promise<void> => {
          while (left-- > 0) await connect(addClient(clients.length, first + (clients.length % realms)));
        };
        await Promise.all(Array.from({ length: Math.min(total, atOnce) }, worker));
        return now() - began;
      },
      /** Breaks all connections. */
      disconnect: async () => {
        await Promise.all(
          clients.map(
            ({ socket }) =>
              new Promise((resolve) => {
                socket.removeAllListeners('error').on('error', () => undefined);
                socket.once('close', resolve);
                socket.terminate();
              }),
          ),
        );
        return 0;
      },
      /** Connects all clients again at once. Resolves with the milliseconds until the last one is bound. */
      reconnect: async () => {
        const began = now();
        await Promise.all(clients.map(connect));
        return now() - began;
      },
      expect: (total = 0) => {
        downloads = 0;
        expected = total;
        return Promise.resolve(0);
      },
      reached: () =>
        new Promise<number>((resolve) => {
          notifyReached = () => resolve(now());
          if (downloads >= expected) notifyReached();
        }),
      /**
       * Writes with the first client at a pace. Resolves with the milliseconds until each write was accepted; for the
       * raw twin, with nothing.
       */
      write: async (total = 0, everyMs = 0) => {
        const durations: number[] = [];
        const [client] = clients;
        for (let index = 0; index < total && client; index += 1) {
          const pause = sleep(everyMs);
          if (side === 'raw') client.socket.send(uploadOf(index + 1, 1, `text ${index}`));
          else durations.push(await uploadOne(client, `text ${index}`));
          await pause;
        }
        return durations;
      },
      storm: () => {
        isStorm = true;
        stormed = Promise.all(clients.map(flood));
        return Promise.resolve(0);
      },
      calm: async () => {
        isStorm = false;
        return (await (stormed ?? Promise.resolve([]))).reduce((sum, count) => sum + count, 0);
      },
      end: () => {
        for (const { socket } of clients) socket.terminate();
        return Promise.resolve(0);
      },
    });
  };

export const manyClients: Readonly<Record<Side, Role>> = {
  ours: createManyClients('ours'),
  raw: createManyClients('raw'),
};
