import fc from 'fast-check';
import { memoryStorage, systemClock } from '../../lib/index.js';
import { allowAnyone, createSyncServer, type ServerOptions, type SyncServer } from '../../lib/server/index.js';
import { anyChange, type Change, type Device, type SecondDevice } from './devices.js';
import type { FromServer } from './message-frames.js';

export const start = 1_763_884_800_000;

export const createServer = (options: Partial<ServerOptions> = {}, now = (): number => start): SyncServer =>
  createSyncServer({
    storage: memoryStorage(),
    authenticate: allowAnyone,
    authorize: () => 'write',
    clock: { ...systemClock, now },
    ...options,
  });

export const createChange = (does: Change['does'], key: number, ...texts: string[]): Change => ({
  does,
  key,
  list: 'items',
  part: 'items',
  from: 0,
  to: 1,
  texts,
  extra: null,
});

export const settleDevices = async (...devices: Device[]): Promise<void> => {
  for (const device of [...devices, ...devices]) await device.settle();
};

export const closeAll = async (server: SyncServer, ...devices: Device[]): Promise<void> => {
  for (const device of devices) await device.close();
  await server.close();
};

export const receivedBy = ({ session }: SecondDevice, type: FromServer['type']): readonly FromServer[] =>
  (session?.received ?? []).filter((message) => message.type === type);

/** Returns random changes of all kinds, the same for each seed, in transactions of four. */
export const createChanges = (seed: number, amount: number): readonly (readonly Change[])[] =>
  fc.sample(fc.array(anyChange, { minLength: 4, maxLength: 4 }), { numRuns: amount, seed });
