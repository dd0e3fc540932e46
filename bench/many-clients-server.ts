import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Authenticate, createSyncServer } from 'tidemark/server';
import { WebSocket, WebSocketServer } from 'ws';
import { type Actions, now, type Role, type Side } from './processes.js';

/*
 * A server of many clients: ours, and a raw one that accepts sockets and sends what one of them says to all others. Both say how much memory and
 * processor they take, and how many different frames they have sent.
 */

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Counts the frames that are sent: all, and those that are not the same bytes in the same place. */
const createFrameCounter = () => {
  let sent = 0;
  let places = new Map<ArrayBufferLike, Set<number>>();
  const send: unknown = Reflect.get(WebSocket.prototype, 'send');
  WebSocket.prototype.send = function (this: WebSocket, data: Buffer, ...rest: never[]): void {
    sent += 1;
    const known = places.get(data.buffer) ?? new Set();
    places.set(data.buffer, known.add(data.byteOffset));
    Reflect.apply(send as WebSocket['send'], this, [data, ...rest]);
  } as WebSocket['send'];
  return {
    /** Sent since the last time, and how many of them were made. */
    sent: (): number[] => {
      const made = [...places.values()].reduce((sum, { size }) => sum + size, 0);
      const all = [sent, made];
      sent = 0;
      places = new Map();
      return all;
    },
    stop: () => {
      WebSocket.prototype.send = send as WebSocket['send'];
    },
  };
};

const createMeasurements = (): Actions => {
  let counter: ReturnType<typeof createFrameCounter> | null = null;
  let cpu = process.cpuUsage();
  return {
    /** Kilobytes of resident memory: as it is, once garbage is gone, and of that the heap. */
    memory: async () => {
      const before = process.memoryUsage().rss;
      for (let round = 0; round < 6; round += 1) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { rss, heapUsed } = process.memoryUsage();
      return [before, rss, heapUsed].map((bytes) => bytes / 1_024);
    },
    count: () => {
      counter = createFrameCounter();
      cpu = process.cpuUsage();
      return Promise.resolve(0);
    },
    /** Frames sent and frames made since `count`, and milliseconds of processor. */
    counted: () => {
      const { user, system } = process.cpuUsage(cpu);
      const all = [...(counter?.sent() ?? []), (user + system) / 1_000];
      counter?.stop();
      return Promise.resolve(all);
    },
    now: () => Promise.resolve(now()),
  };
};

/** One address is all of them here. */
const limits = { connectionsPerAddressMax: 100_000, upgradesPerSecondMax: 100_000 };

/** Each client is a user of its own, whose token is its id: limits per user are as in a server of real users. */
const authenticate: Authenticate = (token) => ({ id: token });

const ours: Role = async ({ place }) => {
  const server = createSyncServer({ storage: place, authenticate, authorize: () => 'write', limits });
  const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
  return { ...createMeasurements(), port: () => Promise.resolve(port), end: () => server.close().then(() => 0) };
};

/** What is longer than an acknowledgement goes to everybody else. */
const acknowledgementBytes = 8;

const raw: Role = async () => {
  const host = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(host, 'listening');
  host.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (frame: Buffer) => {
      if (frame.byteLength <= acknowledgementBytes) return;
      for (const other of host.clients) if (other !== socket) other.send(frame);
    });
  });
  const end = async (): Promise<number> => {
    for (const socket of host.clients) socket.terminate();
    host.close();
    await once(host, 'close');
    return 0;
  };
  return { ...createMeasurements(), port: () => Promise.resolve((host.address() as AddressInfo).port), end };
};

export const manyClientsServer: Readonly<Record<Side, Role>> = { ours, raw };
