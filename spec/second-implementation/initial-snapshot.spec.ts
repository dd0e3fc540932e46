import { tap } from 'rxjs';
import { systemClock, type ServerMessage } from '../../lib/index.js';
import type { SyncServer } from '../../lib/server/index.js';
import { SecondDevice, TidemarkDevice } from './devices.js';
import { createChanges, closeAll, receivedBy, createServer, settleDevices, start, createChange } from './test-kit.js';

/** Waits for one event-loop turn, in which work on the scheduler of the system continues. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    systemClock.scheduler.schedule(() => resolve());
  });

/**
 * Waits until the server has a snapshot. It makes one when no client has uploaded or downloaded for a while, so other
 * devices ask now and then.
 */
const untilSnapshot = async (server: SyncServer, now: () => number): Promise<void> => {
  for (let n = 1; n <= 20; n += 1) {
    const quietUntil = systemClock.now() + 300;
    while (systemClock.now() < quietUntil) await turn();
    const stranger = new SecondDevice(server, now);
    stranger.connect();
    const { session } = stranger;
    await session!.until(() => session!.bound !== null);
    stranger.disconnect();
    if (session!.bound!.snapshot !== null) return;
  }
  throw new Error('the server offers no snapshot');
};

describe('a second implementation, and a server that sends a snapshot', () => {
  it('field report E-11: begins with a snapshot, as tidemark does, with its own offline writes on top', async () => {
    let time = start;
    const now = (): number => time;
    const server = createServer({ limits: { projectionLagBytesMax: 1_024 } }, now);
    const writers = [new SecondDevice(server, now), await TidemarkDevice.open(server, now)] as const;
    const [second, first] = writers;
    second.connect();
    // The snapshot is larger than a frame, so the server sends it in parts.
    await second.write([createChange('create', 6, 'x'.repeat(1_500_000)), createChange('create', 5, 'x')]);
    for (const letter of ['y', 'z', 'x']) await second.write([createChange('title', 6, letter.repeat(1_500_000))]);
    for (const [n, changes] of createChanges(7, 1_010).entries()) {
      time += n % 3;
      // The increment makes sure that no transaction is empty.
      await writers[n % 20 === 0 ? 1 : 0].write([...changes, createChange('add', 5)]);
      if (n % 100 === 0) await settleDevices(second, first);
    }
    await settleDevices(...writers);

    await untilSnapshot(server, now);
    const received: ServerMessage[] = [];
    const wire: SyncServer['wire'] = (sent) => server.wire(sent).pipe(tap((message) => received.push(message)));
    const newcomers = [new SecondDevice(server, now), await TidemarkDevice.open({ ...server, wire }, now)] as const;
    const [secondNewcomer, firstNewcomer] = newcomers;
    firstNewcomer.disconnect();
    for (const changes of createChanges(8, 20)) {
      await secondNewcomer.write(changes);
      await firstNewcomer.write(changes);
    }
    firstNewcomer.connect();
    secondNewcomer.connect();
    await settleDevices(...newcomers, ...writers);
    for (const changes of createChanges(9, 20)) {
      await secondNewcomer.write(changes);
      await firstNewcomer.write(changes);
      await settleDevices(...newcomers);
    }
    await settleDevices(...newcomers, ...writers);

    expect(receivedBy(secondNewcomer, 'snapshot').length).toBeGreaterThan(0);
    expect(receivedBy(secondNewcomer, 'part').length).toBeGreaterThan(1);
    expect(received.filter(({ type }) => type === 'snapshot').length).toBeGreaterThan(0);
    const [shown, ...others] = [...newcomers, ...writers].map((device) => device.contents());
    for (const other of others) expect(other).toEqual(shown);
    await closeAll(server, ...newcomers, ...writers);
  }, 120_000);
});
