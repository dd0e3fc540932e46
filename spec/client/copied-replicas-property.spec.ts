import * as fc from 'fast-check';
import { memoryStorage } from '../../lib/index.js';
import {
  copyStorage,
  type Disk,
  readContents,
  addLog,
  contentsOf,
  type RunningDevice,
  createServer,
  startDevice,
  waitUntilSynced,
} from './copied-replicas-kit.js';
import { nextTurn } from './test-kit.js';

/** Most disks and backups: enough for copies of copies of copies. */
const disksMax = 4;

type Step =
  | { readonly do: 'write' | 'sync' | 'pause' | 'restart' | 'deaf' | 'copy' | 'backup'; readonly disk: number }
  | { readonly do: 'restore'; readonly disk: number; readonly backup: number };

const index = fc.nat(disksMax - 1);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), disk: index }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('sync' as const), disk: index }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pause', 'restart', 'deaf'), disk: index }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('copy', 'backup'), disk: index }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('restore' as const), disk: index, backup: index }) },
  ),
  { minLength: 4, maxLength: 18 },
);

/** A disk with the process that may run on it, and the names of all writes in its past. */
interface Device {
  readonly disk: Disk;
  readonly names: Set<string>;
  running: RunningDevice | null;
}

interface Backup {
  readonly disk: Disk;
  readonly names: ReadonlySet<string>;
}

const world = () => {
  const server = createServer();
  const devices: Device[] = [{ disk: { storage: memoryStorage() }, names: new Set(), running: null }];
  const backups: Backup[] = [];
  const uploaded = new Set<string>();
  let written = 0;

  const ended = async (device: Device): Promise<void> => {
    await device.running?.end();
    device.running = null;
  };
  const offline = async (device: Device): Promise<RunningDevice> =>
    (device.running ??= await startDevice(device.disk, server, { online: false }));
  const online = async (device: Device): Promise<RunningDevice> => {
    const running = await offline(device);
    running.connect();
    running.session.resume();
    await waitUntilSynced(running);
    device.names.forEach((name) => uploaded.add(name));
    return running;
  };
  /** Copies the current content of a disk, also while a process has it open. */
  const imaged = async ({ disk, names }: Device | Backup): Promise<Backup> => ({
    disk: { storage: await copyStorage(disk.storage) },
    names: new Set(names),
  });

  const acts: Record<Step['do'], (device: Device, step: Step) => Promise<void>> = {
    write: async (device) => {
      written += 1;
      await addLog((await offline(device)).realm, `w${written}`);
      device.names.add(`w${written}`);
    },
    sync: async (device) => {
      await online(device);
      await ended(device);
    },
    pause: async (device) => (await online(device)).session.pause(),
    restart: ended,
    // The uploads arrive, and the process ends before their answers.
    deaf: async (device) => {
      await ended(device);
      const before = await imaged(device);
      const running = await startDevice(device.disk, server);
      await nextTurn();
      await running.client.close();
      device.disk.storage = before.disk.storage;
      device.names.forEach((name) => uploaded.add(name));
    },
    copy: async (device) => {
      if (devices.length < disksMax) {
        const { disk, names } = await imaged(device);
        devices.push({ disk, names: new Set(names), running: null });
      }
    },
    backup: async (device) => void backups.push(await imaged(device)),
    restore: async (device, step) => {
      const backup = step.do === 'restore' ? backups[step.backup % Math.max(1, backups.length)] : undefined;
      if (!backup) return;
      await ended(device);
      const image = await imaged(backup);
      device.disk.storage = image.disk.storage;
      device.names.clear();
      image.names.forEach((name) => device.names.add(name));
    },
  };

  return {
    act: async (step: Step): Promise<void> => {
      const device = devices[step.disk % devices.length];
      if (device) await acts[step.do](device, step);
    },
    /** Returns the content of every device after all have synced, and the expected content. */
    end: async () => {
      for (const device of devices) await acts.sync(device, { do: 'sync', disk: 0 });
      const all: object[] = [];
      const fresh: Device = { disk: { storage: memoryStorage() }, names: new Set(), running: null };
      for (const device of [...devices, fresh]) {
        all.push(await readContents((await online(device)).realm));
        await ended(device);
      }
      return { all, expected: contentsOf(...uploaded) };
    },
  };
};

describe('copies of a replica, whatever is done with them', () => {
  it('field report A-2: every write that resolved is on all devices in the end, exactly once', async () => {
    const played = fc.asyncProperty(steps, async (plan) => {
      const { act, end } = world();
      for (const step of plan) await act(step);
      const { all, expected } = await end();
      for (const each of all) expect(each).toEqual(expected);
    });
    const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };
    await fc.assert(played, { numRuns: Number(process.env['RUNS'] ?? 40), endOnFailure: false, ...seed });
  }, 120_000);
});
