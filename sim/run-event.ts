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

const runOnDevice = (
  device: Device,
  partner: Device | undefined,
  network: Network,
  { act, device: number, seed }: PlannedEvent,
): void => {
  const acts: Partial<Record<typeof act, () => unknown>> = {
    write: () => device.write(false, seed),
    rejectable: () => device.write(true, seed),
    flood: () => Array.from({ length: 10_400 }, (_, at) => device.write(false, seed + at)),
    'reject burst': () => Array.from({ length: 60 }, (_, at) => device.write(at % 3 > 0, seed + at)),
    burst: () => Array.from({ length: 400 }, (_, at) => device.write(false, seed + at)),
    pause: () => device.session()?.pause(),
    resume: () => device.session()?.resume(),
    reconnect: () => device.session()?.reconnect(),
    logOut: () => void device.client()?.logOut(),
    logIn: () => device.client()?.logIn(),
    discard: device.discard,
    'other user': () => device.changeUser(true),
    'own user': () => device.changeUser(false),
    'read only': () => device.mayWrite(false),
    'may write': () => device.mayWrite(true),
    cloned: () => partner && device.become(partner),
    renew: device.tokens.renew,
    'tokens fail': () => device.tokens.setBehaviour('fails'),
    'tokens expired': () => device.tokens.setBehaviour('gives expired ones'),
    'tokens work': () => device.tokens.setBehaviour('works'),
    close: device.close,
    open: device.open,
    killed: () => device.crash('killed'),
    power: () => device.crash('power'),
    lost: () => device.crash('lost'),
    copied: device.copy,
    'put back': device.putBack,
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
    'uploaded?': () => device.uploaded(() => undefined),
    'downloaded?': () => device.downloaded(() => undefined),
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
  else if (device) runOnDevice(device, world.devices[partnerOf(number) - 1], world.network, event);
};
