import { withTimeLimit, sleep } from './time-limits.js';
import { percentileOf } from './statistics.js';
import { measuredRealm, type Task, warmUp, watchProcessorTime } from './task-steps.js';

const fanOutIntervalMs = 50;

/** T5: the time from a write to its arrival at each of many readers, at 20 writes a second. */
export const fanOut: Task = async (run) => {
  const { fanOut: total, readers: readersTotal } = run.sizes;
  const server = await run.startServer(run.createFolder('server'));
  const writer = await run.startClients('writer', server);
  const readers = await run.startClients('readers', server);
  await warmUp(run, writer, readers);
  await writer.call.open('writer', { realm: measuredRealm, folder: run.createFolder('writer') });
  await withTimeLimit(writer.call.connect('writer'), 20_000, 'connecting');
  const folder = run.createFolder('readers');
  const options = { total: readersTotal, realm: measuredRealm, folder, hasOwnRealm: false, msMax: 60_000 };
  const connected = await readers.call.openMany(options);
  if (connected < readersTotal) throw new Error(`${connected} of ${readersTotal} readers connected in 60 s`);
  await readers.call.expectMany('fc', 1);
  await writer.call.write('writer', { prefix: 'fc', total: 1 });
  const reached = (await readers.call.waitForMany(30_000)).filter(({ isComplete }) => isComplete).length;
  if (reached < readersTotal) throw new Error(`the first item reached ${reached} of ${readersTotal} readers`);
  await sleep(500);

  await readers.call.expectMany('me', total);
  const endProcessorTime = await watchProcessorTime(server, readers);
  const writing = writer.call.write('writer', { prefix: 'me', total, intervalMs: fanOutIntervalMs });
  const { times: sent } = await withTimeLimit(writing, 60_000 + total * fanOutIntervalMs, 'writing at a pace');
  const arrivals = await readers.call.waitForMany(30_000);
  const [serverMs = NaN, readersMs = NaN] = await endProcessorTime();
  const delivered = arrivals.reduce((sum, { count }) => sum + count, 0);
  if (delivered < total * readersTotal) throw new Error(`${delivered} of ${total * readersTotal} deliveries arrived`);
  const delaysOf = (index: number) => arrivals.map(({ times }) => (times[index] ?? NaN) - (sent[index] ?? NaN));
  const delays = Array.from({ length: total }, (_, index) => delaysOf(index));
  const slowest = delays.map((each) => Math.max(...each));
  return {
    p50: percentileOf(delays.flat(), 0.5),
    p99: percentileOf(delays.flat(), 0.99),
    slowestP50: percentileOf(slowest, 0.5),
    serverProcessorMs: serverMs,
    readerProcessorMs: readersMs,
  };
};

/** T6: memory of the server for each connected client that sends nothing and has a realm of its own. */
export const idle: Task = async (run) => {
  const total = Math.min(run.peer.idleClientsMax, run.sizes.idleClients);
  const server = await run.startServer(run.createFolder('server'));
  const clients = await run.startClients('idle clients', server);
  await warmUp(run, clients, clients);
  const open = (count: number, realm: string, msMax: number) =>
    clients.call.openMany({ total: count, realm, folder: run.createFolder(realm), hasOwnRealm: true, msMax });
  await open(Math.min(10, total), 'first', 20_000);
  await clients.call.closeAll();
  await sleep(1_000);
  const before = await server.call.memoryBytes();
  const connected = await open(total, 'idle', 120_000);
  if (connected < total) throw new Error(`${connected} of ${total} clients connected in 120 s`);
  await sleep(3_000);
  const after = await withTimeLimit(server.call.memoryBytes(), 20_000, 'measuring memory');
  return { kibibytes: (after - before) / 1_024 / total };
};
