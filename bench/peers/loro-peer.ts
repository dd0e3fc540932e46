import { once } from 'node:events';
import { ClassicLevel } from 'classic-level';
import { WebSocket, WebSocketServer } from 'ws';
import { loadInstalled } from './load-installed.js';
import type { Adapter, Item } from './peer.js';
import { keyOf, socketOptions } from './raw-frames.js';

/*
 * loro-crdt over `ws`. The server of the Loro project is for tests: it imports and exports the whole document for each
 * update. This relay has a document for each realm, appends updates to LevelDB and sends their bytes on. An item is a
 * map in a map, and one commit.
 */

interface LoroMap {
  readonly id: string;
  readonly size: number;
  readonly set: (key: string, value: unknown) => void;
  readonly setContainer: (key: string, container: LoroMap) => LoroMap;
  readonly get: (key: string) => LoroMap | undefined;
  readonly toJSON: () => Partial<Item>;
}
interface LoroVersion {
  readonly encode: () => Uint8Array;
  readonly compare: (other: LoroVersion) => number | undefined;
}
interface LoroEvents {
  readonly by: string;
  readonly events: readonly {
    readonly target: string;
    readonly diff: { readonly type: string; readonly updated?: Readonly<Record<string, unknown>> };
  }[];
}
interface LoroDoc {
  readonly getMap: (name: string) => LoroMap;
  readonly import: (bytes: Uint8Array) => void;
  readonly importBatch: (updates: readonly Uint8Array[]) => void;
  readonly export: (options: { mode: 'update'; from: LoroVersion }) => Uint8Array;
  readonly version: () => LoroVersion;
  readonly commit: () => void;
  readonly subscribe: (observer: (batch: LoroEvents) => void) => void;
  readonly subscribeLocalUpdates: (observer: (bytes: Uint8Array) => void) => void;
}
interface Loro {
  readonly LoroDoc: new () => LoroDoc;
  readonly LoroMap: new () => LoroMap;
  readonly VersionVector: { readonly decode: (bytes: Uint8Array) => LoroVersion };
}

const mapName = 'items';
const hello = 0;
const update = 1;
const reconnectMs = 100;
const frameOf = (type: number, bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(type), bytes]);

interface LoroRealm {
  readonly name: string;
  readonly doc: LoroDoc;
  readonly map: LoroMap;
  readonly sockets: Set<WebSocket>;
  updates: number;
  durable: number;
}
type Level = ClassicLevel<string, Buffer>;

const loadRealm = async (loro: Loro, level: Level, name: string): Promise<LoroRealm> => {
  const doc = new loro.LoroDoc();
  const stored = await level.iterator({ gte: `r!${name}!`, lt: `r!${name}"` }).all();
  if (stored.length > 0) doc.importBatch(stored.map(([, value]) => value));
  const map = doc.getMap(mapName);
  const updates = parseInt(stored.at(-1)?.[0].slice(-9) ?? '0', 36);
  return { name, doc, map, sockets: new Set(), updates, durable: map.size };
};

/** Group commit of updates. */
const createCommitter = (level: Level) => {
  let pending: { readonly realm: LoroRealm; readonly key: string; readonly value: Buffer }[] = [];
  let writing: Promise<void> | null = null;
  const writeAll = async (): Promise<void> => {
    await Promise.resolve(); // Collects the updates of this event-loop turn.
    while (pending.length > 0) {
      const batch = pending;
      pending = [];
      const sizes = new Map(batch.map(({ realm }) => [realm, realm.map.size]));
      await level.batch(batch.map(({ key, value }) => ({ type: 'put', key, value })));
      for (const [realm, size] of sizes) realm.durable = size;
    }
    writing = null;
  };
  return {
    commit: (realm: LoroRealm, bytes: Uint8Array): void => {
      realm.updates += 1;
      pending.push({ realm, key: `r!${realm.name}!${keyOf(realm.updates)}`, value: Buffer.from(bytes) });
      writing ??= writeAll();
    },
    end: async (): Promise<void> => {
      await writing;
    },
  };
};

const createServer: Adapter['createServer'] = async ({ port, folder }) => {
  const loro = await loadInstalled<Loro>('loro-crdt');
  const level: Level = new ClassicLevel(folder, { valueEncoding: 'buffer' });
  await level.open();
  const realms = new Map<string, Promise<LoroRealm>>();
  const open = (name: string): Promise<LoroRealm> => {
    const found = realms.get(name) ?? loadRealm(loro, level, name);
    realms.set(name, found);
    return found;
  };
  const { commit, end } = createCommitter(level);
  const sockets = new WebSocketServer({ port, host: '127.0.0.1', ...socketOptions });
  sockets.on('connection', (socket, request) => {
    const opening = open(decodeURIComponent(request.url?.slice(1) ?? ''));
    let realm: LoroRealm | null = null;
    void opening.then((opened) => {
      realm = opened;
      opened.sockets.add(socket);
      socket.send(frameOf(hello, opened.doc.version().encode()));
    });
    socket.on('close', () => realm?.sockets.delete(socket));
    socket.on('error', () => undefined);
    const handle = (opened: LoroRealm, frame: Buffer): void => {
      const bytes = frame.subarray(1);
      if (frame[0] === hello) {
        const from = loro.VersionVector.decode(bytes);
        socket.send(frameOf(update, opened.doc.export({ mode: 'update', from })));
        return;
      }
      opened.doc.import(bytes);
      commit(opened, bytes);
      for (const other of opened.sockets) if (other !== socket && other.readyState === other.OPEN) other.send(frame);
    };
    socket.on('message', (frame: Buffer) => {
      if (realm) handle(realm, frame);
      else void opening.then((opened) => handle(opened, frame));
    });
  });
  await once(sockets, 'listening');
  return {
    countHeld: async (name) => {
      const { map, durable } = await open(name);
      return { accepted: map.size, durable };
    },
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      await end();
      await level.close();
    },
  };
};

const createClient: Adapter['createClient'] = async ({ port, realm }) => {
  const loro = await loadInstalled<Loro>('loro-crdt');
  const doc = new loro.LoroDoc();
  const map = doc.getMap(mapName);
  const mapId = map.id;
  let socket: WebSocket | null = null;
  let isLive = false;
  let isClosed = false;
  let onItem: (id: string) => void = () => undefined;
  doc.subscribe(({ by, events }) => {
    if (by !== 'import') return;
    for (const { target, diff } of events) {
      if (target === mapId && diff.type === 'map') for (const id in diff.updated) onItem(id);
    }
  });
  doc.subscribeLocalUpdates((bytes) => {
    if (isLive) socket?.send(frameOf(update, bytes));
  });
  const connect = (onConnected: () => void): void => {
    if (isClosed) return;
    const opened = new WebSocket(`ws://127.0.0.1:${port}/${encodeURIComponent(realm)}`, socketOptions);
    socket = opened;
    opened.on('open', () => opened.send(frameOf(hello, doc.version().encode())));
    opened.on('message', (frame: Buffer) => {
      const bytes = frame.subarray(1);
      if (frame[0] !== hello) {
        doc.import(bytes);
        return;
      }
      // The server sends its version first: the client sends what is missing there, and then each update.
      const from = loro.VersionVector.decode(bytes);
      const order = doc.version().compare(from);
      if (order === undefined || order > 0) opened.send(frameOf(update, doc.export({ mode: 'update', from })));
      isLive = true;
      onConnected();
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
      const container = map.setContainer(item.id, new loro.LoroMap());
      for (const [property, value] of Object.entries(item)) container.set(property, value);
      doc.commit();
      return undefined;
    },
    count: () => map.size,
    get: (id) => map.get(id)?.toJSON(),
    close: () => {
      isClosed = true;
      socket?.terminate();
      return Promise.resolve();
    },
  };
};

export const adapter: Adapter = { createServer, createClient };
