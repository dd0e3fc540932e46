import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defer } from 'rxjs';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { bound, create, say } from './permitkit.js';
import { bind, call, faultyStorage, short } from './support.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A storage that counts the objects that are read. */
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
  return { storage: faultyStorage(storage), reads: () => reads };
};

const notes = (from: number, many: number, text = '') =>
  Array.from({ length: many }, (_, at) => create(`k${from + at}`, { text }));

describe('many changesets that are refused', () => {
  it('field report E2: are told one after the other, each with what stands instead of it, which is read when it is told', () => {
    const { storage, reads } = counting();
    const { client, server } = bound(() => true, storage, { limits: { operationsMax: 5 } });
    storage.hold();
    say(client, 1, notes(0, 1));
    client.heard();
    const readsWhenTold: number[] = [];
    const other = call(server.wire, (message) => {
      if (message.type === 'refused') readsWhenTold.push(reads());
      return [];
    });
    other.say(bind({ replica: 'other' }));
    say(other, 1, notes(100, 20));
    say(other, 2, notes(200, 20));
    say(other, 3, notes(300, 20));
    storage.letGo();
    const before = (readsWhenTold[0] ?? 0) - 20;
    expect(readsWhenTold.map((count) => count - before)).toEqual([20, 40, 60]);
    expect(short(other).slice(-4)).toEqual(['refused 1', 'refused 2', 'refused 3', 'accepted 3']);
  });

  it('field report E2: fill a batch as those that are taken do', () => {
    const storage = faultyStorage();
    const { client } = bound(() => true, storage, { limits: { operationsMax: 5 } });
    const large = notes(0, 20, 'x'.repeat(10_000));
    storage.hold();
    say(client, 1, notes(0, 1));
    for (let version = 2; version <= 5; version += 1) say(client, version, large);
    const before = storage.written();
    storage.letGo();
    expect(storage.written() - before).toBe(5);
    expect(short(client).filter((line) => line.startsWith('accepted'))).toEqual(
      [1, 2, 3, 4, 5].map((at) => `accepted ${at}`),
    );
  });

  it('field report E2: take no memory for their reasons until they are acknowledged', () => {
    const { client } = bound(() => true, faultyStorage());
    const withdraw = (version: number) => {
      const objects = Array.from({ length: 100 }, (_, at) => ({
        type: 'Note',
        key: `${version}-${at}`.padEnd(150, 'x'),
      }));
      client.say({ type: 'withdraw', session: 1, version, code: 'too-large', objects });
    };
    for (let version = 1; version <= 50; version += 1) withdraw(version);
    client.heard();
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let version = 51; version <= 400; version += 1) {
      withdraw(version);
      client.heard();
    }
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
    withdraw(400);
    expect(short(client)).toEqual(['refused 400', 'accepted 400']);
  });

  it('field report E2: are thousands, and no deep stack', () => {
    const storage = faultyStorage();
    const { client, events } = bound(() => true, storage, { limits: { operationsMax: 5 } });
    storage.hold();
    say(client, 1, notes(0, 1));
    say(client, 2, notes(0, 20_000));
    say(client, 3, ...Array.from({ length: 900 }, (_, at) => notes(at, 6)));
    storage.letGo();
    const said = short(client);
    expect([said[0], said.at(-1)]).toEqual(['accepted 1', 'accepted 902']);
    expect(said.filter((line) => line.startsWith('refused'))).toHaveLength(901);
    expect(events).toEqual([]);
  });
});
