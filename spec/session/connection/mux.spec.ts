import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NEVER } from 'rxjs';
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
    const received: ServerMessage[] = [];
    const one = mux.openChannel();
    const other = mux.openChannel();
    const subscription = one.wire(NEVER).subscribe((message) => received.push(message));
    other.wire(NEVER).subscribe((message) => received.push(message));
    [1, 2, 77].forEach((session) => mux.receive(mark(session)));
    subscription.unsubscribe();
    mux.receive(mark(1));
    expect(received).toEqual([mark(1), mark(2)]);
    expect(sent).toEqual([{ type: 'unbind', session: 1 }]);
  });

  it('S28 keeps nothing of a session that has left it, however many come and go on one connection', async () => {
    const mux = createMux();
    const left = Array.from({ length: 100 }, () => {
      const subscription = mux.openChannel().wire(NEVER).subscribe();
      subscription.unsubscribe();
      return new WeakRef(subscription);
    });
    await new Promise(setImmediate); // An object that was read in an event-loop turn is kept until its end.
    collect();
    expect(left.filter((subscription) => subscription.deref() !== undefined)).toHaveLength(0);
    expect(mux.openChannel().session).toBe(101); // The object itself is still referenced.
  });
});
