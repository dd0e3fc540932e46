import fc from 'fast-check';
import { memoryStorage, systemClock } from '../../lib/index.js';
import { allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { runOptions } from '../merge/arbitrary-operations.js';
import { anyChange, SecondDevice, TidemarkDevice, type Change, type Device } from './devices.js';

type Command =
  | { readonly does: 'write'; readonly deviceIndex: number; readonly changes: readonly Change[] }
  | { readonly does: 'connect' | 'disconnect' | 'settle'; readonly deviceIndex: number }
  | { readonly does: 'pass'; readonly ms: number };

const deviceIndex = fc.nat(3);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant('write' as const),
      deviceIndex,
      changes: fc.array(anyChange, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom('connect', 'disconnect', 'settle'), deviceIndex }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('pass' as const), ms: fc.constantFrom(1, 5, 3_000) }) },
);

const start = 1_763_884_800_000;

describe('two implementations on one server', () => {
  const run = async (commands: readonly Command[]): Promise<void> => {
    let time = start;
    const now = (): number => time;
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: allowAnyone,
      authorize: () => 'write',
      clock: { ...systemClock, now },
    });
    const devices: Device[] = [
      await TidemarkDevice.open(server, now),
      new SecondDevice(server, now),
      await TidemarkDevice.open(server, now),
      new SecondDevice(server, now),
    ];
    const online = new Set([0, 2]);
    for (const each of commands) {
      if (each.does === 'pass') time += each.ms;
      else if (each.does === 'write') await devices[each.deviceIndex]!.write(each.changes);
      else if (each.does === 'settle') {
        if (online.has(each.deviceIndex)) await devices[each.deviceIndex]!.settle();
      } else {
        if (each.does === 'connect') online.add(each.deviceIndex);
        else online.delete(each.deviceIndex);
        devices[each.deviceIndex]![each.does]();
      }
    }
    for (const device of devices) device.connect();
    for (const device of [...devices, ...devices]) await device.settle();
    const newcomer = new SecondDevice(server, now);
    newcomer.connect();
    await newcomer.settle();
    const [first, ...others] = [...devices, newcomer].map((device) => device.contents());
    for (const device of [...devices, newcomer]) await device.close();
    await server.close();
    for (const other of others) expect(other).toEqual(first);
  };

  it('field report E-11: end with equal objects, whatever each wrote, offline or online', async () => {
    await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), run), runOptions(60));
  }, 120_000);
});
