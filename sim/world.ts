import { createHash } from 'node:crypto';
import { runEvent, type World } from './run-event.js';
import { checkResources } from './resource-bounds.js';
import { settleWorld, settleMs, checkEnd } from './settle-world.js';
import { createDevice } from './simulated-device.js';
import { createSimulatedServer } from './simulated-server.js';
import { InvariantError, createConnectionWatch, createLedger } from './invariants.js';
import { createNetwork } from './simulated-network.js';
import type { Plan } from './plan.js';
import type { RecordedEvent } from './recorded-events.js';
import { createUserAccess } from './user-access.js';
import { createWorldTime } from './world-time.js';

export interface Outcome {
  /** Which promise was broken first, and how, and the objects concerned; `null`: none. */
  readonly broken: {
    readonly promise: string;
    readonly detail: string;
    readonly at: number;
    readonly about: readonly string[];
  } | null;
  /** What was recorded, up to the break. */
  readonly seen: readonly RecordedEvent[];
  /** The same for two runs that were the same to the letter. */
  readonly hash: string;
  readonly writes: number;
}

/** Milliseconds since the epoch at which every world begins: tokens and stamps are times of the real world. */
const epoch = Date.UTC(2026, 0, 1);
/** Milliseconds between two looks at what is held. */
const checkIntervalMs = 5_000;

/** What a world is played with: its time, what was seen, and what was broken. */
const createWorldRun = () => {
  const scheduler = createWorldTime();
  const seen: RecordedEvent[] = [];
  let broken: Outcome['broken'] = null;
  const waiting: (() => Promise<void>)[] = [];
  const stop = (thrown: unknown): void => {
    if (broken !== null) return;
    const { promise, message, about } =
      thrown instanceof InvariantError
        ? thrown
        : { promise: 'nothing throws', message: String((thrown as Error).stack), about: [] };
    broken = { promise, detail: message, at: scheduler.frame, about };
    scheduler.halt(); // Nothing else happens.
  };
  const guarded = (act: () => void) => (): void => {
    if (broken !== null) return;
    try {
      act();
    } catch (thrown) {
      stop(thrown);
    }
  };
  return {
    scheduler,
    seen,
    broken: () => broken,
    stop,
    guarded,
    /** Has time stand still, as soon as what runs has run, until this is done. */
    waitFor: (work: () => Promise<void>): void => {
      waiting.push(work);
      scheduler.pause();
    },
    /** Plays to the end. */
    flush: async (): Promise<void> => {
      scheduler.flush();
      for (let work = waiting.shift(); work; work = waiting.shift()) {
        await work();
        if (broken === null) scheduler.flush();
      }
    },
    after: (ms: number, act: () => void): void => void scheduler.schedule(guarded(act), ms),
    /** Records one event: nothing that comes after the break, as what is under way then may still go on. */
    see:
      (row: string) =>
      (value: string, about?: readonly string[]): void => {
        if (broken === null) seen.push({ at: scheduler.frame, row, value, ...(about && { about }) });
      },
  };
};

type WorldRun = ReturnType<typeof createWorldRun>;

const createWorld = (plan: Plan, stage: WorldRun): { readonly world: World; readonly end: () => void } => {
  const { scheduler, see, guarded, stop, after, waitFor } = stage;
  const { settings } = plan;
  const ledger = createLedger();
  const rights = createUserAccess();
  const called = createConnectionWatch(() => scheduler.frame);
  const network = createNetwork({
    ...{ scheduler, seed: plan.seed ^ 0x5eed },
    log: (device, event) => {
      see(`wire ${device}`)(event);
      if (event === 'call') guarded(() => called(device))();
    },
  });
  const host = createSimulatedServer({
    ...{ scheduler, epoch, network, ledger, rights },
    ...{ settings, waitFor, seed: plan.seed ^ 0xca11, log: see('server'), broken: stop },
    stored: (id) => {
      const { what, about } = ledger.editOf(id);
      see('stored')(what, about);
    },
  });
  // One more than there are: it comes when all is over, and has to get to know everything.
  const devices = Array.from({ length: plan.devices + 1 }, (_, index) =>
    createDevice({
      ...{ scheduler, epoch, network, ledger, rights, settings },
      ...{ number: index + 1, seed: plan.seed * 64 + index + 1, broken: stop },
      mayStartOver: () => ledger.restoreCount() > 0 || settings.retentionMs < settleMs,
      log: (stream, value, about) => see(`${index + 1} ${stream}`)(value, about),
    }),
  );
  const world: World = { network, server: host, devices, after };
  return {
    world,
    end: () => {
      checkEnd(world, ledger, plan);
      devices.forEach((device) => device.end());
    },
  };
};

/** Looks every few seconds at what is held. */
const checkPeriodically = ({ network, devices, after }: World, plan: Plan, { scheduler }: WorldRun): void => {
  const look = (): void => {
    const planned = plan.happenings.filter(({ at }) => at >= scheduler.frame).length;
    checkResources({
      devices: devices.length,
      timers: scheduler.actions.length - planned,
      connections: network.connectionCount(),
      bytesInFlight: network.bytesInFlight(),
    });
    devices.forEach((device) => device.check());
    after(checkIntervalMs, look);
  };
  look();
};

/**
 * Plays a plan from its beginning to its end, or to the first promise that is broken. `also` does more in the world,
 * for specs.
 */
export const playWorld = async (plan: Plan, also?: (world: World) => void): Promise<Outcome> => {
  const stage = createWorldRun();
  const { scheduler, seen, stop } = stage;
  try {
    scheduler.maxFrames = plan.duration + settleMs;
    const { world, end } = createWorld(plan, stage);
    checkPeriodically(world, plan, stage);
    world.server.start();
    for (const happening of plan.happenings) world.after(happening.at, () => runEvent(world, happening));
    world.after(plan.duration, () => settleWorld(world, end));
    also?.(world);
    await stage.flush();
  } catch (thrown) {
    stop(thrown);
  }
  const hash = createHash('sha256');
  for (const { at, row, value } of seen) hash.update(`${at} ${row} ${value}\n`);
  const writes = plan.happenings.filter(({ act }) => act === 'write').length;
  return { broken: stage.broken(), seen, hash: hash.digest('hex').slice(0, 16), writes };
};
