import { EMPTY, ignoreElements, map, NEVER, of, Subject } from 'rxjs';
import { encodeValue } from '../../lib/model/msgpack.js';
import { decodeServer, encodeClient, encodeServer } from '../../lib/protocol/codec.js';
import { closeCodes, type ClientMessage, type ServerMessage } from '../../lib/protocol/messages.js';
import { clientWire, serverWire } from '../../lib/protocol/message-wire.js';
import { right } from '../../lib/model/result.js';
import { ConnectionError, type Wire } from '../../lib/transport/wire.js';
import { marbles } from '../../lib/testing/marbles.js';

const ping: ClientMessage = { type: 'ping', sentAt: 1 };
const pong: ServerMessage = { type: 'pong', sentAt: 1 };
const ponging: Wire<ClientMessage, ServerMessage> = (sent) =>
  sent.pipe(map((message): ServerMessage => ({ type: 'pong', sentAt: message.type === 'ping' ? message.sentAt : 0 })));

const endOf = (thrown: unknown): unknown => (thrown instanceof ConnectionError ? thrown.failure : thrown);

describe('wires of messages', () => {
  it('send and receive through frames the same messages as without', () => {
    const received: ServerMessage[] = [];
    const sent$ = of<ClientMessage[]>(ping, { type: 'ping', sentAt: 2 });
    clientWire(serverWire(ponging))(sent$).subscribe((message) => received.push(message));
    expect(received).toEqual([pong, { type: 'pong', sentAt: 2 }]);
  });

  it(
    'end with 4400 at the server when a frame is not a message, and unsubscribe from the client',
    marbles((m) => {
      const frames = { a: encodeClient(ping), x: encodeValue([99]) };
      const sent = m.hot('    -a-x-a', frames);
      const served = '        ^--!';
      const expected = '      -a-#';
      const received = serverWire(ponging)(sent).pipe(map(decodeServer));
      const text =
        'frame must be a kind of message: 1 (bind), 2 (upload), 3 (received), 4 (mark), 5 (token), 6 (unbind), 7 (fault), 8 (ping), 9 (fetch), 10 (withdraw), 11 (subscribe), 12 (next), received 99';
      m.expectObservable(received).toBe(
        expected,
        { a: right(pong) },
        new ConnectionError({ kind: 'closed', code: 4400, text }),
      );
      m.expectSubscriptions(sent.subscriptions).toBe(served);
    }),
  );

  it('end with 4400 also when the server has nothing to send', () => {
    const frames = new Subject<Uint8Array>();
    let ended: unknown;
    serverWire((sent) => sent.pipe(ignoreElements()))(frames).subscribe({
      error: (thrown: unknown) => (ended = endOf(thrown)),
    });
    frames.next(Uint8Array.of(0xc1));
    expect(ended).toMatchObject({ kind: 'closed', code: closeCodes.protocolViolation });
  });

  it(
    'end with 4400 at the client when a frame is not a message, and unsubscribe from the connection',
    marbles((m) => {
      const serverFrames = m.hot('-a-x-a', { a: encodeServer(pong), x: encodeClient(ping) });
      const received = clientWire(() => serverFrames)(EMPTY).pipe(map((message) => message.type));
      const text =
        'frame must be a kind of message: 33 (bound), 34 (accepted), 35 (download), 36 (mark), 37 (unbound), 38 (pong), 39 (error), 40 (snapshot), 41 (refused), 42 (part), 43 (copied), 44 (view), 45 (members), 46 (parts), received 8';
      m.expectObservable(received).toBe(
        '-a-#',
        { a: 'pong' },
        new ConnectionError({ kind: 'closed', code: 4400, text }),
      );
      m.expectSubscriptions(serverFrames.subscriptions).toBe('^--!');
    }),
  );

  it(
    'complete when the server does',
    marbles((m) => {
      const server: Wire<ClientMessage, ServerMessage> = () => m.cold('-a|', { a: pong });
      const received = clientWire(serverWire(server))(NEVER);
      m.expectObservable(received).toBe('-a|', { a: pong });
    }),
  );
});
