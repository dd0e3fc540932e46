import type { World } from './run-event.js';
import { checkHistory, checkDisk } from './resource-bounds.js';
import { checkCounter, differenceOf, entriesOf, contentsOf } from './random-edits.js';
import type { SyncSession } from '../lib/index.js';
import type { Device } from './device.js';
import { entryNameOf, InvariantError, type Ledger } from './invariants.js';
import type { Plan } from './plan.js';

/** Milliseconds within which all devices must be in sync after all faults have ended. */
export const settleMs = 6 * 60_000;

/** Waits until every device has uploaded and then downloaded; throws when a device has not in time. */
const waitForDevices = (world: World, done: () => void): void => {
  const waiting = new Set<string>();
  for (const [index, device] of world.devices.entries()) {
    const [upload, download] = [`uploadComplete$ of device ${index + 1}`, `downloadComplete$ of device ${index + 1}`];
    waiting.add(upload);
    device.uploaded(() => {
      waiting.delete(upload);
      waiting.add(download);
      world.after(20_000, () => device.downloaded(() => waiting.delete(download)));
    });
  }
  world.after(2 * 60_000, () => {
    if (waiting.size > 0)
      throw new InvariantError('completion streams emit once the network works', [...waiting].join(', '));
    done();
  });
};

/** Ends all faults and waits until every device is in sync. */
export const settleWorld = (world: World, done: () => void): void => {
  const { network, server, devices } = world;
  server.calm();
  server.start();
  server.jump(null);
  devices.forEach((device, index) => {
    network.down(index + 1, false);
    network.closeAfterOpen(index + 1, false);
    network.slow(index + 1, 20);
    device.calm();
    device.simulateOffline(false);
    device.tokens.setBehaviour('works');
    device.changeUser(false);
    device.mayWrite(true);
    device.failScope(false);
    device.open();
  });
  // Sessions exist once their realm is open, which may take a slow disk a moment.
  world.after(2_000, () => {
    for (const device of devices) {
      device.logIn('all');
      device.session()?.resume();
      device.session()?.reconnect();
      device.subscriptions.settle();
    }
    // Most of these writes do not concern a device with subscriptions, and must not keep it behind.
    const isPartial = devices.some(({ subscriptions }) => subscriptions.countObjects() !== null);
    if (isPartial)
      for (let one = 1; one <= 3; one += 1) world.after(20_000 + one, () => devices.at(-1)?.write(false, one));
    world.after(3 * 60_000, () => waitForDevices(world, done));
  });
};

/** Checks that all tabs of a device show the same session, and have an answer to each write. */
const checkTabs = (deviceName: string, device: Device): void => {
  const shownBy = (session: SyncSession | null): string => JSON.stringify(session?.status);
  const [first, ...others] = device.processes();
  for (const { tab, session } of others) {
    const [one, other] = [shownBy(first?.session ?? null), shownBy(session)];
    if (one !== other)
      throw new InvariantError('all tabs show the same session', `${deviceName}: ${one}; tab ${tab}: ${other}`);
  }
  for (const { tab, unsettled } of device.processes())
    for (const id of unsettled)
      throw new InvariantError('a write is answered', `${deviceName}, tab ${tab}: ${id}`, [entryNameOf(id)]);
};

/** Checks the invariants at the end of a world: all are equal, and have what was written. */
export const checkEnd = ({ devices, server }: World, ledger: Ledger, { settings, events }: Plan): void => {
  const whole = devices.slice(settings.partialDevices);
  const all = whole.flatMap((device, index) =>
    device.processes().map(({ realm, tab }) => ({
      deviceName: `device ${settings.partialDevices + index + 1}${tab > 0 ? `, tab ${tab}` : ''}`,
      realm,
    })),
  );
  // The first device that has the whole realm.
  const first = whole[0]?.realm();
  if (!first) throw new InvariantError('a realm opens', `device ${settings.partialDevices + 1} has none`);
  const picture = contentsOf(first);
  all.forEach(({ deviceName, realm: other }) => {
    if (!other) throw new InvariantError('a realm opens', `${deviceName} has none`);
    if (other === first) return;
    const difference = differenceOf(picture, contentsOf(other));
    if (difference === null) return;
    const { name, ours, theirs } = difference;
    throw new InvariantError(
      'all are equal',
      `${name}: device ${settings.partialDevices + 1}: ${ours}; ${deviceName}: ${theirs}`,
      [name],
    );
  });
  devices.forEach((device, index) => checkTabs(`device ${index + 1}`, device));
  devices.forEach((device) => device.check());
  devices.forEach((device) => device.subscriptions.checkEnd(first));
  if (settings.partialDevices === 0 && !ledger.isCounterLost()) checkCounter('each device', first);
  devices.forEach((device, index) =>
    checkDisk(`device ${index + 1}`, device.kept(), device.subscriptions.countObjects() ?? picture.size),
  );
  ledger.check(entriesOf(first));
  if (settings.partialDevices > 0) server.checkIndex();
  // What absent replicas need is kept longer when the clock was ahead as they left.
  const wasClockWrong = events.some(({ act }) => act === 'server clock wrong');
  if (settings.retentionMs < settleMs && !wasClockWrong) checkHistory(server.historyLength());
};
