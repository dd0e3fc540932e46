import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type WebSocket as ServerSocket, WebSocket, WebSocketServer } from 'ws';
import { sleep } from './time-limits.js';
import { loadInstalled } from './load-installed.js';
import type { Adapter, Item } from './peer.js';
import { socketOptions } from './raw-frames.js';

/*
 * yjs with y-websocket, the server of @y/websocket-server and its storage y-leveldb. A realm is a document, with a map
 * of ids to maps; each item is one transaction.
 */

interface YMap {
  readonly size: number;
  readonly set: (key: string, value: unknown) => void;
  readonly get: (key: string) => YMap | undefined;
  readonly toJSON: () => Partial<Item>;
  readonly observe: (observer: (event: { keysChanged: Set<string>; transaction: { local: boolean } }) => void) => void;
}
interface YDoc {
  readonly getMap: (name: string) => YMap;
  readonly transact: (change: () => void) => void;
  readonly on: (event: 'update', observer: (update: Uint8Array) => void) => void;
  readonly destroy: () => void;
}
interface Yjs {
  readonly Doc: new () => YDoc;
  readonly Map: new () => YMap;
}
interface LevelPersistence {
  /** The queue of its writes. */
  readonly tr: Promise<unknown>;
  readonly storeUpdate: (name: string, update: Uint8Array) => Promise<unknown>;
  readonly destroy: () => Promise<unknown>;
}
interface ServerUtils {
  readonly setupWSConnection: (socket: ServerSocket, request: unknown) => void;
  readonly docs: ReadonlyMap<string, YDoc>;
  readonly getPersistence: () => { readonly provider: LevelPersistence };
}
interface Provider {
  readonly on: (event: 'sync', observer: (isSynced: boolean) => void) => void;
  readonly destroy: () => void;
}
interface YWebsocket {
  readonly WebsocketProvider: new (url: string, realm: string, doc: YDoc, options: object) => Provider;
}

const mapName = 'items';

/** Sets up the server as the program of the package does, with the current release of `ws`. */
const createServer: Adapter['createServer'] = async ({ port, folder }) => {
  process.env['YPERSISTENCE'] = folder;
  const { setupWSConnection, docs, getPersistence } = await loadInstalled<ServerUtils>('@y/websocket-server/utils');
  const { provider } = getPersistence();
  const http = createHttpServer();
  const sockets = new WebSocketServer({ noServer: true, ...socketOptions });
  sockets.on('connection', setupWSConnection);
  http.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (upgraded) => sockets.emit('connection', upgraded, request));
  });
  http.listen(port, '127.0.0.1');
  await once(http, 'listening');

  const storedOf = new Map<string, number>();
  const checking = new Set<string>();
  return {
    countHeld: (realm) => {
      const accepted = docs.get(realm)?.getMap(mapName).size ?? 0;
      const durable = storedOf.get(realm) ?? 0;
      if (accepted > durable && !checking.has(realm)) {
        checking.add(realm);
        // All writes that are in the queue now are stored then.
        void provider.tr.then(() => {
          storedOf.set(realm, accepted);
          checking.delete(realm);
        });
      }
      return { accepted, durable };
    },
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate();
      http.close();
      await sleep(50);
      await provider.destroy();
    },
  };
};

const createClient: Adapter['createClient'] = async ({ port, realm, folder, store }) => {
  const yjs = await loadInstalled<Yjs>('yjs');
  const { WebsocketProvider } = await loadInstalled<YWebsocket>('y-websocket');
  const doc = new yjs.Doc();
  const items = doc.getMap(mapName);
  let provider: Provider | null = null;
  let onItem: (id: string) => void = () => undefined;
  let level: LevelPersistence | null = null;
  if (store === 'disk') {
    const { LeveldbPersistence } = await loadInstalled<{
      readonly LeveldbPersistence: new (folder: string) => LevelPersistence;
    }>('y-leveldb');
    const persistence = new LeveldbPersistence(folder);
    level = persistence;
    doc.on('update', (update) => void persistence.storeUpdate(realm, update));
  }
  items.observe(({ keysChanged, transaction }) => {
    if (!transaction.local) for (const id of keysChanged) onItem(id);
  });
  return {
    onItem: (callback) => {
      onItem = callback;
    },
    connect: () =>
      new Promise<void>((resolve) => {
        const options = { WebSocketPolyfill: WebSocket, disableBc: true };
        provider = new WebsocketProvider(`ws://127.0.0.1:${port}`, realm, doc, options);
        provider.on('sync', (isSynced) => {
          if (isSynced) resolve();
        });
      }),
    write: (item) => {
      doc.transact(() => {
        const map = new yjs.Map();
        for (const [property, value] of Object.entries(item)) map.set(property, value);
        items.set(item.id, map);
      });
      return undefined;
    },
    waitForStore: async () => level?.tr,
    count: () => items.size,
    get: (id) => items.get(id)?.toJSON(),
    close: async () => {
      provider?.destroy();
      doc.destroy();
      await level?.tr;
      await level?.destroy();
    },
  };
};

export const adapter: Adapter = { createServer, createClient };
