/*
 * npm run demo: a server and two devices, each in its own process. Device A imports 3 201 films offline; both connect;
 * both edit the same films while offline; one is killed during a sync and started again; both end with equal data.
 *
 *   npm run demo -- --kills 10     also sends ten SIGKILLs at random moments to a device or the server
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createDevice, createServer, type Device, type Server } from './processes.js';
import { createMarbleDisplay, legend } from './marble-display.js';
import type { DeviceCommand } from './device-messages.js';

const { values: options } = parseArgs({ options: { kills: { type: 'string', default: '0' } } });
const kills = Number(options.kills);
if (!Number.isInteger(kills) || kills < 0 || kills > 1_000) {
  console.error(`--kills must be a whole number from 0 to 1000, received ${options.kills}`);
  process.exit(2);
}

const limitMs = 60_000 + kills * 5_000;

/** A free port. The server opens it later, while device A is still offline. */
const freePort = async (): Promise<number> => {
  const probe = createTcpServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address ? address.port : 0;
};

const folder = mkdtempSync(join(tmpdir(), 'tidemark-demo-'));
const display = createMarbleDisplay(process.stdout);
const port = await freePort();
const url = `ws://127.0.0.1:${port}`;
const began = Date.now();

const a = createDevice({ name: 'A', url, folder: join(folder, 'a') }, display);
const b = createDevice({ name: 'B', url, folder: join(folder, 'b') }, display);
let scene = '';
const show = (title: string): void => {
  scene = title;
  display.scene(title);
};
/** Limits every wait: a demo that hangs reports where, and fails. */
const limit = setTimeout(() => {
  display.end();
  console.error(`\ndemo: not done after ${limitMs / 1000} s, in scene ${scene} (data: ${folder})`);
  process.exit(1);
}, limitMs);
const askBoth = (cue: DeviceCommand) => Promise.all([a.ask(cue), b.ask(cue)]);
let server: Server | null = null;

/** Kills processes at random moments until it is stopped. Every killed process is started again. */
const killRandomly = async (stop: AbortSignal): Promise<string[]> => {
  const killed: string[] = [];
  while (killed.length < kills && !stop.aborted) {
    await sleep(150 + Math.random() * 900);
    const victims: [string, () => unknown][] = [
      ['A', a.kill],
      ['B', b.kill],
    ];
    if (server) victims.push(['server', server.kill]);
    const [name, kill] = victims[Math.floor(Math.random() * victims.length)] ?? ['A', a.kill];
    killed.push(name);
    await kill();
  }
  return killed;
};

const killSoon = (device: Device, ms: number): Promise<void> => sleep(ms).then(device.kill);

console.log(legend.join('\n'));
const stop = new AbortController();
const killing = killRandomly(stop.signal);

show('1. There is no server. A imports 3 201 films, and B waits.');
await a.ask({ cue: 'import' });

show('2. The server starts. A uploads its films, and B downloads them.');
const firstServer = await createServer(join(folder, 'server'), port);
server = firstServer;
await a.ask({ cue: 'settle' });
await b.ask({ cue: 'settle' });

show('3. Both are offline and edit the same films. B is killed meanwhile, and started again.');
await Promise.all([askBoth({ cue: 'edit', round: 1, pace: 5, offline: true }), killSoon(b, 250)]);

show('4. Both are online and edit while they sync. The server is killed meanwhile, and started again.');
await askBoth({ cue: 'resume' });
await Promise.all([askBoth({ cue: 'edit', round: 2, pace: 8, offline: false }), sleep(300).then(firstServer.kill)]);

show('5. Both upload and download everything.');
let killed: string[] = [];
if (kills > 0) {
  // From here on processes are killed while both devices edit and sync.
  for (let round = 3; ; round++) {
    await askBoth({ cue: 'edit', round, pace: 4, offline: false });
    const done = await Promise.race([killing, sleep(1).then(() => null)]);
    if (done) {
      killed = done;
      break;
    }
  }
}
stop.abort();
await askBoth({ cue: 'resume' });
await askBoth({ cue: 'settle' }); // All changes are on the server …
await askBoth({ cue: 'settle' }); // … and now on both devices.
const [first, second] = await askBoth({ cue: 'digest' });
await askBoth({ cue: 'leave' });
await firstServer.close();
display.end();
clearTimeout(limit);

const equal = first.digest !== undefined && first.digest === second.digest;
if (killed.length > 0) console.log(`\nkilled: ${killed.join(', ')}`);
console.log(`\ntook ${((Date.now() - began) / 1000).toFixed(1)} s`);
console.log(
  `demo: ${first.objects ?? 0} objects, ${(first.changesets ?? 0) + (second.changesets ?? 0)} changesets, 2 devices, equal: ${equal ? 'yes' : 'no'}`,
);
rmSync(folder, { recursive: true, force: true });
process.exit(equal ? 0 : 1);
