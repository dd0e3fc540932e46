import { createHash } from 'node:crypto';
import { runEvent, type World } from './run-event.js';
import { checkResources } from './resource-bounds.js';
import { settleWorld, settleMs, checkEnd } from './settle-world.js';
import { createDevice } from './simulated-device.js';
import { createSimulatedServer } from './simulated-server.js';
import { InvariantError, createConnectionWatch, createLedger } from './invariants.js';
import { createNetwork, type Network } from './simulated-network.js';
import { createOverlapWatch } from './connection-overlap.js';
import type { Plan } from './plan.js';
import type { RecordedEvent } from './recorded-events.js';
import { createUserAccess } from './user-access.js';
import { ScopeCheck } from './scope-check.js';
import { createViewOracle } from './view-oracle.js';
import { userOf } from './device-process.js';
import { createUserScopes } from './world-scopes.js';
import { createWorldTime } from './world-time.js';

export interface Outcome {
  /** The first broken invariant, its detail and the objects concerned; `null` when all held. */
  readonly broken: {
    readonly promise: string;
    readonly detail: string;
    readonly at: number;
    readonly about: readonly string[];
  } | null;
  /** Recorded events, up to the broken invariant. */
  readonly recorded: readonly RecordedEvent[];
  /** Equal for two runs with exactly the same events. */
  readonly hash: string;
  readonly writes: number;
}

/** Milliseconds since the epoch at which every world begins, because tokens and stamps contain real times. */
const epoch = Date.UTC(2026, 0, 1);
/** Milliseconds between two checks of the resources in use. */
const checkIntervalMs = 5_000;

/** Creates the state of one run: its time, its recorded events, and its broken invariant. */
const createWorldRun = () => {
  const scheduler = createWorldTime();
  const recorded: RecordedEvent[] = [];
  let broken: Outcome['broken'] = null;
  const waiting: (() => Promise<void>)[] = [];
  const stop = (thrown: unknown): void => {
    if (broken !== null) return;
    const { promise, message, about } =
      thrown instanceof InvariantError
        ? thrown
        : { promise: 'nothing throws', message: String((thrown as Error).stack), about: [] };
    broken = { promise, detail: message, at: scheduler.frame, about };
    scheduler.halt(); // No further event happens.
  };
  const guard = (act: () => void) => (): void => {
    if (broken !== null) return;
    try {
      act();
    } catch (thrown) {
      stop(thrown);
    }
  };
  return {
    scheduler,
    recorded,
    broken: () => broken,
    stop,
    guard,
    /** Pauses virtual time after the current action, until asynchronous work is done. */
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
    after: (ms: number, act: () => void): void => void scheduler.schedule(guard(act), ms),
    /** Records one event, unless an invariant is broken: pending work may still run after that. */
    see:
      (row: string) =>
      (value: string, about?: readonly string[]): void => {
        if (broken === null) recorded.push({ at: scheduler.frame, row, value, ...(about && { about }) });
      },
  };
};

type WorldRun = ReturnType<typeof createWorldRun>;

const createWorld = (plan: Plan, run: WorldRun): { readonly world: World; readonly end: () => void } => {
  const { scheduler, see, guard, stop, after, waitFor } = run;
  const { settings } = plan;
  const ledger = createLedger();
  const userAccess = createUserAccess();
  const oracle = settings.partialDevices > 0 ? createViewOracle() : null;
  const scopes = settings.hasScope
    ? createUserScopes({
        ...{ now: () => scheduler.now(), seed: plan.seed ^ 0x5c09e },
        users: Array.from({ length: settings.partialDevices }, (_, index) => userOf(index + 1, settings)),
        changing: (user, filters) => scopeCheck?.seeAll(user, filters),
      })
    : null;
  const scopeCheck: ScopeCheck | null =
    oracle && scopes && new ScopeCheck({ oracle, ledger, scopes, now: () => scheduler.now(), broken: stop });
  const checkAttempt = createConnectionWatch(() => scheduler.frame, settings.quickRetry > 0);
  const checkOverlap = createOverlapWatch({
    scheduler,
    broken: stop,
    count: (device) => network.connectionCount(device),
  });
  const network: Network = createNetwork({
    ...{ scheduler, seed: plan.seed ^ 0x5eed },
    ...(settings.tabsMax > 1 && { onCount: checkOverlap }),
    log: (device, event, tab) => {
      see(`wire ${device}${tab > 0 ? `.${tab}` : ''}`)(event);
      if (event === 'dial') guard(() => checkAttempt(device, tab))();
    },
  });
  const server = createSimulatedServer({
    ...{ scheduler, epoch, network, ledger, userAccess, oracle, scopes, scopeCheck },
    ...{ settings, waitFor, seed: plan.seed ^ 0xca11, log: see('server'), broken: stop },
    stored: (id) => {
      const { what, about } = ledger.editOf(id);
      see('stored')(what, about);
    },
  });
  // One additional device is opened at the end, and has to download everything.
  const devices = Array.from({ length: plan.devices + 1 }, (_, index) =>
    createDevice({
      ...{ scheduler, epoch, network, ledger, userAccess, oracle, scopes, scopeCheck, settings },
      ...{ number: index + 1, seed: plan.seed * 64 + index + 1, broken: stop },
      mayReset: () => ledger.restoreCount() > 0 || settings.retentionMs < settleMs,
      log: (stream, value, about, tab = 0) => see(`${index + 1}${tab > 0 ? `.${tab}` : ''} ${stream}`)(value, about),
    }),
  );
  const world: World = { network, server, devices, after };
  return {
    world,
    end: () => {
      checkEnd(world, ledger, plan);
      devices.forEach((device) => device.end());
    },
  };
};

/** Checks the resources in use every few seconds. */
const checkPeriodically = ({ network, devices, after }: World, plan: Plan, { scheduler }: WorldRun): void => {
  const check = (): void => {
    const planned = plan.events.filter(({ at }) => at >= scheduler.frame).length;
    // A server with a scope rejects hundreds of writes of a device at once, each with a message of its own.
    const messages = plan.settings.hasScope ? network.framesInFlight() : 0;
    checkResources({
      devices: devices.length,
      tabs: plan.settings.tabsMax,
      timers: scheduler.actions.length - planned - messages,
      connections: network.connectionCount(),
      bytesInFlight: network.bytesInFlight(),
    });
    devices.forEach((device) => device.check());
    after(checkIntervalMs, check);
  };
  check();
};

/** Plays a plan to its end, or to the first broken invariant. `also` lets specs do more in the world. */
export const playWorld = async (plan: Plan, also?: (world: World) => void): Promise<Outcome> => {
  const run = createWorldRun();
  const { scheduler, recorded, stop } = run;
  try {
    scheduler.maxFrames = plan.duration + settleMs;
    const { world, end } = createWorld(plan, run);
    checkPeriodically(world, plan, run);
    world.server.start();
    for (const event of plan.events) world.after(event.at, () => runEvent(world, event));
    world.after(plan.duration, () => settleWorld(world, end));
    also?.(world);
    await run.flush();
  } catch (thrown) {
    stop(thrown);
  }
  const hash = createHash('sha256');
  for (const { at, row, value } of recorded) hash.update(`${at} ${row} ${value}\n`);
  const writes = plan.events.filter(({ act }) => act === 'write').length;
  return { broken: run.broken(), recorded, hash: hash.digest('hex').slice(0, 16), writes };
};
