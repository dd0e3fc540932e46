/** The object of all tasks. */
export interface Item {
  /** 20 characters. */
  readonly id: string;
  /** 40 characters. */
  readonly title: string;
  readonly done: boolean;
  readonly n: number;
}

/** The number of items of a realm that a server has. */
export interface HeldCount {
  /** In memory. */
  readonly accepted: number;
  /** In the storage. */
  readonly durable: number;
}

export interface PeerServerOptions {
  readonly port: number;
  readonly folder: string;
  readonly variant: PeerVariant;
}

export interface PeerServer {
  /** Absent when the acknowledgement of the client counts instead. */
  readonly countHeld?: (realm: string) => HeldCount | Promise<HeldCount>;
  readonly stop: () => Promise<void>;
}

export type ClientStore = 'memory' | 'disk';

export interface PeerClientOptions {
  readonly port: number;
  readonly realm: string;
  readonly folder: string;
  readonly store: ClientStore;
  /** Whether the client writes before its first connection. */
  readonly isOffline: boolean;
}

/** A client with one realm. It does not connect before `connect`. */
export interface PeerClient {
  /** Registers a callback for each item of another client, when the item can be read here. */
  readonly onItem: (callback: (id: string) => void) => void;
  /** Resolves when the connection is open and the server has answered. */
  readonly connect: () => Promise<unknown>;
  /** Writes one item in a transaction of its own. A promise resolves when the write is stored. */
  readonly write: (item: Item) => Promise<unknown> | undefined;
  /** Resolves when the client knows that the server has all its writes. Absent where the peer does not report it. */
  readonly waitForServer?: () => Promise<unknown>;
  /** Resolves when the storage of the client has everything that is visible. Absent without a storage. */
  readonly waitForStore?: () => Promise<unknown>;
  readonly count: () => number;
  readonly get: (id: string) => Partial<Item> | undefined;
  readonly close: () => Promise<unknown>;
}

export interface Adapter {
  readonly createServer: (options: PeerServerOptions) => Promise<PeerServer>;
  readonly createClient: (options: PeerClientOptions) => Promise<PeerClient>;
}

/** `fsync`: the server flushes each batch to the disk. */
export type PeerVariant = 'default' | 'fsync';

/** A column of the table. */
export interface Peer {
  readonly adapter: 'raw' | 'tidemark' | 'yjs' | 'jazz' | 'loro';
  readonly store: ClientStore;
  readonly variant: PeerVariant;
  /** Whether its packages are installed apart, and may be missing. */
  readonly isInstalled: boolean;
  /** Whether the server counts its items. Otherwise the acknowledgement of the client counts. */
  readonly isCountedByServer: boolean;
  /** Most idle clients of T6, where more take too long. */
  readonly idleClientsMax: number;
}

const peer = (adapter: Peer['adapter'], given: Partial<Peer> = {}): Peer => ({
  adapter,
  store: 'memory',
  variant: 'default',
  isInstalled: true,
  isCountedByServer: true,
  idleClientsMax: Infinity,
  ...given,
});
const ofProject = { isInstalled: false } as const;
const tidemark = { ...ofProject, isCountedByServer: false } as const;

/** All peers by name. */
export const peers = {
  raw: peer('raw', { ...ofProject, store: 'disk' }),
  'raw-memory': peer('raw', ofProject),
  'raw-fsync': peer('raw', { ...ofProject, store: 'disk', variant: 'fsync' }),
  tidemark: peer('tidemark', { ...tidemark, store: 'disk' }),
  'tidemark-memory': peer('tidemark', tidemark),
  yjs: peer('yjs'),
  'yjs-disk': peer('yjs', { store: 'disk' }),
  jazz: peer('jazz', { idleClientsMax: 300 }),
  loro: peer('loro'),
} as const satisfies Readonly<Record<string, Peer>>;

export type PeerName = keyof typeof peers;

/** The peers of a run that names none. */
export const defaultPeers: readonly PeerName[] = ['raw', 'tidemark', 'tidemark-memory', 'yjs', 'jazz', 'loro'];

export const isPeerName = (name: string): name is PeerName => Object.hasOwn(peers, name);
