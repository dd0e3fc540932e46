import { markHandled, withTimeLimit, now, sleep } from './time-limits.js';
import { percentileOf } from './statistics.js';
import { connectPair, firstContactItems, measuredRealm, type Task, watchProcessorTime } from './task-steps.js';

const intervalMs = 5;

/** T3: the time from a write to its arrival at another client, at 200 writes a second. */
export const latency: Task = async (run) => {
  const total = run.sizes.latency;
  const { server, writer, reader } = await connectPair(run);
  await reader.call.expect('reader', 'me', total);
  const endProcessorTime = await watchProcessorTime(server, writer, reader);
  const writing = writer.call.write('writer', { prefix: 'me', total, intervalMs });
  const { times: sent } = await withTimeLimit(writing, 60_000 + total * intervalMs, 'writing at a pace');
  const { isComplete, count, times } = await reader.call.waitForItems('reader', 30_000);
  const [serverMs = NaN, writerMs = NaN, readerMs = NaN] = await endProcessorTime();
  if (!isComplete) throw new Error(`${count} of ${total} items arrived`);
  const delays = [...times].map((time, index) => time - (sent[index] ?? NaN));
  return {
    p50: percentileOf(delays, 0.5),
    p99: percentileOf(delays, 0.99),
    max: percentileOf(delays, 1),
    serverProcessorMs: serverMs,
    writerProcessorMs: writerMs,
    readerProcessorMs: readerMs,
  };
};

/** T4: the time of many writes, as fast as the writer can, until the other client has them. */
export const live: Task = async (run) => {
  const total = run.sizes.live;
  const { server, writer, reader } = await connectPair(run);
  await reader.call.expect('reader', 'me', total);
  const endProcessorTime = await watchProcessorTime(server, writer, reader);
  const writing = markHandled(writer.call.write('writer', { prefix: 'me', total }));
  const { isComplete, count, lastAt } = await reader.call.waitForItems('reader', 60_000);
  if (!isComplete) throw new Error(`${count} of ${total} items arrived in 60 s`);
  const { began } = await withTimeLimit(writing, 60_000, 'writing');
  const [serverMs = NaN, writerMs = NaN, readerMs = NaN] = await endProcessorTime();
  return {
    ms: lastAt - began,
    serverProcessorMs: serverMs,
    writerProcessorMs: writerMs,
    readerProcessorMs: readerMs,
  };
};

const writesBeforeKill = 200;
const writesAfterKill = 200;
const downMs = 1_000;

/**
 * T7: a server is killed during writes and comes back one second later with the same port and storage. The time from
 * its start until the other client has everything.
 */
export const restart: Task = async (run) => {
  const total = writesBeforeKill + writesAfterKill;
  const { server, folder, writer, reader } = await connectPair(run);
  const child = await run.prepareServer();
  await reader.call.expect('reader', 'me', total);
  const writing = markHandled(writer.call.write('writer', { prefix: 'me', total, intervalMs }));
  await sleep(writesBeforeKill * intervalMs);
  const killedAt = now();
  await run.kill(server);
  await sleep(Math.max(0, downMs - (now() - killedAt)));
  const restarted = await run.startServer(folder, { port: server.port, child });
  await withTimeLimit(writing, 20_000, 'writing at a pace');
  const { isComplete, count, lastAt } = await reader.call.waitForItems('reader', 45_000);
  if (!isComplete) throw new Error(`${count} of ${total} items arrived in 45 s after the restart`);
  if (run.peer.isCountedByServer) {
    const held = await restarted.call.waitUntilHeld(measuredRealm, total + firstContactItems, 5_000);
    if (held.durableAt === null) throw new Error(`the restarted server has ${held.count} items`);
  }
  const found = await withTimeLimit(reader.call.verify('reader', 'me', total), 30_000, 'reading all items');
  return {
    ms: Math.max(0, lastAt - restarted.readyAt),
    downMs: restarted.readyAt - killedAt,
    lost: found.lost,
    damaged: found.damaged,
    // Items have keys, so a doubled item shows as a greater number.
    doubled: Math.max(0, found.count - (total - found.lost) - firstContactItems),
  };
};
