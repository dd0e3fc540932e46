/* One process of the benchmark: tidemark or its raw twin. Runs commands and reports their figures. */
import { limits } from './limits/limits-process.js';
import { manyClients } from './many-clients.js';
import { manyClientsServer } from './many-clients-server.js';
import { ours } from './tidemark-side.js';
import { raw } from './raw.js';
import { measureFrameSize } from './measure-frame-size.js';
import { partialClients } from './subscriptions/partial-clients.js';
import { partialDevice } from './subscriptions/partial-device.js';
import { storedHistory } from './subscriptions/stored-history.js';
import type { Role, RoleName, Settings, Side } from './processes.js';

const roles: Readonly<Record<Side, Readonly<Partial<Record<RoleName, Role>>>>> = {
  ours: {
    ...{ ...ours, scale: measureFrameSize, host: manyClientsServer.ours, crowd: manyClients.ours, limits },
    ...{ partial: partialDevice, clients: partialClients, stored: storedHistory },
  },
  raw: { ...raw, host: manyClientsServer.raw, crowd: manyClients.raw },
};

const settings = JSON.parse(process.argv[2] ?? '{}') as Settings;
const role = roles[settings.side][settings.role];
if (!role) throw new Error(`${settings.side} has no ${settings.role}`);
const actions = await role(settings);

process.on('message', ({ cue, args }: { cue: string; args: readonly number[] }) => {
  const act = actions[cue];
  if (!act) throw new Error(`${settings.side} ${settings.role} has no act ${cue}`);
  void act(...args).then((result) => {
    process.send?.({ result, peakKb: process.resourceUsage().maxRSS });
    if (cue === 'end') process.disconnect();
  });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
