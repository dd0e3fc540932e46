import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { createMux } from '../../../lib/session/connection/mux.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const mark = (session: number): ServerMessage => ({ type: 'mark', session, request: 1, version: 1 });

describe('a mux', () => {
  it('delivers a message to its channel, and drops messages for closed or unknown channels', () => {
    const mux = createMux();
    const sent: ClientMessage[] = [];
    mux.outgoing$.subscribe((message) => sent.push(message));
    const calls: number[] = [];
    const one = mux.openChannel();
    const other = mux.openChannel();
    one.read({ onMessage: () => calls.push(1) });
    other.read({ onMessage: () => calls.push(2) });
    [1, 2, 77].forEach((session) => mux.receive(mark(session)));
    one.close();
    one.close();
    mux.receive(mark(1));
    one.send({ type: 'mark', session: 1, request: 1 });
    expect(calls).toEqual([1, 2]);
    expect([one.inbox, other.inbox]).toEqual([[mark(1)], [mark(2)]]);
    expect([one.received, other.received]).toEqual([1, 1]);
    expect(sent).toEqual([{ type: 'unbind', session: 1 }]);
  });

  it('S28 keeps nothing of a session that has left it, however many come and go on one connection', async () => {
    const mux = createMux();
    const left = Array.from({ length: 100 }, () => {
      const channel = mux.openChannel();
      channel.read({ onMessage: () => undefined });
      channel.close();
      return new WeakRef(channel);
    });
    await new Promise(setImmediate); // An object that was read in an event-loop turn is kept until its end.
    collect();
    expect(left.filter((channel) => channel.deref() !== undefined)).toHaveLength(0);
    expect(mux.openChannel().session).toBe(101); // The object itself is still referenced.
  });
});
