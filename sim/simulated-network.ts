import { Observable, Subject, Subscription, type SchedulerLike } from 'rxjs';
import {
  clientWire,
  createCloseError,
  ConnectionError,
  type ClientMessage,
  type Dial,
  type ServerMessage,
  type Wire,
} from '../lib/index.js';
import { createMomentRandom, mixNumbers } from './moment-random.js';
import { createPipe, type Pipe } from './frame-pipe.js';

type Frames = Wire<Uint8Array, Uint8Array>;

/** Kind of disconnect by the network. */
export type Cut =
  /** Both ends notice the disconnect soon. */
  | 'cut'
  /** Neither end notices it: both wait for messages that do not arrive. */
  | 'half-open';

/** The process of a device that dials: its only one, or one of its tabs. */
export interface DialingProcess {
  /** Number of the tab; 0 for the only process. */
  readonly tab: number;
  readonly isDead: () => boolean;
  /** Runs an event of a connection: at once, or later in a tab that is frozen. */
  readonly run: (event: () => void) => void;
}

/** Network between the devices and the server. */
export interface Network {
  /** Dials the server for a device. After its process is killed the device receives nothing. */
  readonly dial: (device: number, from: DialingProcess) => Dial<ClientMessage, ServerMessage>;
  /** Sets the server that accepts connections; `null` when no server runs. Earlier connections end. */
  readonly serve: (wire: Frames | null) => void;
  /** Sends the frames of a device's last ended connection again, on a new connection. */
  readonly repeat: (device: number) => void;
  /** Cuts the connections of a device, or of all devices. */
  readonly cut: (device: number | null, how: Cut) => void;
  /** Cuts the connections of a tab that has ended. */
  readonly cutTab: (device: number, tab: number) => void;
  /** Makes the server unreachable for a device, until it is reachable again. */
  readonly down: (device: number, isDown: boolean) => void;
  /** Cuts each connection of a device soon after it opens. */
  readonly closeAfterOpen: (device: number, doesSo: boolean) => void;
  /** Longest delay of a frame in one direction, in milliseconds. */
  readonly slow: (device: number, ms: number) => void;
  /** When the last connection of a device opened; `null` before the first one. */
  readonly openedAt: (device: number) => number | null;
  /** Number of open connections of all devices, or of one. */
  readonly connectionCount: (device?: number) => number;
  /** Largest number of bytes that were in flight at once in one direction of a connection. */
  readonly bytesInFlight: () => number;
  /** Number of frames in flight, each of which is a timer. */
  readonly framesInFlight: () => number;
}

/**
 * Events of a device's connections. `incomplete frame`: a frame was cut in its middle. `repeat`: the frames of the last
 * connection are sent again.
 */
export type NetworkEvent =
  'dial' | 'open' | 'cut' | 'half-open' | 'unreachable' | 'end' | 'incomplete frame' | 'repeat';

export interface NetworkOptions {
  readonly scheduler: SchedulerLike;
  /** Seed of the network. Each device has random numbers of its own. */
  readonly seed: number;
  readonly log: (device: number, event: NetworkEvent, tab: number) => void;
  /** Is called when a connection of a device opens or ends. */
  readonly onCount?: (device: number) => void;
}

interface SimulatedConnection {
  readonly device: number;
  readonly tab: number;
  readonly cut: (how: Cut) => void;
}

/** Milliseconds after which a server closes a silent connection. */
const silenceMs = 150_000;
/** Longest delay in milliseconds of the rest of a cut connection. The next connection may be bound by then. */
const heldMsMax = 20_000;
/**
 * Limits of a repeat: the number of frames, its duration, and the pause before the next one. Without that pause the
 * repeats would keep the replica from the device.
 */
const repeatLimits = { frames: 50, ms: 30_000, quietMs: 60_000 } as const;

const ignore = (): void => undefined;

export const createNetwork = (options: NetworkOptions): Network => {
  const { scheduler, seed, onCount = () => undefined } = options;
  const log = (device: number, event: NetworkEvent, tab = 0): void => options.log(device, event, tab);
  const randoms = new Map<number, () => number>();
  const randomOf = (device: number): (() => number) => {
    const existing = randoms.get(device);
    if (existing) return existing;
    const random = createMomentRandom(mixNumbers(seed, device), () => scheduler.now());
    randoms.set(device, random);
    return random;
  };
  const connections = new Set<SimulatedConnection>();
  const isDown = new Map<number, boolean>();
  const slowest = new Map<number, number>();
  const openedAt = new Map<number, number>();
  const closingAfterOpen = new Set<number>();
  const scripts = new Map<number, readonly Uint8Array[]>();
  const repeats = new Set<Subscription>();
  const noRepeatUntil = new Map<number, number>();
  const slowestOf = (device: number) => (): number => slowest.get(device) ?? 20;
  let serverFrames: Frames | null = null;
  let bytesInFlightMax = 0;
  let frames = 0;
  const noteFrames = (change: 1 | -1): void => {
    frames += change;
  };
  const noteBytesInFlight = (bytes: number): void => {
    bytesInFlightMax = Math.max(bytesInFlightMax, bytes);
  };

  /** Connects one end to the server, until `leave` is called. */
  const connectToServer = (server: Frames, device: number, to: Pick<Pipe, 'send' | 'end' | 'fail'>) => {
    const frames = new Subject<Uint8Array>();
    const end = new Subscription();
    const up = createPipe({
      ...{
        scheduler,
        random: randomOf(device),
        onQueued: noteBytesInFlight,
        onCount: noteFrames,
        slowest: slowestOf(device),
        onCutFrame: () => log(device, 'incomplete frame'),
      },
      // A server process that is gone receives nothing.
      to: { next: (frame) => serverFrames === server && frames.next(frame), error: ignore, complete: ignore },
    });
    end.add(server(frames).subscribe({ next: to.send, error: to.fail, complete: to.end }));
    return { up, leave: () => end.unsubscribe() };
  };

  const createConnection =
    (device: number, server: Frames, from: DialingProcess): Frames =>
    (sent$) =>
      new Observable((subscriber) => {
        const random = randomOf(device);
        const unlessDead = (deliver: () => void): void => {
          if (!from.isDead()) from.run(deliver);
        };
        const down = createPipe({
          ...{
            scheduler,
            random: randomOf(device),
            onQueued: noteBytesInFlight,
            onCount: noteFrames,
            slowest: slowestOf(device),
            onCutFrame: () => log(device, 'incomplete frame'),
          },
          to: {
            next: (frame) => unlessDead(() => subscriber.next(frame)),
            error: (thrown: unknown) => unlessDead(() => subscriber.error(thrown)),
            complete: () => unlessDead(() => subscriber.complete()),
          },
        });
        const { up, leave } = connectToServer(server, device, down);
        const script: Uint8Array[] = [];
        const send = (frame: Uint8Array): void => {
          if (script.length < repeatLimits.frames) script.push(frame);
          up.send(frame);
        };
        /**
         * The server receives some of the frames in flight, and then the end. The device may have another connection by
         * then.
         */
        const leaveLater = (moreMs: number): void => {
          const held = random() < 0.2 ? Math.floor(random() * heldMsMax) : 0;
          const arrived = up.cut(random() < 0.4 ? 1 : random(), held);
          scheduler.schedule(leave, arrived + moreMs);
        };
        let isCut = false;
        const connection: SimulatedConnection = {
          ...{ device, tab: from.tab },
          cut: (how) => {
            if (isCut) return;
            isCut = true;
            recordEnd(connection, how);
            leaveLater(how === 'cut' ? Math.floor(random() * 500) : silenceMs);
            const arrived = down.cut(random(), 0);
            const deliver = (): void => unlessDead(() => subscriber.error(createCloseError(1006, '')));
            if (how === 'cut') scheduler.schedule(deliver, arrived + Math.floor(random() * 500));
          },
        };
        const recordEnd = (ended: SimulatedConnection, how: Cut | 'end'): void => {
          connections.delete(ended);
          onCount(device);
          if (script.length > 0) scripts.set(device, script);
          log(device, how, from.tab);
        };
        connections.add(connection);
        onCount(device);
        const sending = sent$.subscribe({ next: send, error: ignore });
        return () => {
          sending.unsubscribe();
          down.shut();
          if (isCut) return;
          isCut = true;
          recordEnd(connection, 'end');
          leaveLater(Math.floor(random() * slowestOf(device)()));
        };
      });

  /** Sends the first frames of an ended connection again, as an attacker would, and ignores the answers. */
  const repeat = (device: number): void => {
    const random = randomOf(device);
    const script = scripts.get(device);
    if (script === undefined || serverFrames === null || scheduler.now() < (noRepeatUntil.get(device) ?? 0)) return;
    noRepeatUntil.set(device, scheduler.now() + repeatLimits.quietMs);
    log(device, 'repeat');
    const { up, leave } = connectToServer(serverFrames, device, { send: ignore, end: ignore, fail: ignore });
    script.slice(0, 1 + Math.floor(random() * script.length)).forEach(up.send);
    const ended = new Subscription();
    ended.add(leave);
    ended.add(scheduler.schedule(() => ended.unsubscribe(), Math.floor(random() * repeatLimits.ms)));
    repeats.add(ended);
    ended.add(() => repeats.delete(ended));
  };

  const dial = (device: number, from: DialingProcess): Dial<Uint8Array, Uint8Array> =>
    new Observable((subscriber) => {
      const random = randomOf(device);
      const waiting = new Subscription();
      log(device, 'dial', from.tab);
      const onAnswer = (): void => {
        if (from.isDead() || waiting.closed) return;
        if (serverFrames === null || isDown.get(device) === true) {
          log(device, 'unreachable');
          if (random() < 0.8) subscriber.error(new ConnectionError({ kind: 'unreachable', detail: 'no server' }));
          return; // Otherwise the connection attempt is never answered.
        }
        log(device, 'open', from.tab);
        openedAt.set(device, scheduler.now());
        subscriber.next(createConnection(device, serverFrames, from));
        if (closingAfterOpen.has(device)) scheduler.schedule(() => cut(device, 'cut'), Math.floor(random() * 50));
      };
      const latency = 1 + Math.floor(2 * random() * slowestOf(device)());
      waiting.add(scheduler.schedule(() => from.run(onAnswer), latency));
      return waiting;
    });

  const asMessages = (frames: Dial<Uint8Array, Uint8Array>): Dial<ClientMessage, ServerMessage> =>
    new Observable((subscriber) =>
      frames.subscribe({
        next: (wire) => subscriber.next(clientWire(wire)),
        error: (thrown: unknown) => subscriber.error(thrown),
      }),
    );
  const cut = (device: number | null, how: Cut): void =>
    [...connections]
      .filter((connection) => device === null || connection.device === device)
      .forEach((connection) => connection.cut(how));

  return {
    dial: (device, from) => asMessages(dial(device, from)),
    serve: (wire) => {
      serverFrames = wire;
      if (wire !== null) return;
      cut(null, 'cut');
      for (const each of repeats) each.unsubscribe();
    },
    repeat,
    cut,
    cutTab: (device, tab) =>
      [...connections].filter((each) => each.device === device && each.tab === tab).forEach((each) => each.cut('cut')),
    down: (device, down) => {
      isDown.set(device, down);
      if (down) cut(device, randomOf(device)() < 0.5 ? 'cut' : 'half-open');
    },
    closeAfterOpen: (device, doesSo) => {
      if (doesSo) closingAfterOpen.add(device);
      else closingAfterOpen.delete(device);
    },
    slow: (device, ms) => void slowest.set(device, ms),
    openedAt: (device) => openedAt.get(device) ?? null,
    connectionCount: (device) =>
      [...connections].filter((each) => device === undefined || each.device === device).length,
    bytesInFlight: () => bytesInFlightMax,
    framesInFlight: () => frames,
  };
};
