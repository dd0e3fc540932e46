import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { WebSocket, WebSocketServer } from 'ws';
import { sleep } from './time-limits.js';
import { loadInstalled } from './load-installed.js';
import { openJazzStorage } from './jazz-storage.js';
import type { Adapter, Item } from './peer.js';
import { socketOptions } from './raw-frames.js';

/*
 * Jazz: cojson with cojson-transport-ws and the SQLite storage of its own sync server. A realm is a map of ids to JSON
 * values in a group that everyone may write. Each item is one transaction, signed and encrypted.
 */

interface Transaction {
  readonly changes: readonly { readonly op: string; readonly key: string }[];
}
interface CoMap {
  readonly id: string;
  readonly core: { readonly waitForSync: () => Promise<unknown> };
  readonly keys: () => readonly string[];
  readonly get: (key: string) => Partial<Item> | undefined;
  readonly set: (key: string, value: Item) => void;
  readonly subscribe: (observer: () => void) => void;
  handleNewTransaction: (transaction: Transaction) => void;
  processNewTransactions: () => void;
}
interface LocalNode {
  readonly syncManager: { readonly addPeer: (peer: unknown) => void };
  readonly setStorage: (storage: unknown) => void;
  readonly createGroup: () => {
    readonly addMember: (member: 'everyone', role: 'writer') => void;
    readonly createMap: () => CoMap;
  };
  readonly getCoValue: (id: string) => { readonly knownState: () => { readonly sessions: Record<string, number> } };
  readonly load: (id: string) => Promise<CoMap | 'unavailable'>;
  readonly gracefulShutdown: () => Promise<unknown>;
}
interface Crypto {
  readonly newRandomAgentSecret: () => string;
  readonly getAgentID: (secret: string) => string;
  readonly newRandomSessionID: (agent: string) => string;
}
interface Cojson {
  readonly LocalNode: {
    new (secret: string, session: string, crypto: Crypto): LocalNode;
    withNewlyCreatedAccount(options: object): Promise<{ readonly node: LocalNode }>;
  };
}
interface Reconnecting {
  readonly enable: () => void;
  readonly disable: () => void;
  readonly waitUntilConnected: () => Promise<unknown>;
}
interface CojsonTransport {
  readonly createWebSocketPeer: (options: object) => unknown;
  readonly WebSocketPeerWithReconnection: new (options: object) => Reconnecting;
}

const loadJazz = async () => {
  const { LocalNode } = await loadInstalled<Cojson>('cojson');
  const { NapiCrypto } = await loadInstalled<{ readonly NapiCrypto: { create(): Promise<Crypto> } }>(
    'cojson/crypto/NapiCrypto',
  );
  const transport = await loadInstalled<CojsonTransport>('cojson-transport-ws');
  return { ...transport, LocalNode, crypto: await NapiCrypto.create() };
};

const createSharedMap = (node: LocalNode): CoMap => {
  const group = node.createGroup();
  group.addMember('everyone', 'writer');
  return group.createMap();
};

const pingMs = 1_500;

/** Keeps the id of the map of each realm. It is not a part of Jazz, and clients ask it only when they connect. */
const createRegistry = (file: string, createMap: () => CoMap) => {
  let ids: Record<string, string> = {};
  try {
    ids = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  } catch {
    // The server is new.
  }
  const idOf = (realm: string, given: string): string => {
    const known = ids[realm];
    if (known !== undefined) return known;
    const id = given === '' ? createMap().id : given;
    ids[realm] = id;
    writeFileSync(file, JSON.stringify(ids));
    return id;
  };
  const answer: RequestListener = (request, response) => {
    const realm = decodeURIComponent(request.url?.slice(1) ?? '');
    void text(request).then((given) => response.end(idOf(realm, given)));
  };
  return { answer, find: (realm: string): string | undefined => ids[realm] };
};

const createServer: Adapter['createServer'] = async ({ port, folder }) => {
  const { LocalNode, crypto, createWebSocketPeer } = await loadJazz();
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  const { storage, close } = await openJazzStorage(join(folder, 'storage.db'));
  node.setStorage(storage);
  const registry = createRegistry(join(folder, 'realms.json'), () => createSharedMap(node));
  const http = createHttpServer(registry.answer);
  const sockets = new WebSocketServer({ server: http, ...socketOptions });
  let count = 0;
  sockets.on('connection', (socket) => {
    const ping = { type: 'ping', dc: 'bench' };
    const pings = setInterval(() => socket.send(JSON.stringify({ ...ping, time: Date.now() })), pingMs);
    socket.on('close', () => clearInterval(pings));
    socket.on('error', () => undefined);
    count += 1;
    const peer = {
      id: `client-${count}`,
      role: 'client',
      websocket: socket,
      expectPings: false,
      batchingByDefault: false,
      deletePeerStateOnClose: true,
    };
    node.syncManager.addPeer(createWebSocketPeer(peer));
  });
  http.listen(port, '127.0.0.1');
  await once(http, 'listening');
  return {
    // Its storage is synchronous, so transactions that the node knows are durable.
    countHeld: (realm) => {
      const id = registry.find(realm);
      if (id === undefined) return { accepted: 0, durable: 0 };
      const transactions = Object.values(node.getCoValue(id).knownState().sessions);
      const total = transactions.reduce((sum, each) => sum + each, 0);
      return { accepted: total, durable: total };
    },
    stop: async () => {
      for (const socket of sockets.clients) socket.terminate();
      http.close();
      await sleep(100);
      close();
    },
  };
};

/**
 * Reports new items of a map as its transactions are processed. Its subscription passes only the whole map, and the
 * search for differences would cost more than the work of Jazz.
 */
const watchMap = (map: CoMap, ownIds: ReadonlySet<string>, callback: (id: string) => void): void => {
  const added: string[] = [];
  const processTransactions = map.processNewTransactions.bind(map);
  map.handleNewTransaction = ({ changes }) => {
    for (const { op, key } of changes) if (op === 'set') added.push(key);
  };
  map.processNewTransactions = () => {
    processTransactions();
    for (const id of added.splice(0)) if (!ownIds.has(id)) callback(id);
  };
  for (const id of map.keys()) if (!ownIds.has(id)) callback(id);
  map.subscribe(() => undefined);
};

const createClient: Adapter['createClient'] = async ({ port, realm, isOffline }) => {
  const { LocalNode, crypto, WebSocketPeerWithReconnection } = await loadJazz();
  const account = { creationProps: { name: 'bench' }, crypto, peers: [] };
  const { node } = await LocalNode.withNewlyCreatedAccount(account);
  const registryUrl = `http://127.0.0.1:${port}/${encodeURIComponent(realm)}`;
  const ownIds = new Set<string>();
  let onItem: (id: string) => void = () => undefined;
  let socket: Reconnecting | null = null;
  let map: CoMap | null = isOffline ? createSharedMap(node) : null;
  const watch = (watched: CoMap): void => watchMap(watched, ownIds, (id) => onItem(id));
  if (map) watch(map);
  return {
    onItem: (callback) => {
      onItem = callback;
    },
    connect: async () => {
      socket = new WebSocketPeerWithReconnection({
        peer: `ws://127.0.0.1:${port}`,
        addPeer: node.syncManager.addPeer.bind(node.syncManager),
        removePeer: () => undefined,
        WebSocketConstructor: WebSocket,
      });
      socket.enable();
      await socket.waitUntilConnected();
      const response = await fetch(registryUrl, { method: 'POST', body: map?.id ?? '' });
      if (map) return;
      const loaded = await node.load(await response.text());
      if (loaded === 'unavailable') throw new Error('the map is unavailable');
      map = loaded;
      watch(map);
    },
    write: (item) => {
      ownIds.add(item.id);
      map?.set(item.id, item);
      return undefined;
    },
    waitForServer: async () => map?.core.waitForSync(),
    count: () => map?.keys().length ?? 0,
    get: (id) => map?.get(id),
    close: async () => {
      socket?.disable();
      await node.gracefulShutdown();
    },
  };
};

export const adapter: Adapter = { createServer, createClient };
