/*
 * The same work done by hand: ws frames of the same bytes and batches into LevelDB, with no library between them. What has
 * to be durable is synced here too; pages are as large as ours.
 */
import { once } from 'node:events';
import { ClassicLevel } from 'classic-level';
import { WebSocket, WebSocketServer } from 'ws';
import { inFlight, paced } from './ours.js';
import { now, type Roles } from './stage.js';

/** Bytes of one changeset as ours sends and stores it. */
const entryBytes = 240;
const pageEntries = 500;
const keyOf = (version: number): string => version.toString(36).padStart(11, '0');

type Level = ClassicLevel<string, Uint8Array>;
const openLevel = async (place: string): Promise<Level> => {
  const level: Level = new ClassicLevel(place, { valueEncoding: 'view' });
  await level.open();
  return level;
};

const entry = (at: number): Buffer => {
  const bytes = Buffer.alloc(entryBytes, 0x61);
  bytes.writeDoubleBE(at);
  return bytes;
};
const entriesOf = (frame: Buffer): Buffer[] =>
  Array.from({ length: frame.byteLength / entryBytes }, (_, at) =>
    frame.subarray(at * entryBytes, (at + 1) * entryBytes),
  );

const dialled = async (port: number, role: string): Promise<WebSocket> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${role}`, { perMessageDeflate: false });
  await once(socket, 'open');
  return socket;
};

const puts = (after: number, entries: readonly Buffer[]) =>
  entries.map((value, index) => ({ type: 'put', key: keyOf(after + index + 1), value }) as const);

/** Does one thing after the other. */
const queue = () => {
  let last = Promise.resolve();
  return (work: () => Promise<void>): void => void (last = last.then(work));
};

export const raw: Roles = {
  server: async ({ place }) => {
    const level = await openLevel(place);
    const host = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
    await once(host, 'listening');
    const readers = new Set<WebSocket>();
    let head = 0;
    const inTurn = queue();

    const serve = (reader: WebSocket): void => {
      let sent = 0;
      let waiting = 0;
      const pages = async (): Promise<void> => {
        while (waiting < 8 && sent < head) {
          waiting += 1;
          const values = await level.values({ gt: keyOf(sent), lte: keyOf(head), limit: pageEntries }).all();
          sent += values.length;
          reader.send(Buffer.concat(values));
        }
        if (sent === head) readers.add(reader);
      };
      inTurn(pages);
      reader.on('message', () => {
        waiting -= 1;
        if (!readers.has(reader)) inTurn(pages);
      });
    };
    host.on('connection', (socket, { url }) => {
      if (url === '/reader') {
        serve(socket);
        return;
      }
      socket.on('message', (frame: Buffer) =>
        inTurn(async () => {
          const entries = entriesOf(frame);
          await level.batch(puts(head, entries), { sync: true });
          head += entries.length;
          socket.send(String(entries.length));
          for (const reader of readers) reader.send(frame);
        }),
      );
    });
    return {
      port: () => Promise.resolve((host.address() as { port: number }).port),
      end: async () => {
        for (const socket of host.clients) socket.terminate();
        host.close();
        await level.close();
        return 0;
      },
    };
  },

  writer: async ({ place, port }) => {
    const level = await openLevel(place);
    let written = 0;
    let acknowledged = 0;
    let socket: WebSocket | null = null;
    let told: () => void = () => undefined;
    const inTurn = queue();
    const connect = async (): Promise<number> => {
      socket = await dialled(port, 'writer');
      socket.on('message', (count: Buffer) =>
        inTurn(async () => {
          const total = Number(count.toString());
          await level.batch(
            Array.from({ length: total }, (_, at) => ({ type: 'del', key: keyOf(acknowledged + at + 1) }) as const),
          );
          acknowledged += total;
          told();
        }),
      );
      return 0;
    };
    const allAcknowledged = (): Promise<void> =>
      new Promise((resolve) => {
        told = () => {
          if (acknowledged >= written) resolve();
        };
        told();
      });
    /** What comes while a batch is written goes together into the next, and out as one frame. */
    let batch: { value: Buffer; done: () => void }[] = [];
    let busy = false;
    const flush = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      while (batch.length > 0) {
        const group = batch;
        batch = [];
        const values = group.map(({ value }) => value);
        await level.batch(puts(written, values), { sync: true });
        written += group.length;
        socket?.send(Buffer.concat(values));
        group.forEach(({ done }) => done());
      }
      busy = false;
    };
    const write = (): Promise<void> =>
      new Promise((done) => {
        batch.push({ value: entry(now()), done });
        void flush();
      });
    return {
      offline: async (total = 0) => {
        await inFlight(total, 1_000, write);
        return 0;
      },
      upload: async () => {
        const began = now();
        await connect();
        for (let sent = 0; sent < written; sent += pageEntries) {
          const values = await level.values({ gt: keyOf(sent), limit: pageEntries }).all();
          socket?.send(Buffer.concat(values));
        }
        await allAcknowledged();
        return now() - began;
      },
      connect,
      pace: async (total = 0, perSecond = 0) => {
        await paced(total, perSecond, write);
        await allAcknowledged();
        return 0;
      },
      live: async (total = 0, most = 0) => {
        const began = now();
        await inFlight(total, most, write);
        return began;
      },
      end: async () => {
        socket?.terminate();
        await level.close();
        return 0;
      },
    };
  },

  reader: ({ place, port }) => {
    let live: Awaited<ReturnType<typeof listening>> | null = null;
    let devices = 0;
    return Promise.resolve({
      download: async (total = 0) => {
        const began = now();
        const fresh = await listening(`${place}-${++devices}`, port);
        const took = (await fresh.reached(total)) - began;
        await fresh.close();
        return [took, fresh.latencies.length];
      },
      connect: async () => {
        live = await listening(place, port);
        return 0;
      },
      reached: async (total = 0) => (live ? live.reached(total) : 0),
      latencies: () => Promise.resolve(live?.latencies ?? []),
      end: async () => {
        await live?.close();
        return 0;
      },
    });
  },
};

/** Stores whatever comes, and notes how long it was under way. */
const listening = async (place: string, port: number) => {
  const level = await openLevel(place);
  const socket = await dialled(port, 'reader');
  const latencies: number[] = [];
  let told: () => void = () => undefined;
  const inTurn = queue();
  socket.on('message', (frame: Buffer) =>
    inTurn(async () => {
      const entries = entriesOf(frame);
      await level.batch(puts(latencies.length, entries));
      const seen = now();
      for (const each of entries) latencies.push(seen - each.readDoubleBE());
      socket.send('done');
      told();
    }),
  );
  return {
    latencies,
    reached: (total: number): Promise<number> =>
      new Promise((resolve) => {
        told = () => {
          if (latencies.length >= total) resolve(now());
        };
        told();
      }),
    close: async (): Promise<void> => {
      socket.terminate();
      await level.close();
    },
  };
};
