import { createSeededRandom } from '../lib/model/seeded-random.js';
import type { Device } from './device.js';
import type { SimulatedServer } from './simulated-server.js';
import type { Network } from './simulated-network.js';
import type { PlannedEvent } from './plan.js';

/** All parts of a world. */
export interface World {
  readonly network: Network;
  readonly server: SimulatedServer;
  readonly devices: readonly Device[];
  /** Runs `act` later, unless an invariant is broken by then. */
  readonly after: (ms: number, act: () => void) => void;
}

const runOnServer = ({ server }: World, { act, seed }: PlannedEvent): void => {
  const acts: Partial<Record<typeof act, () => void>> = {
    'server killed': () => server.kill('killed'),
    'server power': () => server.kill('power'),
    'server restarted': server.restart,
    'server up': server.start,
    'server clock wrong': () => server.jump(seed),
    'server clock right': () => server.jump(null),
    backup: server.backup,
    restore: server.restore,
  };
  acts[act]?.();
};

/** Changes the scope of a device several times within a second, at times more than once in a moment. */
const flapScope = (device: Device, after: World['after'], seed: number): void => {
  const random = createSeededRandom(seed);
  let at = 0;
  for (let change = 0; change < 4; change += 1) {
    const kind = random() < 0.2 ? 'empty' : random() < 0.3 ? 'whole' : 'any';
    // Half of the changes go back to one of two scopes.
    const drawn = random() < 0.5 ? seed + Math.floor(random() * 2) : Math.floor(random() * 2 ** 31);
    after(at, () => device.changeScope(kind, drawn));
    if (random() < 0.7) at += Math.floor(random() * 300);
  }
};

const runOnDevice = (
  device: Device,
  partner: Device | undefined,
  { network, after }: Pick<World, 'network' | 'after'>,
  event: PlannedEvent,
): void => {
  const { act, device: number, seed } = event;
  const { tabs, tokens } = device;
  const acts: Partial<Record<typeof act, () => unknown>> = {
    write: () => device.write(false, seed, event),
    rejectable: () => device.write(true, seed, event),
    flood: () => Array.from({ length: 10_400 }, (_, at) => device.write(false, seed + at, event)),
    'reject burst': () => Array.from({ length: 60 }, (_, at) => device.write(at % 3 > 0, seed + at, event)),
    burst: () => Array.from({ length: 400 }, (_, at) => device.write(false, seed + at, event)),
    pause: () => device.session(event)?.pause(),
    resume: () => device.session(event)?.resume(),
    reconnect: () => device.session(event)?.reconnect(),
    logOut: () => device.logOut(event),
    logIn: () => device.logIn(event),
    discard: () => device.discard(event),
    'other user': () => device.changeUser(true),
    'own user': () => device.changeUser(false),
    'read only': () => device.mayWrite(false),
    'may write': () => device.mayWrite(true),
    cloned: () => partner && device.become(partner),
    renew: tokens.renew,
    'tokens fail': () => tokens.setBehaviour('fails'),
    'tokens expired': () => tokens.setBehaviour('gives expired ones'),
    'tokens work': () => tokens.setBehaviour('works'),
    close: () => device.close(event),
    open: device.open,
    killed: () => device.crash('killed'),
    power: () => device.crash('power'),
    lost: () => device.crash('lost'),
    copied: device.copy,
    'put back': device.putBack,
    offline: () => device.simulateOffline(true),
    online: () => device.simulateOffline(false),
    cut: () => network.cut(number, 'cut'),
    'half-open': () => network.cut(number, 'half-open'),
    repeat: () => network.repeat(number),
    down: () => network.down(number, true),
    up: () => network.down(number, false),
    'close after open': () => network.closeAfterOpen(number, true),
    'stay open': () => network.closeAfterOpen(number, false),
    slow: () => network.slow(number, 200 + (seed % 3_000)),
    fast: () => network.slow(number, 20),
    jump: () => device.jump(seed),
    'uploaded?': () => device.uploaded(() => undefined, event),
    'downloaded?': () => device.downloaded(() => undefined, event),
    'open tab': () => tabs.openTab(event),
    'close tab': () => tabs.closeTab(event),
    'crash tab': () => tabs.crashTab(event),
    freeze: () => tabs.freeze(event),
    suspend: () => tabs.suspend(event),
    'resume tab': () => tabs.resumeTab(event),
    hide: () => tabs.hide(event),
    show: () => tabs.show(event),
    subscribe: () => device.subscriptions.subscribe(seed),
    'subscribe again': () => device.subscriptions.subscribeAgain(seed),
    unsubscribe: () => device.subscriptions.unsubscribe(seed),
    'subscribe often': () => device.subscriptions.subscribeOften(seed),
    scope: () => device.changeScope('any', seed),
    'scope empty': () => device.changeScope('empty', seed),
    'scope whole': () => device.changeScope('whole', seed),
    'scope flaps': () => flapScope(device, after, seed),
    'scope fails': () => device.failScope(true),
    'scope works': () => device.failScope(false),
  };
  acts[act]?.();
};

/** Returns the device that shares the user of this device, in worlds in which users have two devices. */
const partnerOf = (device: number): number => (device % 2 === 1 ? device + 1 : device - 1);

/** Runs one event of a plan. */
export const runEvent = (world: World, event: PlannedEvent): void => {
  const { device: number } = event;
  const device = world.devices[number - 1];
  if (number === 0) runOnServer(world, event);
  else if (device) runOnDevice(device, world.devices[partnerOf(number) - 1], world, event);
};
