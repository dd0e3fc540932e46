import { of, Subject, take } from 'rxjs';
import type { Permit } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { bindToPermitServer, createNote, sendTransactions } from '../permit-kit.js';
import { createBind, connect, createFaultyStorage, summariesOf } from '../test-kit.js';

/** Creates a `permit` function that answers the first write asynchronously and the others from a cache. */
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
    const { client, events } = bindToPermitServer(permit);
    sendTransactions(client, 1, ...Array.from({ length: 1_000 }, (_, at) => [createNote(`k${at}`, {})]));
    expect(summariesOf(client)).toEqual([]);
    answer();
    expect(summariesOf(client)).toEqual(['accepted 1000']);
    expect(events).toEqual([]);
  });

  it('is asked about thousands of objects of one transaction without a deep stack', () => {
    const { permit, answer } = cached();
    const { client, events } = bindToPermitServer(permit);
    sendTransactions(
      client,
      1,
      Array.from({ length: 5_000 }, (_, at) => createNote(`k${at}`, {})),
    );
    expect(summariesOf(client)).toEqual([]);
    answer();
    expect(summariesOf(client)).toEqual(['accepted 1']);
    expect(events).toEqual([]);
  });

  it('is asked about the uploads of a thousand devices that share a batch without a deep stack', () => {
    const storage = createFaultyStorage(memoryStorage());
    const { client, events, server } = bindToPermitServer(() => true, storage);
    const devices = Array.from({ length: 1_000 }, (_, at) => {
      const device = connect(server.wire);
      device.send(createBind({ replica: `device-${at}` }));
      device.received();
      return device;
    });
    storage.hold();
    sendTransactions(client, 1, [createNote('first', {})]);
    devices.forEach((device, at) => sendTransactions(device, 1, [createNote(`k${at}`, {})]));
    storage.release();
    for (const device of [client, ...devices]) expect(summariesOf(device)).toContain('accepted 1');
    expect(events).toEqual([]);
  });
});
