import type { World } from './run-event.js';
import { checkHistory, checkDisk } from './resource-bounds.js';
import { checkTally, differenceOf, entriesOf, contentsOf } from './random-edits.js';
import { InvariantError, type Ledger } from './invariants.js';
import type { Plan } from './plan.js';

/** Milliseconds that everything may take to be well again, once the network, the server and everybody are. */
export const settleMs = 6 * 60_000;

/** Asks all devices whether they have uploaded, then whether they have downloaded; fails when one has not in time. */
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
      throw new InvariantError('waits come to an end once the network is well', [...waiting].join(', '));
    done();
  });
};

/** Everything is made well, and everybody has to come to an end of it. */
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
    device.tokens.setBehaviour('works');
    device.changeUser(false);
    device.mayWrite(true);
    device.open();
  });
  // What was told to go on is told when its realm is open, which may take a disk a moment.
  world.after(2_000, () => {
    for (const device of devices) {
      device.client()?.logIn();
      device.session()?.resume();
      device.session()?.reconnect();
    }
    world.after(3 * 60_000, () => waitForDevices(world, done));
  });
};

/** What has to hold at the end of a world: all have the same, and it is what was written. */
export const checkEnd = ({ devices, server }: World, ledger: Ledger, { settings }: Plan): void => {
  const [first, ...others] = devices.map((device) => device.realm());
  if (!first) throw new InvariantError('a realm opens', 'device 1 has none');
  const picture = contentsOf(first);
  others.forEach((other, index) => {
    const who = `device ${index + 2}`;
    if (!other) throw new InvariantError('a realm opens', `${who} has none`);
    const difference = differenceOf(picture, contentsOf(other));
    if (difference === null) return;
    const { name, ours, theirs } = difference;
    throw new InvariantError('all are equal', `${name}: device 1: ${ours}; ${who}: ${theirs}`, [name]);
  });
  devices.forEach((device) => device.check());
  if (!ledger.isTallyLost()) checkTally('everybody', first);
  devices.forEach((device, index) => checkDisk(`device ${index + 1}`, device.kept(), picture.size));
  ledger.check(entriesOf(first));
  if (settings.retentionMs < settleMs) checkHistory(server.historyLength());
};
