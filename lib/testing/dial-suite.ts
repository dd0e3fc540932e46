import { concat, filter, firstValueFrom, ignoreElements, lastValueFrom, map, merge, NEVER } from 'rxjs';
import { type Observable, of, range, switchMap, take, tap, throwError, toArray } from 'rxjs';
import { runAction } from '../model/operators.js';
import { type Dial, createCloseError, ConnectionError } from '../transport/wire.js';
import { findGlobalRunner, assertSame, type SuiteRunner } from './suite-assertions.js';

/**
 * The far end of one connection.
 *
 * @example
 * ```ts
 * end.received$.subscribe((frame) => end.send(frame));
 * ```
 */
export interface DialEnd {
  /**
   * The received frames. Hot. Replays all frames from the first on, then emits each frame when it arrives. Need not
   * complete. Never errors. Each value is one frame.
   */
  readonly received$: Observable<Uint8Array>;
  /**
   * Sends a frame.
   *
   * @param frame - The bytes of the frame.
   */
  readonly send: (frame: Uint8Array) => void;
  /**
   * Closes the connection with a close frame.
   *
   * @param code - The close code.
   * @param text - The reason.
   */
  readonly close: (code: number, text: string) => void;
  /** Cuts the connection without a close frame. */
  readonly kill: () => void;
  /**
   * The end of the connection at the far end. Hot. Emits once, and replays the value. Need not complete. Never errors.
   * The value is the close code.
   */
  readonly closed$: Observable<number>;
}

/**
 * A dial and its far end, for one test of `dialSuite`.
 *
 * @see {@link dialSuite}
 */
export interface DialCase {
  /** The tested dial. Cold, emits, never completes and errors as {@link Dial} says. */
  readonly dial: Dial<Uint8Array, Uint8Array>;
  /**
   * The far ends of the connections of `dial`. Hot. Emits each far end in the event-loop turn in which it accepts its
   * connection. Need not complete. Never errors. Each value is one far end.
   */
  readonly ends$: Observable<DialEnd>;
  /** A dial whose connection attempts are rejected immediately. Cold. Emits nothing, never completes, and errors. */
  readonly rejected: Dial<Uint8Array, Uint8Array>;
  /**
   * A dial whose connection attempts are accepted and never answered.
   *
   * `held$` observes the number of these attempts that its far end holds open. Hot. Emits the present number on
   * subscription, then every change. Need not complete. Never errors. Each value is a count of attempts.
   */
  readonly mute: { readonly dial: Dial<Uint8Array, Uint8Array>; readonly held$: Observable<number> };
  /**
   * Releases everything after a test that passed.
   *
   * @returns A promise that resolves when no connection is open and everything is released.
   */
  readonly close: () => Promise<void>;
  /** Releases everything immediately, after a failed test. */
  readonly abort: () => void;
}

type RunTest = (title: string, test: (one: DialCase) => Promise<void>) => void;

const framesCount = 10_000;
const frameBytesLarge = 4 * 1024 * 1024;

const encodeNumber = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);
const decodeNumber = (frame: Uint8Array): number => ((frame[0] ?? 0) << 8) | (frame[1] ?? 0);

const connectAndSend = ({ dial }: DialCase, sent$: Observable<Uint8Array> = NEVER): Observable<Uint8Array> =>
  dial.pipe(
    switchMap((wire) =>
      concat(
        wire(sent$),
        throwError(() => new Error('completed')),
      ),
    ),
  );

/** A connection attempt, with an action of the far end as soon as it accepts. */
const connectWith = <A>(
  one: DialCase,
  call$: Observable<A>,
  act: (end: DialEnd) => Observable<unknown>,
): Observable<A> => merge(one.ends$.pipe(take(1), switchMap(act), ignoreElements()), call$);

const echoFrames = (end: DialEnd): Observable<unknown> => end.received$.pipe(tap((frame) => end.send(frame)));

/**
 * The end of a connection or an attempt: kind, code and text of its `ConnectionError`, or the text of another error.
 */
const endOf = (call$: Observable<unknown>): Promise<readonly unknown[]> =>
  lastValueFrom(call$.pipe(ignoreElements())).catch((thrown: unknown) => {
    if (!(thrown instanceof ConnectionError)) return [String(thrown)];
    const { failure } = thrown;
    return failure.kind === 'closed' ? [failure.kind, failure.code, failure.text] : [failure.kind, failure.detail];
  });

/**
 * Tests a dial against a real far end. Every dial must pass this suite.
 *
 * @param name - The name of the dial, for the title of the suite.
 * @param make - Creates the dial and its far end for each test.
 * @param runner - `describe`, `it` and `afterEach`; by default the global ones.
 * @throws InvalidArgumentError without a runner.
 *
 * @example
 * ```ts
 * dialSuite('of sockets', () => createSocketCase());
 * ```
 */
export const dialSuite = (
  name: string,
  make: () => Promise<DialCase>,
  { describe, it, afterEach }: SuiteRunner = findGlobalRunner(),
): void => {
  let abort = (): void => undefined;
  const runTest: RunTest = (title, test) =>
    it(title, async () => {
      const one = await make();
      abort = one.abort;
      await test(one);
      await one.close();
    });
  describe(`a dial: ${name}`, () => {
    afterEach(() => abort());
    testCarrying(runTest);
    testFailing(runTest);
    testClosing(runTest);
  });
};

const testCarrying = (runTest: RunTest): void => {
  runTest('emits one wire for each subscription', async (one) => {
    const wires: unknown[] = [];
    const ends = new Set<DialEnd>();
    const call$ = one.dial.pipe(
      tap((wire) => wires.push(wire)),
      switchMap((wire) => wire(of(encodeNumber(1)))),
    );
    for (let times = 0; times < 2; times += 1)
      await firstValueFrom(
        connectWith(one, call$, (end) =>
          merge(
            runAction(() => ends.add(end)),
            echoFrames(end),
          ),
        ),
      );
    assertSame('the numbers of wires and of far ends', [wires.length, ends.size], [2, 2]);
  });

  runTest('receives all frames that the far end sends as soon as it answers, as plain bytes', async (one) => {
    const call$ = connectWith(one, connectAndSend(one), (end) => runAction(() => end.send(encodeNumber(7))));
    const frame = await firstValueFrom(call$);
    assertSame(
      'the frame, and whether it is a plain Uint8Array,',
      [[...frame], Object.getPrototypeOf(frame) === Uint8Array.prototype],
      [[0, 7], true],
    );
  });

  runTest(`sends and receives ${framesCount} small frames in order`, async (one) => {
    const sent$ = concat(range(0, framesCount).pipe(map(encodeNumber)), NEVER);
    const received$ = connectWith(one, connectAndSend(one, sent$), echoFrames).pipe(
      take(framesCount),
      map(decodeNumber),
      toArray(),
    );
    const received = await firstValueFrom(received$);
    assertSame('the number of frames', received.length, framesCount);
    assertSame(
      'the list of frames out of order',
      received.filter((n, index) => n !== index),
      [],
    );
  });

  runTest('carries a frame of four megabytes both ways', async (one) => {
    const large = new Uint8Array(frameBytesLarge).map((_, index) => index * 31);
    const received = await firstValueFrom(connectWith(one, connectAndSend(one, concat(of(large), NEVER)), echoFrames));
    assertSame('the number of bytes', received.byteLength, frameBytesLarge);
    assertSame(
      'the equality of the bytes',
      received.every((byte, index) => byte === large[index]),
      true,
    );
  });
};

const testFailing = (runTest: RunTest): void => {
  runTest('errors as unreachable, with a detail, when the connection is rejected', async (one) => {
    const [kind, detail] = await endOf(one.rejected);
    assertSame(
      'the kind of the failure, and whether it has a detail,',
      [kind, typeof detail === 'string' && detail.length > 0],
      ['unreachable', true],
    );
  });

  runTest('errors with the code and the text with which the far end closes', async (one) => {
    const call$ = connectWith(one, connectAndSend(one), (end) => runAction(() => end.close(4400, 'no such thing: ü')));
    assertSame('end', await endOf(call$), ['closed', 4400, 'no such thing: ü']);
  });

  runTest('completes when the far end closes without a code', async (one) => {
    const call$ = connectWith(one, connectAndSend(one), (end) => runAction(() => end.close(1000, '')));
    assertSame('end', await endOf(call$), ['Error: completed']);
  });

  runTest('errors with 1006 when the connection is cut', async (one) => {
    const [kind, code] = await endOf(connectWith(one, connectAndSend(one), (end) => runAction(end.kill)));
    assertSame('end', [kind, code], ['closed', 1006]);
  });

  runTest('errors with the error of the sent stream, and sends its code to the far end', async (one) => {
    const sent$ = concat(
      of(encodeNumber(1)),
      throwError(() => createCloseError(4499, 'enough')),
    );
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    assertSame('end', await endOf(connectAndSend(one, sent$)), ['closed', 4499, 'enough']);
    assertSame('code at the far end', await closed, 4499);
  });
};

const testClosing = (runTest: RunTest): void => {
  runTest('leaves no connection when unsubscribed before the far end answers', async (one) => {
    const { dial, held$ } = one.mute;
    const taken$ = held$.pipe(filter((held) => held === 1));
    await firstValueFrom(merge(dial.pipe(ignoreElements()), taken$));
    await firstValueFrom(held$.pipe(filter((held) => held === 0)));
  });

  runTest('leaves no connection when unsubscribed immediately, a hundred times', async (one) => {
    for (let times = 0; times < 100; times += 1) await firstValueFrom(merge(one.dial, of('unsubscribe')));
  });

  runTest('closes with 1000 when unsubscribed as soon as the far end answers', async (one) => {
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    await firstValueFrom(one.dial);
    assertSame('code at the far end', await closed, 1000);
  });

  runTest('closes with 1000 when unsubscribed between two frames', async (one) => {
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    await firstValueFrom(connectWith(one, connectAndSend(one, of(encodeNumber(1))), echoFrames));
    assertSame('code at the far end', await closed, 1000);
  });

  runTest('closes with 1000 when only the received stream is unsubscribed', async (one) => {
    const once$ = one.dial.pipe(switchMap((wire) => concat(wire(of(encodeNumber(1))).pipe(take(1)), NEVER)));
    const closed$ = one.ends$.pipe(switchMap((end) => merge(echoFrames(end).pipe(ignoreElements()), end.closed$)));
    assertSame('code at the far end', await firstValueFrom(merge(once$.pipe(ignoreElements()), closed$)), 1000);
  });
};
