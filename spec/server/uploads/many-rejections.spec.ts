import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defer } from 'rxjs';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { bindToPermitServer, createNote, sendTransactions } from '../permit-kit.js';
import { createBind, connect, createFaultyStorage, summariesOf } from '../test-kit.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Creates a storage that counts the objects read. */
const counting = () => {
  const inner = memoryStorage();
  let reads = 0;
  const storage: Storage = {
    ...inner,
    range: (range) =>
      defer(() => {
        if (range.from.includes('/object/')) reads += 1;
        return inner.range(range);
      }),
  };
  return { storage: createFaultyStorage(storage), reads: () => reads };
};

const notes = (from: number, many: number, text = '') =>
  Array.from({ length: many }, (_, at) => createNote(`k${from + at}`, { text }));

describe('many rejected changesets', () => {
  it('field report E-2: are sent one after the other, each with its server state, which is read when it is sent', () => {
    const { storage, reads } = counting();
    const { client, server } = bindToPermitServer(() => true, storage, { limits: { operationsMax: 5 } });
    storage.hold();
    sendTransactions(client, 1, notes(0, 1));
    client.received();
    const readsAtAnswer: number[] = [];
    const other = connect(server.wire, (message) => {
      if (message.type === 'refused') readsAtAnswer.push(reads());
      return [];
    });
    other.send(createBind({ replica: 'other' }));
    sendTransactions(other, 1, notes(100, 20));
    sendTransactions(other, 2, notes(200, 20));
    sendTransactions(other, 3, notes(300, 20));
    storage.release();
    const before = (readsAtAnswer[0] ?? 0) - 20;
    expect(readsAtAnswer.map((count) => count - before)).toEqual([20, 40, 60]);
    expect(summariesOf(other).slice(-4)).toEqual(['refused 1', 'refused 2', 'refused 3', 'accepted 3']);
  });

  it('field report E-2: fill a batch as those that are taken do', () => {
    const storage = createFaultyStorage();
    const { client } = bindToPermitServer(() => true, storage, { limits: { operationsMax: 5 } });
    const large = notes(0, 20, 'x'.repeat(10_000));
    storage.hold();
    sendTransactions(client, 1, notes(0, 1));
    for (let version = 2; version <= 5; version += 1) sendTransactions(client, version, large);
    const before = storage.written();
    storage.release();
    expect(storage.written() - before).toBe(5);
    expect(summariesOf(client).filter((line) => line.startsWith('accepted'))).toEqual(
      [1, 2, 3, 4, 5].map((at) => `accepted ${at}`),
    );
  });

  it('field report E-2: take no memory for their reasons until they are acknowledged', () => {
    const { client } = bindToPermitServer(() => true, createFaultyStorage());
    const withdraw = (version: number) => {
      const objects = Array.from({ length: 100 }, (_, at) => ({
        type: 'Note',
        key: `${version}-${at}`.padEnd(150, 'x'),
      }));
      client.send({ type: 'withdraw', session: 1, version, code: 'too-large', objects });
    };
    for (let version = 1; version <= 50; version += 1) withdraw(version);
    client.received();
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let version = 51; version <= 400; version += 1) {
      withdraw(version);
      client.received();
    }
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
    withdraw(400);
    expect(summariesOf(client)).toEqual(['refused 400', 'accepted 400']);
  });

  it('field report E-2: are thousands, and no deep stack', () => {
    const storage = createFaultyStorage();
    const { client, events } = bindToPermitServer(() => true, storage, { limits: { operationsMax: 5 } });
    storage.hold();
    sendTransactions(client, 1, notes(0, 1));
    sendTransactions(client, 2, notes(0, 20_000));
    sendTransactions(client, 3, ...Array.from({ length: 900 }, (_, at) => notes(at, 6)));
    storage.release();
    const summaries = summariesOf(client);
    expect([summaries[0], summaries.at(-1)]).toEqual(['accepted 1', 'accepted 902']);
    expect(summaries.filter((line) => line.startsWith('refused'))).toHaveLength(901);
    expect(events).toEqual([]);
  });
});
