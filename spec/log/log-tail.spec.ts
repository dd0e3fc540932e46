import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLogTail } from '../../lib/log/log-tail.js';
import { nextTurn } from '../client/test-kit.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface Entry {
  readonly version: number;
  readonly body: Uint8Array;
}

describe('the newest entries of a log', () => {
  it('field report E-2: release the bytes of removed entries, even of a few', async () => {
    const tail = createLogTail<Entry>({ after: 0, sizeOf: ({ body }) => body.byteLength, bytesMax: 4_096 });
    const bodies: WeakRef<Uint8Array>[] = [];
    for (let version = 1; version <= 20; version += 1) {
      const body = new Uint8Array(1_024);
      bodies.push(new WeakRef(body));
      tail.push([{ version, body }]);
    }
    await nextTurn(); // An object that was referenced in this event-loop turn is kept until the end of the turn.
    collect();
    expect(bodies.filter((body) => body.deref() !== undefined)).toHaveLength(4);
    expect(tail.since(16)?.map(({ version }) => version)).toEqual([17, 18, 19, 20]);
    expect([tail.since(15), tail.page(15)]).toEqual([undefined, undefined]);
    expect(tail.page(18)?.upTo).toBe(20);
    tail.forget(19);
    expect(tail.since(19)?.map(({ version }) => version)).toEqual([20]);
  });
});
