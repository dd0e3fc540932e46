import { once } from 'node:events';
import { ClassicLevel } from 'classic-level';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Adapter } from './peer.js';
import { sleep } from './time-limits.js';
import {
  acknowledge,
  data,
  decode,
  encode,
  keyOf,
  packr,
  type RawMessage,
  socketOptions,
  subscribe,
  write,
} from './raw-frames.js';

type Put = { readonly type: 'put'; readonly key: string; readonly value: Buffer };
type Level = ClassicLevel<string, Buffer>;

interface RawRealm {
  readonly name: string;
  frame: number;
  accepted: number;
  durable: number;
  readonly sockets: Set<WebSocket>;
  /** The last write of each client, and the number of its items. */
  readonly lastOf: Map<string, { readonly write: number; readonly count: number }>;
}

const backlogBytesMax = 4 << 20;

const loadRealm = async (level: Level, name: string): Promise<RawRealm> => {
  const realm: RawRealm = { name, frame: 0, accepted: 0, durable: 0, sockets: new Set(), lastOf: new Map() };
  const frames = { gte: `r!${name}!`, lt: `r!${name}"`, reverse: true, limit: 1 };
  for await (const key of level.keys(frames)) realm.frame = parseInt(key.slice(-9), 36);
  for await (const [key, value] of level.iterator({ gte: `c!${name}!`, lt: `c!${name}"` })) {
    const [last = 0, count = 0] = packr.unpack(value) as number[];
    realm.lastOf.set(key.slice(`c!${name}!`.length), { write: last, count });
    realm.accepted += count;
  }
  realm.durable = realm.accepted;
  return realm;
};

/** Group commit: all frames that arrive during a batch go into the next one. */
const createCommitter = (level: Level, sync: boolean) => {
  let puts: Put[] = [];
  let callbacks: (() => void)[] = [];
  let writing: Promise<void> | null = null;
  const writeAll = async (): Promise<void> => {
    while (puts.length > 0) {
      const [batch, done] = [puts, callbacks];
      puts = [];
      callbacks = [];
      await level.batch(batch, { sync });
      for (const callback of done) callback();
    }
    writing = null;
  };
  return {
    commit: (added: readonly Put[], callback: () => void): void => {
      puts.push(...added);
      callbacks.push(callback);
      writing ??= writeAll();
    },
    end: async (): Promise<void> => {
      await writing;
    },
  };
};

/** Sends the stored frames of a realm after one and up to another. Later frames are sent as they come. */
const sendStored = async (socket: WebSocket, level: Level, name: string, from: number, to: number): Promise<void> => {
  const range = { gt: `r!${name}!${keyOf(from)}`, lte: `r!${name}!${keyOf(to)}` };
  for await (const [key, value] of level.iterator(range)) {
    socket.send(encode([data, parseInt(key.slice(-9), 36), value]));
    while (socket.bufferedAmount > backlogBytesMax && socket.readyState === socket.OPEN) await sleep(1);
  }
};

export const createRawServer: Adapter['createServer'] = async ({ port, folder, variant }) => {
  const level: Level = new ClassicLevel(folder, { valueEncoding: 'buffer' });
  await level.open();
  const realms = new Map<string, Promise<RawRealm>>();
  const open = (name: string): Promise<RawRealm> => {
    const found = realms.get(name) ?? loadRealm(level, name);
    realms.set(name, found);
    return found;
  };
  const { commit, end } = createCommitter(level, variant === 'fsync');

  const acceptWrite = (
    socket: WebSocket,
    realm: RawRealm,
    client: string,
    first: number,
    count: number,
    bytes: Uint8Array,
  ) => {
    const before = realm.lastOf.get(client) ?? { write: 0, count: 0 };
    const last = first + count - 1;
    if (last <= before.write) {
      socket.send(encode([acknowledge, before.write]));
      return;
    }
    realm.frame += 1;
    realm.accepted += count;
    const after = { write: last, count: before.count + count };
    realm.lastOf.set(client, after);
    const stored = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    commit(
      [
        { type: 'put', key: `r!${realm.name}!${keyOf(realm.frame)}`, value: stored },
        { type: 'put', key: `c!${realm.name}!${client}`, value: packr.pack([after.write, after.count]) },
      ],
      () => {
        realm.durable += count;
        if (socket.readyState === socket.OPEN) socket.send(encode([acknowledge, last]));
      },
    );
    const frame = encode([data, realm.frame, bytes]);
    for (const other of realm.sockets) if (other !== socket && other.readyState === other.OPEN) other.send(frame);
  };

  const sockets = new WebSocketServer({ port, host: '127.0.0.1', ...socketOptions });
  sockets.on('connection', (socket) => {
    let realm: RawRealm | null = null;
    let client = '';
    let pending = Promise.resolve();
    const handle = async (message: RawMessage): Promise<void> => {
      if (message[0] === subscribe) {
        client = message[2];
        const found = await open(message[1]);
        realm = found;
        socket.send(encode([acknowledge, found.lastOf.get(client)?.write ?? 0]));
        found.sockets.add(socket);
        socket.on('close', () => found.sockets.delete(socket));
        await sendStored(socket, level, found.name, message[3], found.frame);
      } else if (message[0] === write && realm !== null) {
        acceptWrite(socket, realm, client, message[1], message[2], message[3]);
      }
    };
    socket.on('message', (bytes: Buffer) => {
      const message = decode(bytes);
      if (message[0] === subscribe || realm === null) {
        pending = pending.then(() => handle(message)).catch(() => socket.terminate());
      } else void handle(message);
    });
    socket.on('error', () => undefined);
  });
  await once(sockets, 'listening');
  return {
    countHeld: open,
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      await end();
      await level.close();
    },
  };
};
