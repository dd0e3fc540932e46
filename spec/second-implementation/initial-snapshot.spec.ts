import { tap } from 'rxjs';
import { systemClock, type ServerMessage } from '../../lib/index.js';
import type { SyncServer } from '../../lib/server/index.js';
import { SecondDevice, TidemarkDevice } from './devices.js';
import { createChanges, closeAll, receivedBy, createServer, settleDevices, start, createChange } from './test-kit.js';

/** One turn of the event loop, in which what waits for the machine's time goes on. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    systemClock.scheduler.schedule(() => resolve());
  });

/**
 * The server makes a snapshot once nobody has uploaded or downloaded for a while: strangers ask for it now and then.
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

describe('a second implementation, and a server that sends what there is', () => {
  it('field report E11: begins with a snapshot, as tidemark does, with its own offline writes on top', async () => {
    let time = start;
    const now = (): number => time;
    const server = createServer({ limits: { projectionLagBytesMax: 1_024 } }, now);
    const writers = [new SecondDevice(server, now), await TidemarkDevice.open(server, now)] as const;
    const [second, first] = writers;
    second.connect();
    await second.write([createChange('create', 6, 'x'.repeat(1_500_000)), createChange('create', 5, 'x')]); // More than one frame holds: parts.
    for (const letter of ['y', 'z', 'x']) await second.write([createChange('title', 6, letter.repeat(1_500_000))]);
    for (const [n, changes] of createChanges(7, 1_010).entries()) {
      time += n % 3;
      await writers[n % 20 === 0 ? 1 : 0].write([...changes, createChange('add', 5)]); // None is empty.
      if (n % 100 === 0) await settleDevices(second, first);
    }
    await settleDevices(...writers);

    await untilSnapshot(server, now);
    const heard: ServerMessage[] = [];
    const wire: SyncServer['wire'] = (said) => server.wire(said).pipe(tap((message) => heard.push(message)));
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
    expect(heard.filter(({ type }) => type === 'snapshot').length).toBeGreaterThan(0);
    const [shown, ...others] = [...newcomers, ...writers].map((device) => device.contents());
    for (const other of others) expect(other).toEqual(shown);
    await closeAll(server, ...newcomers, ...writers);
  }, 120_000);
});
