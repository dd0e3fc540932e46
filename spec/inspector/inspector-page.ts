/*
 * A page with a server, two devices that reach it without a network, and the inspector of the first device. The
 * functions decide nothing: each returns a result for the spec to check.
 */
import { firstValueFrom, map, NEVER, of } from 'rxjs';
import {
  createSyncClient,
  memoryStorage,
  openRealm,
  systemClock,
  type Clock,
  type Realm,
  type SyncClient,
} from '../../lib/index.js';
import { syncSupportOf } from '../../lib/client/client-registry.js';
import { mountInspector, observeSimulatedOffline, simulateOffline } from '../../lib/inspector/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;

const server = createSyncServer({
  storage: memoryStorage(),
  authenticate: allowAnyone,
  authorize: () => 'write',
  permit: (_user, _realm, { after }) => (after?.['title'] === 'forbidden' ? 'This title is not allowed.' : true),
});

/** The devices' clock, which the spec moves forward. */
let ahead = 0;
const clock: Clock = { ...systemClock, now: () => Date.now() + ahead };

let dials = 0;
const openDevice = async () => {
  const client = createSyncClient({
    dial: of(0).pipe(
      map(() => {
        dials += 1;
        return server.wire;
      }),
    ),
    clock,
    reconnect$: NEVER,
  });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team-42' } });
  return { client, realm };
};

type Device = Awaited<ReturnType<typeof openDevice>>;
let devices: readonly [Device, Device];
let count = 0;
/** An inspector whose client is set before the element is defined. */
let early: HTMLElement & { client?: SyncClient | null | undefined };
let others: readonly Realm<typeof schema>[] = [];

const write = async ({ realm }: Device, title: string): Promise<void> => {
  count += 1;
  await realm.write((tx) => tx.create('Task', { id: `task-${count}`, title }));
};

/** Collects the milliseconds between frames while `act` runs in each of them. */
const measureFrames = (frames: number, act: (index: number) => void): Promise<number[]> =>
  new Promise((resolve) => {
    const times: number[] = [];
    const next = (at: number): void => {
      times.push(at);
      if (times.length > frames) {
        resolve(times.slice(1).map((time, index) => time - times[index]!));
        return;
      }
      act(times.length);
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });

const calls = {
  start: async (width: number): Promise<void> => {
    devices = [await openDevice(), await openDevice()];
    early = Object.assign(document.createElement('tidemark-inspector'), { client: devices[1].client });
    document.title = 'Inspector';
    document.documentElement.lang = 'en';
    const main = document.body.appendChild(document.createElement('main'));
    main.style.width = `${width}px`;
    document.documentElement.style.colorScheme = 'light dark';
    main.appendChild(document.createElement('h1')).textContent = 'A device';
    mountInspector(devices[0].client, main);
  },
  write: (device: 0 | 1, title: string): Promise<void> => write(devices[device], title),
  /** Writes several tasks in one transaction. */
  writeMany: async (tasks: number, title: string): Promise<void> => {
    await devices[0].realm.write((tx) => {
      for (let index = 0; index < tasks; index += 1) tx.create('Task', { id: `many-${index}`, title });
    });
  },
  titles: (device: 0 | 1): string[] => devices[device].realm.objects('Task').map(({ title }) => title),
  pause: () => devices[0].realm.session.pause(),
  syncState: () => devices[0].realm.session.syncState,
  setOffline: (offline: boolean) => simulateOffline(devices[0].client, offline),
  isOffline: () => firstValueFrom(observeSimulatedOffline(devices[0].client)),
  connection: () => devices[0].realm.session.status.connection,
  dials: () => dials,
  /** Moves the clock of the devices forward, so that marbles have some distance. */
  pass: (ms: number): void => {
    ahead += ms;
  },
  /** Pauses and resumes, with some time between. */
  toggle: (times: number): void => {
    for (let done = 0; done < times; done += 1) {
      devices[0].realm.session.pause();
      ahead += 20;
      devices[0].realm.session.resume();
      ahead += 30;
    }
  },
  scroll: (frames: number): Promise<number[]> => {
    const plot = document.querySelector('tidemark-inspector')!.shadowRoot!.querySelector('.plot')!;
    return measureFrames(frames, (index) => {
      const deltaX = index < frames / 2 ? -60 : 60;
      plot.dispatchEvent(new WheelEvent('wheel', { deltaX, bubbles: true, cancelable: true }));
    });
  },
  /** Closes the client of the first device. It is offline, so its changes stay on the device. */
  closeClient: (): Promise<void> => devices[0].client.close(),
  /** Counts the drawings and moves of the diagram in 30 frames, and the milliseconds of these. */
  countMoves: async (): Promise<{ moves: number; ms: number }> => {
    const moving = document.querySelector('tidemark-inspector')!.shadowRoot!.querySelector('svg > g')!;
    let [moves, last, place] = [0, moving.firstChild, moving.getAttribute('transform')];
    const begin = performance.now();
    await measureFrames(30, () => {
      if (last !== moving.firstChild || place !== moving.getAttribute('transform')) moves += 1;
      [last, place] = [moving.firstChild, moving.getAttribute('transform')];
    });
    return { moves, ms: performance.now() - begin };
  },
  /** Opens realms with the longest possible names. */
  openOthers: async (realms: number): Promise<void> => {
    const { client } = devices[0];
    const open = (name: string) =>
      openRealm({ schema, storage: memoryStorage(), sync: { client, realm: name.padEnd(128, 'x') } });
    others = await Promise.all(Array.from({ length: realms }, (_, index) => open(`other-${index}-`)));
  },
  closeOthers: async (): Promise<void> => {
    await Promise.all(others.map((realm) => realm.close()));
  },
  overflow: (): number => {
    const { scrollWidth, clientWidth } = document.querySelector('tidemark-inspector')!;
    return scrollWidth - clientWidth;
  },
  /** Puts the early inspector into this page, then into another document; then takes its client away. */
  moveEarly: () => {
    document.body.append(early);
    const root = early.shadowRoot!;
    const shown = root.querySelector('select')?.value;
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.contentDocument!.body.append(early);
    const { display } = getComputedStyle(root.querySelector('.head')!);
    early.client = undefined;
    const left = root.childElementCount;
    frame.remove();
    return { shown, display, left };
  },
  /** Returns the messages of errors for arguments that are not a client or not an element. */
  mountWrongly: (): string[] => {
    const [{ client }] = devices;
    const wrong = [
      () => mountInspector(null as never, document.body),
      () => mountInspector({} as never, document.body),
      () => mountInspector(client, null as never),
      () => mountInspector(client, 'main' as never),
      () => Object.assign(document.querySelector('tidemark-inspector')!, { client: {} }),
    ];
    const before = document.querySelectorAll('tidemark-inspector').length;
    const messages = wrong.map((act) => {
      try {
        act();
        return '';
      } catch (thrown) {
        const { name, message } = thrown as Error;
        return `${name}: ${message}`;
      }
    });
    return [...messages, String(document.querySelectorAll('tidemark-inspector').length - before)];
  },
  removeInspector: (): void => document.querySelector('tidemark-inspector')!.remove(),
  /** Whether an inspector observes the client. */
  isWatched: () => {
    const { memberAdded$ } = syncSupportOf(devices[0].client, 'client').core;
    return 'observed' in memberAdded$ && memberAdded$.observed === true;
  },
  /** Counts the frames that are requested within three frames, besides its own. */
  countFrames: async (): Promise<number> => {
    const request = requestAnimationFrame;
    let requested = -3;
    globalThis.requestAnimationFrame = (callback) => {
      requested += 1;
      return request(callback);
    };
    for (let frames = 0; frames < 3; frames += 1) await new Promise((done) => requestAnimationFrame(done));
    globalThis.requestAnimationFrame = request;
    return requested;
  },
  /** Mounts an inspector in a page with zones. Counts the frames that it requests in the root zone, and in others. */
  mountInZone: async () => {
    const request = requestAnimationFrame;
    const counts = { rooted: 0, outside: 0 };
    let isRoot = false;
    const runAs = (root: boolean, work: () => void): void => {
      const before = isRoot;
      isRoot = root;
      work();
      isRoot = before;
    };
    const zone = { root: { run: (work: () => void) => runAs(true, work) } };
    Object.assign(globalThis, { Zone: zone });
    globalThis.requestAnimationFrame = (callback) => {
      const wasRoot = isRoot;
      counts[wasRoot ? 'rooted' : 'outside'] += 1;
      return request((at) => runAs(wasRoot, () => callback(at)));
    };
    const inspector = mountInspector(devices[0].client, document.body);
    for (let frames = 0; frames < 3; frames += 1) await new Promise((done) => request(done));
    inspector.remove();
    globalThis.requestAnimationFrame = request;
    Object.assign(globalThis, { Zone: undefined });
    return counts;
  },
};

export type InspectorCalls = typeof calls;

Object.assign(globalThis, { calls });
