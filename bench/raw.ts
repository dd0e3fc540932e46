/*
 * The same work without the library: `ws` frames of the same bytes and batches into LevelDB. Durable data is synced
 * here too; pages have the same size, and the same number of pages is in flight.
 */
import { once } from 'node:events';
import { ClassicLevel } from 'classic-level';
import { WebSocket, WebSocketServer } from 'ws';
import { runInFlight, note, runAtPace } from './tidemark-side.js';
import { now, type Roles, type Settings } from './processes.js';
import { createReadAges, type ReadAges } from './read-ages.js';

/** Pages that are sent before the first one is answered. */
const pagesAhead = 8;
const keyOf = (version: number): string => String(version).padStart(12, '0');

type Level = ClassicLevel<string, Uint8Array>;
const openLevel = async (location: string): Promise<Level> => {
  const level: Level = new ClassicLevel(location, { valueEncoding: 'view' });
  await level.open();
  return level;
};

/** An entry with the size of a changeset of this library: its time, and text. */
const createEntry = (at: number, bytes: number): Buffer => {
  const entry = Buffer.alloc(bytes, note);
  entry.writeDoubleBE(at);
  return entry;
};
const entriesOf = (frame: Buffer, bytes: number): Buffer[] =>
  Array.from({ length: frame.byteLength / bytes }, (_, at) => frame.subarray(at * bytes, (at + 1) * bytes));

const openSocket = async (port: number, role: string, onFrame: (frame: Buffer) => void): Promise<WebSocket> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${role}`, { perMessageDeflate: false });
  socket.on('message', onFrame); // Before the socket is open, because the first frame may arrive with the handshake.
  await once(socket, 'open');
  return socket;
};

const putsOf = (after: number, entries: readonly Buffer[]) =>
  entries.map((value, index) => ({ type: 'put', key: keyOf(after + index + 1), value }) as const);
const deletesOf = (after: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({ type: 'del', key: keyOf(after + index + 1) }) as const);

/** Runs tasks one after the other. */
const createQueue = () => {
  let last = Promise.resolve();
  return (work: () => Promise<void>): void => void (last = last.then(work));
};

/** Collects the entries that arrive during a batch for the next batch. */
const createGroups = <A>(write: (group: readonly A[]) => Promise<void>) => {
  let forming: { readonly items: A[]; readonly done: Promise<void> } | null = null;
  let before = Promise.resolve();
  return (item: A): Promise<void> => {
    if (forming === null) {
      const items: A[] = [];
      const done = before.then(() => {
        forming = null;
        return write(items);
      });
      forming = { items, done };
      before = done;
    }
    forming.items.push(item);
    return forming.done;
  };
};

const createServer = async ({ location, bytes, perPage }: Settings) => {
  const level = await openLevel(location);
  const host = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(host, 'listening');
  const readers = new Set<WebSocket>();
  let head = Number((await level.keys({ reverse: true, limit: 1 }).all())[0] ?? 0);
  const enqueue = createQueue();

  /** Sends the history page by page, then all new entries. */
  const serve = (reader: WebSocket): void => {
    let sent = 0;
    let inFlight = 0;
    const pages = async (): Promise<void> => {
      while (inFlight < pagesAhead && sent < head) {
        inFlight += 1;
        const values = await level.values({ gt: keyOf(sent), limit: perPage }).all();
        sent += values.length;
        reader.send(Buffer.concat(values, values.length * bytes));
      }
      if (sent === head) readers.add(reader);
    };
    enqueue(pages);
    reader.on('message', () => {
      inFlight -= 1;
      if (!readers.has(reader)) enqueue(pages);
    });
    reader.on('close', () => readers.delete(reader));
  };
  host.on('connection', (socket, { url }) => {
    if (url === '/reader') {
      serve(socket);
      return;
    }
    socket.on('message', (frame: Buffer) =>
      enqueue(async () => {
        const entries = entriesOf(frame, bytes);
        await level.batch(putsOf(head, entries), { sync: true });
        head += entries.length;
        socket.send(String(entries.length));
        for (const reader of readers) reader.send(frame);
      }),
    );
  });
  return { level, host };
};

const createWriter = async ({ location, port, bytes, perPage }: Settings) => {
  const level = await openLevel(location);
  const enqueue = createQueue();
  let written = 0;
  let acknowledged = 0;
  let unsent: Buffer[] = [];
  let inFlight = 0;
  let socket: WebSocket | null = null;
  let onAcknowledged: () => void = () => undefined;

  const sendOn = (): void => {
    for (; socket && unsent.length > 0 && inFlight < pagesAhead; inFlight++) {
      socket.send(Buffer.concat(unsent.slice(0, perPage)));
      unsent = unsent.slice(perPage);
    }
  };
  const write = createGroups<Buffer>(async (entries) => {
    await level.batch(putsOf(written, entries), { sync: true });
    written += entries.length;
    unsent = [...unsent, ...entries];
    sendOn();
  });
  const receive = (count: Buffer): void => {
    inFlight -= 1;
    sendOn();
    enqueue(async () => {
      const total = Number(count.toString());
      await level.batch(deletesOf(acknowledged, total));
      acknowledged += total;
      onAcknowledged();
    });
  };
  return {
    level,
    write: () => write(createEntry(now(), bytes)),
    connect: async (): Promise<void> => {
      socket = await openSocket(port, 'writer', receive);
      sendOn();
    },
    disconnect: (): void => {
      socket?.terminate();
      socket = null;
    },
    /** Resolves when everything is on the server and the acknowledgement is stored here. */
    uploaded: (): Promise<void> =>
      new Promise((resolve) => {
        onAcknowledged = () => {
          if (acknowledged >= written) resolve();
        };
        onAcknowledged();
      }),
  };
};

/** Stores all received entries and counts them. */
const createReader = async ({ location, port, bytes }: Settings, readAges: ReadAges) => {
  const level = await openLevel(location);
  const enqueue = createQueue();
  let stored = 0;
  let socket: WebSocket | null = null;
  return {
    connect: async (): Promise<void> => {
      socket = await openSocket(port, 'reader', (frame) =>
        enqueue(async () => {
          const entries = entriesOf(frame, bytes);
          await level.batch(putsOf(stored, entries));
          stored += entries.length;
          readAges.record(entries.map((each) => each.readDoubleBE()));
          socket?.send('done');
        }),
      );
    },
    close: async (): Promise<void> => {
      socket?.terminate();
      await level.close();
    },
  };
};

export const raw: Roles = {
  server: async (settings) => {
    const { level, host } = await createServer(settings);
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
  writer: async (settings) => {
    const { level, write, connect, disconnect, uploaded } = await createWriter(settings);
    return {
      offline: async (total = 0) => {
        disconnect();
        await runInFlight(total, 1_000, write);
        return 0;
      },
      upload: async () => {
        const began = now();
        await connect();
        await uploaded();
        return now() - began;
      },
      connect: async () => {
        await connect();
        return 0;
      },
      pace: async (total = 0, perSecond = 0) => {
        await runAtPace(total, perSecond, write);
        await uploaded();
        return 0;
      },
      live: async (total = 0, most = 0) => {
        const began = now();
        await runInFlight(total, most, write);
        return began;
      },
      end: async () => {
        disconnect();
        await level.close();
        return 0;
      },
    };
  },
  reader: (settings) => {
    const readAges = createReadAges();
    let live: Awaited<ReturnType<typeof createReader>> | null = null;
    let devices = 0;
    return Promise.resolve({
      download: async (total = 0) => {
        const device = await createReader({ ...settings, location: `${settings.location}-${++devices}` }, readAges);
        readAges.expect(total);
        const began = now();
        await device.connect();
        const elapsedMs = (await readAges.waitForAll()) - began;
        await device.close();
        return [elapsedMs, readAges.ages().length];
      },
      connect: async () => {
        live = await createReader(settings, readAges);
        await live.connect();
        return 0;
      },
      expect: (total = 0) => {
        readAges.expect(total);
        return Promise.resolve(0);
      },
      reached: readAges.waitForAll,
      ages: () => Promise.resolve(readAges.ages()),
      end: async () => {
        await live?.close();
        return 0;
      },
    });
  },
};
