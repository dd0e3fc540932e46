import { Packr, unpack } from 'msgpackr';
import { WebSocket } from 'ws';
import { now, type Role } from '../processes.js';
import { realmOf, taskKeyOf, taskValuesOf } from './task-schema.js';

/*
 * Many devices with and without views in one process, as plain sockets: they send the frames of docs/PROTOCOL.md and
 * read only what they need. Also fills realms, which takes real devices longer.
 */

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });
const kinds = {
  ...{ bind: 1, upload: 2, received: 3, mark: 4, subscribe: 11, next: 12 },
  ...{ bound: 33, accepted: 34, download: 35, marked: 36, error: 39, view: 44, members: 45, parts: 46 },
} as const;

const realmsCount = 10;
const tasksPerChangeset = 200;
const uploadsInFlight = 4;

/** One device. Each partial one has filters that no other one has. */
interface Device {
  readonly id: string;
  readonly realm: string;
  readonly filters: readonly unknown[] | null;
  socket: WebSocket | null;
  history: string | null;
  downloadedTo: number;
  isPlaced: boolean;
}

const send = ({ socket }: Device, ...message: readonly unknown[]): void => socket?.send(packr.pack(message));

const filtersOf = (index: number): readonly unknown[] => [
  [1, 'Task', ['in', 'list', `list-${index}`]],
  [2, 'Task', ['in', 'owner', `user-${index}`]],
  [3, 'Task', ['and', ['in', 'done', true], ['in', 'list', `more-${index}`]]],
];

const bind = (device: Device): void => {
  const { id, realm, history, downloadedTo, filters, isPlaced } = device;
  const greeting: unknown[] = [kinds.bind, 1, realm, id, id, history, downloadedTo, 0, false, [[id, 0]]];
  if (filters !== null) greeting.push(isPlaced ? [1, filters, null] : [null, [], null]);
  send(device, ...greeting);
};

/** Handles a frame. Returns whether the device has everything that the server had when it connected. */
const receive = (device: Device, frame: Buffer): boolean => {
  const message = unpack(frame) as readonly unknown[];
  const confirm = (version: unknown): void => {
    device.downloadedTo = Number(version);
    send(device, kinds.received, 1, version);
  };
  switch (message[0]) {
    case kinds.bound:
      device.history = String(message[2]);
      if (device.filters !== null && !device.isPlaced) send(device, kinds.subscribe, 1, 1, device.filters);
      else send(device, kinds.mark, 1, 1);
      return false;
    case kinds.view:
      send(device, kinds.next, 1, 1, null);
      return false;
    case kinds.members:
      if (message[5] !== null) {
        send(device, kinds.next, 1, 1, message[5]);
        return false;
      }
      device.isPlaced = true;
      confirm(message[6]);
      send(device, kinds.mark, 1, 1);
      return false;
    case kinds.parts:
      confirm(message[5]);
      return false;
    case kinds.download:
      confirm(message[3]);
      return false;
    case kinds.marked:
      return true;
    case kinds.error:
      throw new Error(JSON.stringify(message));
    default:
      return false;
  }
};

const connect = (device: Device, port: number, onFrame: (frame: Buffer) => boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1', { perMessageDeflate: false });
    device.socket = socket;
    socket.on('error', reject);
    socket.on('close', (code, text) => reject(new Error(`the server closed a connection: ${code} ${text.toString()}`)));
    socket.on('open', () => bind(device));
    socket.on('message', (frame: Buffer) => {
      if (onFrame(frame)) resolve();
    });
  });

const createDevice = (id: string, realm: string, filters: readonly unknown[] | null): Device => ({
  ...{ id, realm, filters, socket: null, history: null, downloadedTo: 0, isPlaced: false },
});

/** Disconnects. */
const disconnect = ({ socket }: Device): Promise<unknown> =>
  new Promise((resolve) => {
    if (socket === null) {
      resolve(0);
      return;
    }
    socket.removeAllListeners('error').on('error', () => undefined);
    socket.once('close', resolve);
    socket.terminate();
  });

/** Uploads tasks into a realm, many in each changeset. */
const fill = async (port: number, realm: string, tasks: number, lists: number): Promise<void> => {
  const device = createDevice(`filler-${process.pid}-${realm}`, realm, null);
  const total = Math.ceil(tasks / tasksPerChangeset);
  let [next, accepted] = [1, 0];
  const upload = (): void => {
    while (next <= total && next - accepted <= uploadsInFlight) {
      const first = (next - 1) * tasksPerChangeset;
      const count = Math.min(tasksPerChangeset, tasks - first);
      const operations = Array.from({ length: count }, (_, at) => {
        const index = first + at;
        return [1, 'Task', taskKeyOf(index), taskValuesOf(index, lists)];
      });
      const time = Math.floor(performance.timeOrigin) + next; // Later than the one before.
      send(device, kinds.upload, 1, [[next, time, 0, packr.pack(operations)]]);
      next += 1;
    }
  };
  await connect(device, port, (frame) => {
    const [kind, , version] = unpack(frame) as readonly number[];
    if (kind === kinds.error) throw new Error(JSON.stringify(unpack(frame)));
    if (kind === kinds.accepted) accepted = version ?? 0;
    if (kind === kinds.bound || kind === kinds.accepted) upload();
    return accepted === total;
  });
  await disconnect(device);
};

const crowdRealmOf = (index: number): string => `crowd-${index % realmsCount}`;

export const partialClients: Role = ({ port: firstPort }) => {
  const devices: Device[] = [];
  let port = firstPort;
  const follow = (device: Device): Promise<void> => connect(device, port, (frame) => receive(device, frame));
  return Promise.resolve({
    /** Fills a realm with tasks in a number of lists. */
    fill: (tasks = 0, lists = 0) => fill(port, realmOf(tasks), tasks, lists).then(() => 0),
    /** Fills the realms of the devices. */
    fillRealms: async (tasks = 0) => {
      for (let index = 0; index < realmsCount; index += 1) await fill(port, crowdRealmOf(index), tasks, tasks);
      return 0;
    },
    /** Adds devices, a number at a time. Resolves when each has all of its objects. */
    join: async (total = 0, atOnce = 0, isPartial = 0) => {
      let left = total;
      const worker = async (): Promise<void> => {
        while (left-- > 0) {
          const index = devices.length;
          const id = `device-${process.pid}-${index}`;
          const device = createDevice(id, crowdRealmOf(index), isPartial === 1 ? filtersOf(index) : null);
          devices.push(device);
          await follow(device);
        }
      };
      await Promise.all(Array.from({ length: Math.min(total, atOnce) }, worker));
      return 0;
    },
    disconnect: async () => {
      await Promise.all(devices.map(disconnect));
      return 0;
    },
    /** Connects all devices at once. Resolves with the milliseconds until the last one has everything. */
    reconnect: async (newPort = 0) => {
      port = newPort;
      const began = now();
      await Promise.all(devices.map(follow));
      return now() - began;
    },
    end: async () => {
      await Promise.all(devices.map(disconnect));
      return 0;
    },
  });
};
