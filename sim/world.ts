import { createHash } from 'node:crypto';
import { seeded } from '../lib/model/chance.js';
import { checkHeld, checkHistory, checkKept } from './bounds.js';
import { createDevice, type Device } from './device.js';
import { checkTally, entriesOf, pictureOf } from './edits.js';
import { createHost, type Host } from './host.js';
import { Broken, createCallWatch, createLedger, type Ledger } from './judge.js';
import { createNetwork, type Network } from './network.js';
import type { Happening, Plan } from './plan.js';
import { createTime } from './time.js';

/** One thing that was seen: what a stream emitted, what happened to a wire. */
export interface Seen {
  readonly at: number;
  readonly row: string;
  readonly value: string;
}

export interface Outcome {
  /** Which promise was broken first, and how; `null`: none. */
  readonly broken: { readonly promise: string; readonly detail: string; readonly at: number } | null;
  readonly seen: readonly Seen[];
  /** The same for two runs that were the same to the letter. */
  readonly hash: string;
  readonly writes: number;
}

/** Milliseconds since the epoch at which every world begins: tokens and stamps are times of the real world. */
const epoch = Date.UTC(2026, 0, 1);
/** Milliseconds that everything may take to be well again, once the network, the server and everybody are. */
const calmMs = 6 * 60_000;
/** Milliseconds between two looks at what is held. */
const lookMs = 5_000;

/** Everything is made well, and everybody has to come to an end of it. */
const calming = (world: World, done: () => void): void => {
  const { network, host, devices } = world;
  host.up();
  devices.forEach((device, index) => {
    network.down(index + 1, false);
    network.slam(index + 1, false);
    network.slow(index + 1, 20);
    device.open();
  });
  // What was told to go on is told when its realm is open, which may take a disk a moment.
  world.after(2_000, () => {
    for (const device of devices) {
      device.client()?.logIn();
      device.session()?.resume();
      device.session()?.reconnect();
    }
    world.after(3 * 60_000, () => {
      const waiting = new Set<string>();
      for (const [index, device] of devices.entries()) {
        waiting.add(`uploadComplete$ of device ${index + 1}`);
        device.uploaded(() => {
          waiting.delete(`uploadComplete$ of device ${index + 1}`);
          waiting.add(`downloadComplete$ of device ${index + 1}`);
          world.after(20_000, () =>
            device.downloaded(() => waiting.delete(`downloadComplete$ of device ${index + 1}`)),
          );
        });
      }
      world.after(2 * 60_000, () => {
        if (waiting.size > 0)
          throw new Broken('waits come to an end once the network is well', [...waiting].join(', '));
        done();
      });
    });
  });
};

interface World {
  readonly network: Network;
  readonly host: Host;
  readonly devices: readonly Device[];
  readonly after: (ms: number, act: () => void) => void;
}

const ended = ({ devices }: World, { check, isTallyLost }: Ledger): void => {
  const [first, ...others] = devices.map((device) => device.realm());
  if (!first) throw new Broken('a realm opens', 'device 1 has none');
  const picture = pictureOf(first);
  others.forEach((other, index) => {
    const theirs = other ? pictureOf(other) : 'closed';
    if (theirs !== picture) throw new Broken('all are equal', differenceOf(picture, theirs, index + 2));
  });
  if (!isTallyLost()) checkTally('everybody', first);
  const entries = entriesOf(first);
  const seen = picture.split('\n').length;
  devices.forEach((device, index) => checkKept(`device ${index + 1}`, device.kept(), seen));
  check(entries);
};

const differenceOf = (ours: string, theirs: string, device: number): string => {
  const [mine, others] = [ours.split('\n'), theirs.split('\n')];
  const only = (a: readonly string[], b: readonly string[]): string => a.find((line) => !b.includes(line)) ?? 'nothing';
  return `device 1 alone has ${only(mine, others)}, device ${device} alone ${only(others, mine)}`;
};

const happen = (world: World, { act, device: number, seed }: Happening): void => {
  const { network, host, devices } = world;
  if (number === 0) {
    const acts: Partial<Record<typeof act, () => void>> = {
      'server killed': () => host.killed('killed'),
      'server power': () => host.killed('power'),
      'server restarted': host.restarted,
      'server up': host.up,
      backup: host.backup,
      restore: host.restore,
    };
    acts[act]?.();
    return;
  }
  const device = devices[number - 1];
  if (!device) return;
  const acts: Partial<Record<typeof act, () => unknown>> = {
    write: () => device.write(false, seed),
    refusable: () => device.write(true, seed),
    burst: () => Array.from({ length: 400 }, (_, at) => device.write(false, seed + at)),
    pause: () => device.session()?.pause(),
    resume: () => device.session()?.resume(),
    reconnect: () => device.session()?.reconnect(),
    logOut: () => void device.client()?.logOut(),
    logIn: () => device.client()?.logIn(),
    close: device.close,
    open: device.open,
    killed: () => device.crash('killed'),
    power: () => device.crash('power'),
    cut: () => network.cut(number, 'cut'),
    'half-open': () => network.cut(number, 'half-open'),
    repeat: () => network.repeat(number),
    down: () => network.down(number, true),
    up: () => network.down(number, false),
    slam: () => network.slam(number, true),
    steady: () => network.slam(number, false),
    slow: () => network.slow(number, 200 + (seed % 3_000)),
    fast: () => network.slow(number, 20),
    jump: () => device.jump(seed),
    'uploaded?': () => device.uploaded(() => undefined),
    'downloaded?': () => device.downloaded(() => undefined),
  };
  acts[act]?.();
};

/** Plays a plan from its beginning to its end, or to the first promise that is broken. */
export const play = (plan: Plan): Outcome => {
  const scheduler = createTime();
  const ledger = createLedger();
  const seen: Seen[] = [];
  let broken: Outcome['broken'] = null;
  const end = plan.duration + calmMs;

  const stop = (thrown: unknown): void => {
    if (broken !== null) return;
    const { promise, message } =
      thrown instanceof Broken ? thrown : { promise: 'nothing throws', message: String((thrown as Error).stack) };
    broken = { promise, detail: message, at: scheduler.frame };
    scheduler.actions.length = 0; // Nothing else happens.
  };
  const guarded = (act: () => void) => (): void => {
    if (broken !== null) return;
    try {
      act();
    } catch (thrown) {
      stop(thrown);
    }
  };
  const after = (ms: number, act: () => void): void => void scheduler.schedule(guarded(act), ms);
  const see = (row: string) => (value: string) => void seen.push({ at: scheduler.frame, row, value });

  const set = (): void => {
    const random = seeded(plan.seed ^ 0x5eed);
    const called = createCallWatch(() => scheduler.frame);
    const network = createNetwork({
      scheduler,
      random,
      told: (device, event) => {
        see(`wire ${device}`)(event);
        if (event === 'call') guarded(() => called(device))();
      },
    });
    const host = createHost({
      ...{ scheduler, epoch, network, ledger },
      ...{ retentionMs: plan.retentionMs, seed: plan.seed ^ 0xca11, told: see('server'), broken: stop },
    });
    // One more than there are: it comes when all is over, and has to get to know everything.
    const devices = Array.from({ length: plan.devices + 1 }, (_, index) =>
      createDevice({
        ...{ scheduler, epoch, network, ledger },
        ...{ number: index + 1, seed: plan.seed * 64 + index + 1, broken: stop },
        mayStartOver: () => ledger.restores() > 0 || plan.retentionMs < calmMs,
        told: (stream, value) => see(`${index + 1} ${stream}`)(value),
      }),
    );
    const world: World = { network, host, devices, after };
    const looked = (): void => {
      const planned = plan.happenings.filter(({ at }) => at >= scheduler.frame).length;
      checkHeld({
        devices: devices.length,
        timers: scheduler.actions.length - planned,
        lines: network.lines(),
        flying: network.flying(),
      });
      after(lookMs, looked);
    };
    looked();
    host.up();
    for (const happening of plan.happenings) after(happening.at, () => happen(world, happening));
    after(plan.duration, () =>
      calming(world, () => {
        ended(world, ledger);
        if (plan.retentionMs < calmMs) checkHistory(host.kept());
        devices.forEach((device) => device.end());
      }),
    );
  };

  try {
    scheduler.maxFrames = end;
    set();
    scheduler.flush();
  } catch (thrown) {
    stop(thrown);
  }
  const hash = createHash('sha256');
  for (const { at, row, value } of seen) hash.update(`${at} ${row} ${value}\n`);
  const writes = plan.happenings.filter(({ act }) => act === 'write').length;
  return { broken, seen, hash: hash.digest('hex').slice(0, 16), writes };
};
