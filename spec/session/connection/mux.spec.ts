import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NEVER } from 'rxjs';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { createMux } from '../../../lib/session/connection/mux.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const mark = (session: number): ServerMessage => ({ type: 'mark', session, request: 1, version: 1 });

describe('a mux', () => {
  it('gives a message to the lane it is for, and to nobody what is for a lane that was left or never was', () => {
    const mux = createMux();
    const said: ClientMessage[] = [];
    mux.outgoing$.subscribe((message) => said.push(message));
    const heard: ServerMessage[] = [];
    const one = mux.openChannel();
    const other = mux.openChannel();
    const talk = one.wire(NEVER).subscribe((message) => heard.push(message));
    other.wire(NEVER).subscribe((message) => heard.push(message));
    [1, 2, 77].forEach((session) => mux.receive(mark(session)));
    talk.unsubscribe();
    mux.receive(mark(1));
    expect(heard).toEqual([mark(1), mark(2)]);
    expect(said).toEqual([{ type: 'unbind', session: 1 }]);
  });

  it('S28 keeps nothing of a session that has left it, however many come and go on one line', async () => {
    const mux = createMux();
    const left = Array.from({ length: 100 }, () => {
      const talk = mux.openChannel().wire(NEVER).subscribe();
      talk.unsubscribe();
      return new WeakRef(talk);
    });
    await new Promise(setImmediate); // What was looked at in one turn is kept to its end.
    collect();
    expect(left.filter((talk) => talk.deref() !== undefined)).toHaveLength(0);
    expect(mux.openChannel().session).toBe(101); // It is still there itself.
  });
});
