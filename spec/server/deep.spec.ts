import { of, Subject, take } from 'rxjs';
import type { Permit } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { bound, create, say } from './permitkit.js';
import { bind, call, faultyStorage, short } from './support.js';

/** Looks the first write up, and has the answers to all others at hand: as a cache does. */
const cached = () => {
  const answer = new Subject<true>();
  let isFirst = true;
  const permit: Permit = () => {
    if (!isFirst) return of(true as const);
    isFirst = false;
    return answer.pipe(take(1));
  };
  return { permit, answer: () => answer.next(true) };
};

describe('a permit that answers at once after it has taken its time', () => {
  it('is asked about a thousand transactions of one page without a deep stack', () => {
    const { permit, answer } = cached();
    const { client, events } = bound(permit);
    say(client, 1, ...Array.from({ length: 1_000 }, (_, at) => [create(`k${at}`, {})]));
    expect(short(client)).toEqual([]);
    answer();
    expect(short(client)).toEqual(['accepted 1000']);
    expect(events).toEqual([]);
  });

  it('is asked about thousands of objects of one transaction without a deep stack', () => {
    const { permit, answer } = cached();
    const { client, events } = bound(permit);
    say(
      client,
      1,
      Array.from({ length: 5_000 }, (_, at) => create(`k${at}`, {})),
    );
    expect(short(client)).toEqual([]);
    answer();
    expect(short(client)).toEqual(['accepted 1']);
    expect(events).toEqual([]);
  });

  it('is asked about the uploads of a thousand devices that share a batch without a deep stack', () => {
    const storage = faultyStorage(memoryStorage());
    const { client, events, server } = bound(() => true, storage);
    const devices = Array.from({ length: 1_000 }, (_, at) => {
      const device = call(server.wire);
      device.say(bind({ replica: `device-${at}` }));
      device.heard();
      return device;
    });
    storage.hold();
    say(client, 1, [create('first', {})]);
    devices.forEach((device, at) => say(device, 1, [create(`k${at}`, {})]));
    storage.letGo();
    for (const device of [client, ...devices]) expect(short(device)).toContain('accepted 1');
    expect(events).toEqual([]);
  });
});
