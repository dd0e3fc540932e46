/* A server in its own process, for `run-attacks.ts`: on a folder, with tokens that the keys of a file sign. */
import { createSyncServer, jwt } from '../lib/server/index.js';

const [folder = '', jwks = ''] = process.argv.slice(2);
const failures = new Map<string, number>();

const server = createSyncServer({
  storage: folder,
  authenticate: jwt({ jwks, audience: 'attacks', issuer: 'attacks' }),
  authorize: ({ id }, realm) => ((id === 'healthy') === (realm === 'healthy') ? 'write' : 'none'),
  log: (event) => {
    if (event.event !== 'failed') return;
    const name = event.error instanceof Error ? event.error.message : String(event.error);
    failures.set(name, (failures.get(name) ?? 0) + 1);
  },
});
const { port } = await server.listen({ port: 0, host: '127.0.0.1' });

/**
 * Microseconds of processor time between two timers that are due every few milliseconds: the longest event-loop turn,
 * whatever else the machine does.
 */
let [turnMax, before] = [0, process.cpuUsage()];
setInterval(() => {
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  turnMax = Math.max(turnMax, user + system);
}, 5);

process.on('disconnect', () => process.exit());
process.on('message', (asked) => {
  if (asked === 'begin') {
    turnMax = 0;
    return;
  }
  // Peak memory, in kilobytes on every platform.
  process.send?.({
    memoryMax: process.resourceUsage().maxRSS * 1_024,
    turnMsMax: turnMax / 1_000,
    failures: [...failures],
  });
});
process.send?.({ port });
