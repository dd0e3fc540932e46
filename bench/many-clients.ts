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
  seen: number;
  accepted: number;
  /** Bound; for the raw twin, open. */
  ready: () => void;
  /** The version up to which the server has accepted everything. */
  took: (version: number) => void;
}

const createManyClients =
  (side: Side): Role =>
  ({ port }) => {
    const guests: ManyClient[] = [];
    let downloads = 0;
    let expected = Infinity;
    let tell: () => void = () => undefined;
    let isStorm = false;
    let stormed: Promise<number[]> | null = null;

    const heard = (guest: ManyClient, frame: Buffer): void => {
      if (side === 'raw') {
        guest.socket.send('1');
        downloads += 1;
        if (downloads === expected) tell();
        return;
      }
      const kind = frame[1];
      if (kind === kinds.accepted) guest.took((unpack(frame) as number[])[2] ?? 0);
      else if (kind === kinds.bound) {
        const [, , history, head, , accepted] = unpack(frame) as [number, number, string, number, number, number];
        guest.history = history;
        guest.accepted = accepted;
        guest.seen = Math.min(guest.seen, head);
        guest.ready();
      } else if (kind === kinds.download) {
        const before = guest.seen;
        guest.seen = (unpack(frame) as number[])[3] ?? 0;
        guest.socket.send(packr.pack([kinds.received, 1, guest.seen]));
        downloads += guest.seen - before; // A page of a busy server may have several changesets.
        if (downloads >= expected) tell();
      } else if (kind === 39) throw new Error(JSON.stringify(unpack(frame)));
    };

    const called = (guest: ManyClient): Promise<void> =>
      new Promise((resolve, reject) => {
        guest.ready = resolve;
        const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1', { perMessageDeflate: false });
        guest.socket = socket;
        socket.on('error', reject);
        socket.on('close', (code, text) =>
          reject(new Error(`the server closed a connection: ${code} ${text.toString()}`)),
        );
        socket.on('message', (frame: Buffer) => heard(guest, frame));
        socket.on('open', () => {
          if (side === 'raw') {
            resolve();
            return;
          }
          const { index, realm, history, seen, accepted } = guest;
          const replica = `replica-${process.pid}-${index}`;
          const runs = [[replica, 0]];
          socket.send(
            packr.pack([kinds.bind, 1, `realm-${realm}`, replica, replica, history, seen, accepted, false, runs]),
          );
        });
      });

    const added = (index: number, realm: number): ManyClient => {
      const guest: ManyClient = {
        ...{ index, realm, history: null, seen: 0, accepted: 0 },
        socket: null as unknown as WebSocket,
        ready: () => undefined,
        took: () => undefined,
      };
      guests.push(guest);
      return guest;
    };

    /** Uploads one changeset and waits for it. Resolves with the milliseconds. */
    const wrote = (guest: ManyClient, text: string): Promise<number> => {
      const began = now();
      guest.accepted += 1;
      return new Promise((resolve) => {
        guest.took = () => resolve(now() - began);
        guest.socket.send(uploadOf(guest.accepted, 1, text));
      });
    };

    /** Uploads pages as fast as the window allows, until it is stopped. */
    const flooding = (guest: ManyClient): Promise<number> =>
      new Promise((resolve) => {
        let next = guest.accepted + 1;
        const ahead: number[] = [];
        const first = next;
        const fill = (): void => {
          while (isStorm && ahead.length < 8) {
            guest.socket.send(
              uploadOf(
                next,
                400,
                'a text of about a hundred characters, as people write them into the apps they use all day',
              ),
            );
            next += 400;
            ahead.push(next - 1);
          }
          if (!isStorm && ahead.length === 0) resolve(next - first);
        };
        guest.took = (version) => {
          while (ahead[0] !== undefined && ahead[0] <= version) ahead.shift();
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
          while (left-- > 0) await called(added(guests.length, first + (guests.length % realms)));
        };
        await Promise.all(Array.from({ length: Math.min(total, atOnce) }, worker));
        return now() - began;
      },
      /** Breaks all connections. */
      drop: async () => {
        await Promise.all(
          guests.map(
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
      back: async () => {
        const began = now();
        await Promise.all(guests.map(called));
        return now() - began;
      },
      expect: (total = 0) => {
        downloads = 0;
        expected = total;
        return Promise.resolve(0);
      },
      reached: () =>
        new Promise<number>((resolve) => {
          tell = () => resolve(now());
          if (downloads >= expected) tell();
        }),
      /**
       * Writes with the first client at a pace. Resolves with the milliseconds until each write was accepted; for the
       * raw twin, with nothing.
       */
      write: async (total = 0, everyMs = 0) => {
        const took: number[] = [];
        const [guest] = guests;
        for (let index = 0; index < total && guest; index += 1) {
          const pause = sleep(everyMs);
          if (side === 'raw') guest.socket.send(uploadOf(index + 1, 1, `text ${index}`));
          else took.push(await wrote(guest, `text ${index}`));
          await pause;
        }
        return took;
      },
      storm: () => {
        isStorm = true;
        stormed = Promise.all(guests.map(flooding));
        return Promise.resolve(0);
      },
      calm: async () => {
        isStorm = false;
        return (await (stormed ?? Promise.resolve([]))).reduce((sum, count) => sum + count, 0);
      },
      end: () => {
        for (const { socket } of guests) socket.terminate();
        return Promise.resolve(0);
      },
    });
  };

export const manyClients: Readonly<Record<Side, Role>> = {
  ours: createManyClients('ours'),
  raw: createManyClients('raw'),
};
