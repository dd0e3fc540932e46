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

/** How a line ends that the network breaks. */
export type Cut =
  /** Both ends hear of it soon. */
  | 'cut'
  /** Neither does: both wait for what does not come. */
  | 'half-open';

/** What is between the devices and the server. */
export interface Network {
  /** How a device calls, until its process is dead: nothing is answered to that. */
  readonly dial: (device: number, isDead: () => boolean) => Dial<ClientMessage, ServerMessage>;
  /** Who answers: `null`, nobody. Whoever was connected to the last one hears that its process is gone. */
  readonly serve: (wire: Frames | null) => void;
  /** Says once more what was said on the last line of a device that is over, on one of its own. */
  readonly repeat: (device: number) => void;
  /** Breaks the lines of a device, or of all of them. */
  readonly cut: (device: number | null, how: Cut) => void;
  /** Nobody gets through any more, until it is up again. */
  readonly down: (device: number, isDown: boolean) => void;
  /** Everybody gets through, and is dropped as soon as the line is open. */
  readonly closeAfterOpen: (device: number, doesSo: boolean) => void;
  /** Milliseconds that a frame takes one way, at most. */
  readonly slow: (device: number, ms: number) => void;
  /** When the last line of a device was opened; `null`: none ever was. */
  readonly openedAt: (device: number) => number | null;
  /** How many lines are open. */
  readonly connectionCount: () => number;
  /** Bytes that were ever on their way at once, one way of one line. */
  readonly bytesInFlight: () => number;
}

/**
 * What happens to the lines of a device. `torn`: a frame was cut in its middle. `repeat`: what was said on its last
 * line is said again.
 */
export type NetworkEvent = 'call' | 'open' | 'cut' | 'half-open' | 'unreachable' | 'end' | 'torn' | 'repeat';

export interface NetworkOptions {
  readonly scheduler: SchedulerLike;
  /** Of all that is drawn: each device has a chance of its own. */
  readonly seed: number;
  readonly log: (device: number, event: NetworkEvent) => void;
}

interface SimulatedConnection {
  readonly device: number;
  readonly cut: (how: Cut) => void;
}

/**
 * Milliseconds after which a server hangs up on who has said nothing, and after which it cannot be reached when nobody
 * answers.
 */
const silenceMs = 150_000;
/**
 * Milliseconds that somebody on the way may hold up what is left of a line that is over: the next line may be bound by
 * then.
 */
const heldMsMax = 20_000;
/**
 * Of a line that is said once more: so many frames at most, and it is over within so many milliseconds. Once in so
 * many: who does it all the time keeps a replica for himself.
 */
const repeatLimits = { frames: 50, ms: 30_000, quietMs: 60_000 } as const;

const ignore = (): void => undefined;

export const createNetwork = (options: NetworkOptions): Network => {
  const { scheduler, seed, log } = options;
  const chances = new Map<number, () => number>();
  const chanceOf = (device: number): (() => number) => {
    const known = chances.get(device);
    if (known) return known;
    const random = createMomentRandom(mixNumbers(seed, device), () => scheduler.now());
    chances.set(device, random);
    return random;
  };
  const lines = new Set<SimulatedConnection>();
  const isDown = new Map<number, boolean>();
  const slowest = new Map<number, number>();
  const openedAt = new Map<number, number>();
  const slamming = new Set<number>();
  const scripts = new Map<number, readonly Uint8Array[]>();
  const repeats = new Set<Subscription>();
  const quietUntil = new Map<number, number>();
  const slowestOf = (device: number) => (): number => slowest.get(device) ?? 20;
  let answering: Frames | null = null;
  let flying = 0;
  const crowded = (bytes: number): void => {
    flying = Math.max(flying, bytes);
  };

  /** What a line does at its server's end, until it is left. */
  const answeredBy = (server: Frames, device: number, to: Pick<Pipe, 'send' | 'end' | 'fail'>) => {
    const frames = new Subject<Uint8Array>();
    const end = new Subscription();
    const up = createPipe({
      ...{
        scheduler,
        random: chanceOf(device),
        onQueued: crowded,
        slowest: slowestOf(device),
        onCutFrame: () => log(device, 'torn'),
      },
      // A process that is gone hears nothing more, whatever still arrives.
      to: { next: (frame) => answering === server && frames.next(frame), error: ignore, complete: ignore },
    });
    end.add(server(frames).subscribe({ next: to.send, error: to.fail, complete: to.end }));
    return { up, leave: () => end.unsubscribe() };
  };

  const lineOf =
    (device: number, server: Frames, isDead: () => boolean): Frames =>
    (said) =>
      new Observable((heard) => {
        const random = chanceOf(device);
        const unlessDead = (tell: () => void): void => {
          if (!isDead()) tell();
        };
        const down = createPipe({
          ...{
            scheduler,
            random: chanceOf(device),
            onQueued: crowded,
            slowest: slowestOf(device),
            onCutFrame: () => log(device, 'torn'),
          },
          to: {
            next: (frame) => unlessDead(() => heard.next(frame)),
            error: (thrown: unknown) => unlessDead(() => heard.error(thrown)),
            complete: () => unlessDead(() => heard.complete()),
          },
        });
        const { up, leave } = answeredBy(server, device, down);
        const script: Uint8Array[] = [];
        const say = (frame: Uint8Array): void => {
          if (script.length < repeatLimits.frames) script.push(frame);
          up.send(frame);
        };
        /**
         * The server's end hears some of what was under way, and of the end after that: perhaps when there is another
         * line already.
         */
        const leaving = (moreMs: number): void => {
          const held = random() < 0.2 ? Math.floor(random() * heldMsMax) : 0;
          const arrived = up.cut(random() < 0.4 ? 1 : random(), held);
          scheduler.schedule(leave, arrived + moreMs);
        };
        let isCut = false;
        const line: SimulatedConnection = {
          device,
          cut: (how) => {
            if (isCut) return;
            isCut = true;
            over(line, how);
            leaving(how === 'cut' ? Math.floor(random() * 500) : silenceMs);
            const arrived = down.cut(random(), 0);
            const tell = (): void => unlessDead(() => heard.error(createCloseError(1006, '')));
            if (how === 'cut') scheduler.schedule(tell, arrived + Math.floor(random() * 500));
          },
        };
        const over = (ended: SimulatedConnection, how: Cut | 'end'): void => {
          lines.delete(ended);
          if (script.length > 0) scripts.set(device, script);
          log(device, how);
        };
        lines.add(line);
        const talk = said.subscribe({ next: say, error: ignore });
        return () => {
          talk.unsubscribe();
          down.shut();
          if (isCut) return;
          isCut = true;
          over(line, 'end');
          leaving(Math.floor(random() * slowestOf(device)()));
        };
      });

  /** Somebody on the way says a line once more: what came first of it comes again, and who answers is not heard. */
  const repeat = (device: number): void => {
    const random = chanceOf(device);
    const script = scripts.get(device);
    if (script === undefined || answering === null || scheduler.now() < (quietUntil.get(device) ?? 0)) return;
    quietUntil.set(device, scheduler.now() + repeatLimits.quietMs);
    log(device, 'repeat');
    const { up, leave } = answeredBy(answering, device, { send: ignore, end: ignore, fail: ignore });
    script.slice(0, 1 + Math.floor(random() * script.length)).forEach(up.send);
    const ended = new Subscription();
    ended.add(leave);
    ended.add(scheduler.schedule(() => ended.unsubscribe(), Math.floor(random() * repeatLimits.ms)));
    repeats.add(ended);
    ended.add(() => repeats.delete(ended));
  };

  const dial = (device: number, isDead: () => boolean): Dial<Uint8Array, Uint8Array> =>
    new Observable((caller) => {
      const random = chanceOf(device);
      const waiting = new Subscription();
      log(device, 'call');
      const answered = (): void => {
        if (isDead()) return;
        if (answering === null || isDown.get(device) === true) {
          log(device, 'unreachable');
          if (random() < 0.8) caller.error(new ConnectionError({ kind: 'unreachable', detail: 'nobody is there' }));
          return; // Or the call is never answered.
        }
        log(device, 'open');
        openedAt.set(device, scheduler.now());
        caller.next(lineOf(device, answering, isDead));
        if (slamming.has(device)) scheduler.schedule(() => cut(device, 'cut'), Math.floor(random() * 50));
      };
      waiting.add(scheduler.schedule(answered, 1 + Math.floor(2 * random() * slowestOf(device)())));
      return waiting;
    });

  const asMessages = (frames: Dial<Uint8Array, Uint8Array>): Dial<ClientMessage, ServerMessage> =>
    new Observable((caller) =>
      frames.subscribe({
        next: (wire) => caller.next(clientWire(wire)),
        error: (thrown: unknown) => caller.error(thrown),
      }),
    );
  const cut = (device: number | null, how: Cut): void =>
    [...lines].filter((line) => device === null || line.device === device).forEach((line) => line.cut(how));

  return {
    dial: (device, isDead) => asMessages(dial(device, isDead)),
    serve: (wire) => {
      answering = wire;
      if (wire !== null) return;
      cut(null, 'cut');
      for (const each of repeats) each.unsubscribe();
    },
    repeat,
    cut,
    down: (device, isIt) => {
      isDown.set(device, isIt);
      if (isIt) cut(device, chanceOf(device)() < 0.5 ? 'cut' : 'half-open');
    },
    closeAfterOpen: (device, doesSo) => {
      if (doesSo) slamming.add(device);
      else slamming.delete(device);
    },
    slow: (device, ms) => void slowest.set(device, ms),
    openedAt: (device) => openedAt.get(device) ?? null,
    connectionCount: () => lines.size,
    bytesInFlight: () => flying,
  };
};
