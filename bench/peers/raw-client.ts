import { ClassicLevel } from 'classic-level';
import { WebSocket } from 'ws';
import type { Adapter, Item } from './peer.js';
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

type Change =
  | { readonly type: 'put'; readonly key: string; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: string };

interface Unsent {
  readonly first: number;
  readonly count: number;
  readonly bytes: Buffer;
}

const itemsPerFrameMax = 512;
const reconnectMs = 100;

/** Writes one batch at a time. All changes that come meanwhile go into the next one. */
const createStore = async (folder: string | null) => {
  if (folder === null) return null;
  const level = new ClassicLevel<string, Buffer>(folder, { valueEncoding: 'buffer' });
  await level.open();
  let pending: Change[] = [];
  let writing: Promise<void> | null = null;
  const writeAll = async (): Promise<void> => {
    await Promise.resolve(); // Collects the changes of this event-loop turn.
    while (pending.length > 0) {
      const batch = pending;
      pending = [];
      await level.batch(batch);
    }
    writing = null;
  };
  return {
    add: (changes: readonly Change[]): void => {
      pending.push(...changes);
      writing ??= writeAll();
    },
    wait: async (): Promise<void> => {
      await writing;
    },
    close: () => level.close(),
  };
};

export const createRawClient: Adapter['createClient'] = async ({ port, realm, folder, store: kind }) => {
  const store = await createStore(kind === 'disk' ? folder : null);
  const clientId = Math.random().toString(36).slice(2);
  const items = new Map<string, Item>();
  let onItem: (id: string) => void = () => undefined;
  let socket: WebSocket | null = null;
  let isClosed = false;
  let isLive = false;
  let downloadedTo = 0;
  let written = 0;
  let acknowledged = 0;
  let outbox: Unsent[] = [];
  let writesOfTurn: Item[] = [];
  let waiting: (() => void)[] = [];

  const isIdle = (): boolean => acknowledged === written && writesOfTurn.length === 0;
  const send = ({ first, count, bytes }: Unsent): void => socket?.send(encode([write, first, count, bytes]));

  const sendWritesOfTurn = (): void => {
    const all = writesOfTurn;
    writesOfTurn = [];
    for (let from = 0; from < all.length; from += itemsPerFrameMax) {
      const part = all.slice(from, from + itemsPerFrameMax);
      const unsent = { first: written + 1, count: part.length, bytes: packr.pack(part) };
      written += part.length;
      outbox.push(unsent);
      store?.add([{ type: 'put', key: `o!${keyOf(unsent.first)}`, value: unsent.bytes }]);
      if (isLive) send(unsent);
    }
  };

  const applyData = (frame: number, bytes: Uint8Array): void => {
    downloadedTo = frame;
    const received = packr.unpack(bytes) as Item[];
    for (const item of received) items.set(item.id, item);
    if (store) {
      const puts = received.map((item): Change => ({ type: 'put', key: `d!${item.id}`, value: packr.pack(item) }));
      store.add([...puts, { type: 'put', key: 'm!since', value: packr.pack(downloadedTo) }]);
    }
    for (const { id } of received) onItem(id);
  };

  const applyAcknowledgement = (to: number): void => {
    acknowledged = Math.max(acknowledged, to);
    const sent = outbox.filter(({ first, count }) => first + count - 1 <= acknowledged);
    outbox = outbox.slice(sent.length);
    if (sent.length > 0) store?.add(sent.map(({ first }) => ({ type: 'del', key: `o!${keyOf(first)}` })));
    if (!isLive) {
      isLive = true;
      outbox.forEach(send);
    }
    if (!isIdle()) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };

  const connect = (onConnected: () => void): void => {
    if (isClosed) return;
    const opened = new WebSocket(`ws://127.0.0.1:${port}`, socketOptions);
    socket = opened;
    opened.on('open', () => opened.send(encode([subscribe, realm, clientId, downloadedTo])));
    opened.on('message', (bytes: Buffer) => {
      const message: RawMessage = decode(bytes);
      if (message[0] === data) applyData(message[1], message[2]);
      else if (message[0] === acknowledge) {
        applyAcknowledgement(message[1]);
        onConnected();
      }
    });
    opened.on('close', () => {
      isLive = false;
      setTimeout(connect, reconnectMs, onConnected);
    });
    opened.on('error', () => undefined);
  };

  return {
    onItem: (callback) => {
      onItem = callback;
    },
    connect: () => new Promise<void>(connect),
    write: (item) => {
      items.set(item.id, item);
      store?.add([{ type: 'put', key: `d!${item.id}`, value: packr.pack(item) }]);
      if (writesOfTurn.push(item) === 1) queueMicrotask(sendWritesOfTurn);
      return undefined;
    },
    waitForServer: () => (isIdle() ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))),
    waitForStore: () => store?.wait() ?? Promise.resolve(),
    count: () => items.size,
    get: (id) => items.get(id),
    close: async () => {
      isClosed = true;
      socket?.terminate();
      await store?.wait();
      await store?.close();
    },
  };
};
