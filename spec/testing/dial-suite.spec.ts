import { bufferCount, catchError, concat, concatMap, defer, EMPTY, filter, from, map, Observable, of } from 'rxjs';
import { skipUntil, throwError } from 'rxjs';
import { dialSuite, type DialCase, type DialEnd } from '../../lib/testing/index.js';
import { createCloseError, ConnectionError } from '../../lib/transport/wire.js';
import { createWebSocketCase } from '../transport/test-kit.js';
import { createMemoryDialCase, type FrameWire } from './dial-case.js';
import { failureTextOf, failureTextsOf, hangsText, titlesOf, type Suite } from './suite-complaints.js';

/** The members that a defect replaces in a dial case. */
type Wrong = (one: DialCase) => Partial<DialCase>;

const suiteOf =
  (wrong: Wrong): Suite =>
  (runner) =>
    dialSuite(
      'mine',
      () => {
        const one = createMemoryDialCase();
        return Promise.resolve({ ...one, ...wrong(one) });
      },
      runner,
    );

/** A stream that ignores unsubscribing. */
const leaking = <A>(stream: Observable<A>): Observable<A> =>
  new Observable((to) => {
    stream.subscribe({
      next: (value) => to.next(value),
      error: (thrown: unknown) => to.error(thrown),
      complete: () => to.complete(),
    });
  });

/** Changes the wires of connections to introduce a defect. */
const onWires =
  (change: (wire: FrameWire) => FrameWire): Wrong =>
  ({ dial }) => ({ dial: dial.pipe(map(change)) });

const onReceived = (change: (received: Observable<Uint8Array>) => Observable<Uint8Array>): Wrong =>
  onWires((wire) => (sent) => change(wire(sent)));

/** Changes what the server ends observe. */
const onEnds =
  (change: (end: DialEnd) => Partial<DialEnd>): Wrong =>
  ({ ends$ }) => ({ ends$: ends$.pipe(map((end) => ({ ...end, ...change(end) }))) });

const closedWith = (code: number): Wrong => onEnds(({ closed$ }) => ({ closed$: closed$.pipe(map(() => code)) }));

const turned = (frames: readonly Uint8Array[]): Uint8Array[] => [...frames].reverse();

const completing = (received: Observable<Uint8Array>) => received.pipe(catchError(() => EMPTY));

const failWith = (failure: ConnectionError['failure']): Wrong => {
  return () => ({ rejected: throwError(() => new ConnectionError(failure)) });
};

const wrongs: readonly (readonly [what: string, wrong: Wrong, title: string, complaint: string])[] = [
  [
    'emits its wire twice',
    ({ dial }) => ({ dial: dial.pipe(concatMap((wire) => of(wire, wire))) }),
    'emits one wire for each subscription',
    'the numbers of wires and of far ends must be [2,2], received [4,2]',
  ],
  [
    'connects once for all subscribers',
    ({ dial }) => {
      let first: FrameWire | null = null;
      const kept$ = dial.pipe(map((wire) => (first ??= wire)));
      return { dial: defer(() => (first ? of(first) : kept$)) };
    },
    'emits one wire for each subscription',
    'the numbers of wires and of far ends must be [2,2], received [2,1]',
  ],
  [
    'loses the first frames',
    onReceived((received) => received.pipe(skipUntil(defer(() => Promise.resolve())))),
    'receives all frames that the far end sends as soon as it answers, as plain bytes',
    hangsText,
  ],
  [
    'emits the buffers of its platform',
    onReceived((received) => received.pipe(map((frame) => Buffer.from(frame)))),
    'receives all frames that the far end sends as soon as it answers, as plain bytes',
    'the frame, and whether it is a plain Uint8Array, must be [[0,7],true], received [[0,7],false]',
  ],
  [
    'loses a frame',
    onReceived((received) => received.pipe(filter((_, index) => index !== 5_000))),
    'sends and receives 10000 small frames in order',
    hangsText,
  ],
  [
    'reorders frames',
    onReceived((received) =>
      received.pipe(
        bufferCount(2),
        concatMap((both) => from(turned(both))),
      ),
    ),
    'sends and receives 10000 small frames in order',
    'the list of frames out of order must be []',
  ],
  [
    'truncates large frames',
    onReceived((received) => received.pipe(map((frame) => frame.slice(0, 65_536)))),
    'carries a frame of four megabytes both ways',
    'the number of bytes must be 4194304, received 65536',
  ],
  [
    'changes the bytes of large frames',
    onReceived((received) => received.pipe(map((frame) => frame.map((byte, offset) => (offset < 65_536 ? byte : 0))))),
    'carries a frame of four megabytes both ways',
    'the equality of the bytes must be true, received false',
  ],
  [
    'reports a rejected connection as closed',
    failWith({ kind: 'closed', code: 1006, text: '' }),
    'errors as unreachable, with a detail, when the connection is rejected',
    'the kind of the failure, and whether it has a detail, must be ["unreachable",true], received ["closed",false]',
  ],
  [
    'reports a rejected connection without a detail',
    failWith({ kind: 'unreachable', detail: '' }),
    'errors as unreachable, with a detail, when the connection is rejected',
    'the kind of the failure, and whether it has a detail, must be ["unreachable",true], received ["unreachable",false]',
  ],
  [
    'does not report a rejected connection',
    () => ({ rejected: EMPTY }),
    'errors as unreachable, with a detail, when the connection is rejected',
    'the kind of the failure, and whether it has a detail, must be',
  ],
  [
    'loses the text of a close',
    onReceived((received) => received.pipe(catchError(() => throwError(() => createCloseError(4400, ''))))),
    'errors with the code and the text with which the far end closes',
    'end must be ["closed",4400,"no such thing: ü"], received ["closed",4400,""]',
  ],
  [
    'completes for every close',
    onReceived(completing),
    'errors with the code and the text with which the far end closes',
    'end must be ["closed",4400,"no such thing: ü"], received ["Error: completed"]',
  ],
  [
    'errors for a close without a code',
    onReceived((received) =>
      concat(
        received,
        throwError(() => createCloseError(1000, '')),
      ),
    ),
    'completes when the far end closes without a code',
    'end must be ["Error: completed"], received ["closed",1000,""]',
  ],
  [
    'completes when the connection is cut',
    onReceived(completing),
    'errors with 1006 when the connection is cut',
    'end must be ["closed",1006]',
  ],
  [
    'does not notice that the connection is cut',
    onEnds(() => ({ kill: () => undefined })),
    'errors with 1006 when the connection is cut',
    hangsText,
  ],
  [
    'ignores the error of the sent stream',
    onWires((wire) => (sent) => wire(sent.pipe(catchError(() => EMPTY)))),
    'errors with the error of the sent stream, and sends its code to the far end',
    hangsText,
  ],
  [
    'does not send the error code of the sent stream',
    closedWith(1000),
    'errors with the error of the sent stream, and sends its code to the far end',
    'code at the far end must be 4499, received 1000',
  ],
  [
    'replaces the error of the sent stream',
    onReceived((received) => received.pipe(catchError(() => throwError(() => createCloseError(4500, 'failed'))))),
    'errors with the error of the sent stream, and sends its code to the far end',
    'end must be ["closed",4499,"enough"], received ["closed",4500,"failed"]',
  ],
  [
    'continues a connection attempt after unsubscribing',
    ({ mute }) => ({ mute: { ...mute, dial: leaking(mute.dial) } }),
    'leaves no connection when unsubscribed before the far end answers',
    hangsText,
  ],
  [
    'opens a connection after unsubscribing',
    ({ dial }) => ({ dial: leaking(dial) }),
    'leaves no connection when unsubscribed immediately, a hundred times',
    hangsText,
  ],
  [
    'closes without a code when unsubscribed after the answer',
    closedWith(1006),
    'closes with 1000 when unsubscribed as soon as the far end answers',
    'code at the far end must be 1000, received 1006',
  ],
  [
    'keeps the connection when only the dial is unsubscribed',
    ({ dial }) => ({ dial: leaking(dial) }),
    'closes with 1000 when unsubscribed as soon as the far end answers',
    hangsText,
  ],
  [
    'closes without a code when unsubscribed between two frames',
    closedWith(1005),
    'closes with 1000 when unsubscribed between two frames',
    'code at the far end must be 1000, received 1005',
  ],
  [
    'keeps the connection when unsubscribed between two frames',
    ({ dial }) => ({ dial: leaking(dial.pipe(map((wire) => (sent) => leaking(wire(sent))))) }),
    'closes with 1000 when unsubscribed between two frames',
    hangsText,
  ],
  [
    'keeps the connection until the dial is unsubscribed as well',
    onWires((wire) => (sent) => leaking(wire(sent))),
    'closes with 1000 when only the received stream is unsubscribed',
    hangsText,
  ],
  [
    'closes without a code when only the received stream is unsubscribed',
    closedWith(1006),
    'closes with 1000 when only the received stream is unsubscribed',
    'code at the far end must be 1000, received 1006',
  ],
];

describe('the suite of dials', () => {
  const right: Suite = suiteOf(() => ({}));

  it('finds nothing wrong with a correct dial', async () => {
    expect(await failureTextsOf(right)).toEqual({});
  });

  it('finds nothing wrong with a dial of real sockets', async () => {
    expect(await failureTextsOf((runner) => dialSuite('sockets', () => createWebSocketCase(), runner))).toEqual({});
  });

  it.each(wrongs)('finds one that %s', async (_, wrong, title, complaint) => {
    // All of it happens within a few event-loop turns, so that a test that hangs can be detected soon.
    const msMax = complaint === hangsText ? 500 : 10_000;
    expect(await failureTextOf(suiteOf(wrong), title, msMax)).toContain(complaint);
  });

  it('has no test without a defect that it finds', () => {
    expect(new Set(wrongs.map(([, , title]) => title))).toEqual(new Set(titlesOf(right)));
  });
});
