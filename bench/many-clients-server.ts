import { once } from 'node:events';
import { type AddressInfo, Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Authenticate, createSyncServer } from 'tidemark/server';
import { WebSocketServer } from 'ws';
import { type Actions, now, type Role, type Side } from './processes.js';

/*
 * A server of many clients: tidemark, or a raw one that sends the frames of each client to all others. Both report
 * memory, processor time, and the number of different frames that they have sent.
 */

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A write with fewer bytes is the header of a frame, which `ws` writes apart. */
const frameBytesMin = 5;

/** Counts the sent frames: all of them, and those with new bytes. Counts writes, because tidemark frames by itself. */
const createFrameCounter = () => {
  let sent = 0;
  let offsets = new Map<ArrayBufferLike, Set<number>>();
  const write = Reflect.get(Socket.prototype, 'write');
  Socket.prototype.write = function (this: Socket, data: Buffer, ...rest: never[]): boolean {
    if (data.byteLength >= frameBytesMin) {
      sent += 1;
      const ofBuffer = offsets.get(data.buffer) ?? new Set();
      offsets.set(data.buffer, ofBuffer.add(data.byteOffset));
    }
    const isFlushed: unknown = Reflect.apply(write, this, [data, ...rest]);
    return isFlushed === true;
  };
  return {
    /** Frames since the last call, and the number of different ones. */
    sent: (): number[] => {
      const different = [...offsets.values()].reduce((sum, { size }) => sum + size, 0);
      const all = [sent, different];
      sent = 0;
      offsets = new Map();
      return all;
    },
    stop: () => {
      Socket.prototype.write = write;
    },
  };
};

const createMeasurements = (): Actions => {
  let counter: ReturnType<typeof createFrameCounter> | null = null;
  let cpu = process.cpuUsage();
  return {
    /** Kilobytes of resident memory: now, after a garbage collection, and the parts of the heap and of buffers. */
    memory: async () => {
      const before = process.memoryUsage().rss;
      for (let round = 0; round < 6; round += 1) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
      return [before, rss, heapUsed, arrayBuffers].map((bytes) => bytes / 1_024);
    },
    count: () => {
      counter = createFrameCounter();
      cpu = process.cpuUsage();
      return Promise.resolve(0);
    },
    /** Sent and different frames since `count`, and milliseconds of processor time. */
    counted: () => {
      const { user, system } = process.cpuUsage(cpu);
      const all = [...(counter?.sent() ?? []), (user + system) / 1_000];
      counter?.stop();
      return Promise.resolve(all);
    },
    now: () => Promise.resolve(now()),
  };
};

/** All clients have the same address here. */
const limits = { connectionsPerAddressMax: 100_000, upgradesPerSecondMax: 100_000 };

/** Each client is its own user, whose token is its id, so that limits per user apply as with real users. */
const authenticate: Authenticate = (token) => ({ id: token });

const ours: Role = async ({ location }) => {
  const server = createSyncServer({ storage: location, authenticate, authorize: () => 'write', limits });
  const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
  return { ...createMeasurements(), port: () => Promise.resolve(port), end: () => server.close().then(() => 0) };
};

/** Frames longer than an acknowledgement go to all other clients. */
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
