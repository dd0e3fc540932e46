import { Observable, Subject, Subscription, type Observer, type SchedulerLike } from 'rxjs';
import {
  clientWire,
  hangUp,
  LineError,
  type ClientMessage,
  type Dial,
  type ServerMessage,
  type Wire,
} from '../lib/index.js';

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
  /** Breaks the lines of a device, or of all of them. */
  readonly cut: (device: number | null, how: Cut) => void;
  /** Nobody gets through any more, until it is up again. */
  readonly down: (device: number, isDown: boolean) => void;
  /** Milliseconds that a frame takes one way, at most. */
  readonly slow: (device: number, ms: number) => void;
  /** How many lines are open. */
  readonly lines: () => number;
  /** Bytes that were ever on their way at once, one way of one line. */
  readonly flying: () => number;
}

export interface NetworkOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  readonly told: (device: number, event: 'call' | 'open' | 'cut' | 'half-open' | 'unreachable' | 'end') => void;
}

/** One way of a line: in order, each frame after a while of its own. `crowded` hears how many bytes are on their way. */
const createPipe = (
  { scheduler, random }: NetworkOptions,
  slowest: () => number,
  to: Observer<Uint8Array>,
  crowded: (bytes: number) => void,
) => {
  let isOpen = true;
  let last = 0;
  let bytes = 0;
  const pass = (tell: () => void, more = 0): void => {
    last = Math.max(last, scheduler.now() + Math.floor(random() * slowest()) + more);
    const wait = last - scheduler.now();
    scheduler.schedule(() => {
      if (isOpen) tell();
    }, wait);
  };
  return {
    say: (frame: Uint8Array) => {
      crowded((bytes += frame.byteLength));
      pass(() => {
        bytes -= frame.byteLength;
        to.next(frame);
      });
    },
    end: () => pass(() => to.complete()),
    fail: (thrown: unknown) => pass(() => to.error(thrown)),
    shut: () => {
      isOpen = false;
    },
  };
};

interface Line {
  readonly device: number;
  readonly cut: (how: Cut) => void;
}

/** Milliseconds after which a server hangs up on who has said nothing, and after which it cannot be reached when nobody answers. */
const silence = 150_000;

export const createNetwork = (options: NetworkOptions): Network => {
  const { scheduler, random, told } = options;
  const lines = new Set<Line>();
  const isDown = new Map<number, boolean>();
  const slowest = new Map<number, number>();
  let answering: Frames | null = null;
  let flying = 0;
  const crowded = (bytes: number): void => {
    flying = Math.max(flying, bytes);
  };

  const lineOf =
    (device: number, server: Frames): Frames =>
    (said) =>
      new Observable((heard) => {
        const ms = (): number => slowest.get(device) ?? 20;
        const atServer = new Subject<Uint8Array>();
        const serverEnd = new Subscription();
        const down = createPipe(options, ms, heard, crowded);
        const served = {
          next: (frame: Uint8Array) => atServer.next(frame),
          error: () => undefined,
          complete: () => undefined,
        };
        const up = createPipe(options, ms, served, crowded);
        const leaveServer = (): void => serverEnd.unsubscribe();
        let isCut = false;
        const line: Line = {
          device,
          cut: (how) => {
            if (isCut) return;
            isCut = true;
            lines.delete(line);
            told(device, how);
            up.shut();
            down.shut();
            scheduler.schedule(leaveServer, how === 'cut' ? Math.floor(random() * 500) : silence);
            if (how === 'cut') scheduler.schedule(() => heard.error(hangUp(1006, '')), Math.floor(random() * 500));
          },
        };
        lines.add(line);
        serverEnd.add(server(atServer).subscribe({ next: down.say, error: down.fail, complete: down.end }));
        const talk = said.subscribe({ next: up.say, error: () => undefined });
        return () => {
          talk.unsubscribe();
          if (isCut) return;
          lines.delete(line);
          told(device, 'end');
          up.shut();
          down.shut();
          scheduler.schedule(leaveServer, Math.floor(random() * ms()));
        };
      });

  const dial = (device: number, isDead: () => boolean): Dial<Uint8Array, Uint8Array> =>
    new Observable((caller) => {
      const waiting = new Subscription();
      told(device, 'call');
      const answered = (): void => {
        if (isDead()) return;
        if (answering === null || isDown.get(device) === true) {
          told(device, 'unreachable');
          if (random() < 0.8) caller.error(new LineError({ kind: 'unreachable', detail: 'nobody is there' }));
          return; // Or the call is never answered.
        }
        told(device, 'open');
        caller.next(lineOf(device, answering));
      };
      waiting.add(scheduler.schedule(answered, 1 + Math.floor(2 * random() * (slowest.get(device) ?? 20))));
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
      if (wire === null) cut(null, 'cut');
      answering = wire;
    },
    cut,
    down: (device, isIt) => {
      isDown.set(device, isIt);
      if (isIt) cut(device, random() < 0.5 ? 'cut' : 'half-open');
    },
    slow: (device, ms) => void slowest.set(device, ms),
    lines: () => lines.size,
    flying: () => flying,
  };
};
