import { concat, defer, EMPTY, filter, firstValueFrom, ignoreElements, lastValueFrom, map, merge, NEVER } from 'rxjs';
import { type Observable, of, range, switchMap, take, tap, throwError, toArray } from 'rxjs';
import { type Dial, createCloseError, ConnectionError } from '../transport/wire.js';
import { findGlobalRunner, assertSame, type SuiteRunner } from './suite-assertions.js';

/** The far end of one line that was answered. */
export interface DialEnd {
  /** The frames that came, from the first on. */
  readonly received$: Observable<Uint8Array>;
  readonly send: (frame: Uint8Array) => void;
  readonly close: (code: number, text: string) => void;
  /** Cuts the line without a word. */
  readonly kill: () => void;
  /** The close code with which the line ended here: once, also for those who ask later. */
  readonly closed$: Observable<number>;
}

/** Somebody to call, for one test. */
export interface DialCase {
  readonly dial: Dial<Uint8Array, Uint8Array>;
  /** The far end of each call of `dial`, in the turn of the event loop in which it is answered there. Hot. */
  readonly ends$: Observable<DialEnd>;
  /** A call that nobody answers and that is refused at once. */
  readonly rejected: Dial<Uint8Array, Uint8Array>;
  /** A call that is taken and never answered, and how many such calls are held there: the present number, then each. */
  readonly mute: { readonly dial: Dial<Uint8Array, Uint8Array>; readonly held$: Observable<number> };
  /** Resolves when no line is open any more, and everything is put away. */
  readonly close: () => Promise<void>;
  /** Drops everything at once: after a test that failed. */
  readonly drop: () => void;
}

type RunTest = (title: string, test: (one: DialCase) => Promise<void>) => void;

const framesCount = 10_000;
const frameBytesLarge = 4 * 1024 * 1024;

const encodeNumber = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);
const decodeNumber = (frame: Uint8Array): number => ((frame[0] ?? 0) << 8) | (frame[1] ?? 0);

const connectAndSend = ({ dial }: DialCase, said$: Observable<Uint8Array> = NEVER): Observable<Uint8Array> =>
  dial.pipe(
    switchMap((wire) =>
      concat(
        wire(said$),
        throwError(() => new Error('completed')),
      ),
    ),
  );

/** A call, with the far end doing something from the moment it answers. */
const connectWith = <A>(
  one: DialCase,
  call$: Observable<A>,
  doing: (end: DialEnd) => Observable<unknown>,
): Observable<A> => merge(one.ends$.pipe(take(1), switchMap(doing), ignoreElements()), call$);

const runAction = (act: () => void): Observable<never> =>
  defer(() => {
    act();
    return EMPTY;
  });

const echoFrames = (end: DialEnd): Observable<unknown> => end.received$.pipe(tap((frame) => end.send(frame)));

/** How a call or its line ended: kind, code and text of its `ConnectionError`, or else its error in words. */
const endOf = (call$: Observable<unknown>): Promise<readonly unknown[]> =>
  lastValueFrom(call$.pipe(ignoreElements())).catch((thrown: unknown) => {
    if (!(thrown instanceof ConnectionError)) return [String(thrown)];
    const { failure } = thrown;
    return failure.kind === 'closed' ? [failure.kind, failure.code, failure.text] : [failure.kind, failure.detail];
  });

/**
 * What every dial has to do, against a real far end; each test makes a case of its own and closes it. `runner` is given
 * where `describe`, `it` and `afterEach` are no globals.
 */
export const dialSuite = (
  name: string,
  make: () => Promise<DialCase>,
  { describe, it, afterEach }: SuiteRunner = findGlobalRunner(),
): void => {
  let drop = (): void => undefined;
  const tested: RunTest = (title, test) =>
    it(title, async () => {
      const one = await make();
      drop = one.drop;
      await test(one);
      await one.close();
    });
  describe(`a dial: ${name}`, () => {
    afterEach(() => drop());
    testCarrying(tested);
    testFailing(tested);
    testClosing(tested);
  });
};

const testCarrying = (tested: RunTest): void => {
  tested('emits one wire for each subscription', async (one) => {
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
    assertSame('wires, and far ends', [wires.length, ends.size], [2, 2]);
  });

  tested('misses nothing that the far end says as soon as it answers, as plain bytes', async (one) => {
    const call$ = connectWith(one, connectAndSend(one), (end) => runAction(() => end.send(encodeNumber(7))));
    const frame = await firstValueFrom(call$);
    assertSame('frame, and plain', [[...frame], Object.getPrototypeOf(frame) === Uint8Array.prototype], [[0, 7], true]);
  });

  tested(`says and hears ${framesCount} small frames in order`, async (one) => {
    const said$ = concat(range(0, framesCount).pipe(map(encodeNumber)), NEVER);
    const heard$ = connectWith(one, connectAndSend(one, said$), echoFrames).pipe(
      take(framesCount),
      map(decodeNumber),
      toArray(),
    );
    const heard = await firstValueFrom(heard$);
    assertSame('frames', heard.length, framesCount);
    assertSame(
      'out of order',
      heard.filter((n, place) => n !== place),
      [],
    );
  });

  tested('carries a frame of four megabytes both ways', async (one) => {
    const large = new Uint8Array(frameBytesLarge).map((_, place) => place * 31);
    const heard = await firstValueFrom(connectWith(one, connectAndSend(one, concat(of(large), NEVER)), echoFrames));
    assertSame('bytes', heard.byteLength, frameBytesLarge);
    assertSame(
      'the same bytes',
      heard.every((byte, place) => byte === large[place]),
      true,
    );
  });
};

const testFailing = (tested: RunTest): void => {
  tested('errors as unreachable when it is refused, and says more than nothing', async (one) => {
    const [kind, detail] = await endOf(one.rejected);
    assertSame('kind, and a detail', [kind, typeof detail === 'string' && detail.length > 0], ['unreachable', true]);
  });

  tested('errors with the code and the text with which the far end hangs up', async (one) => {
    const call$ = connectWith(one, connectAndSend(one), (end) => runAction(() => end.close(4400, 'no such thing: ü')));
    assertSame('end', await endOf(call$), ['closed', 4400, 'no such thing: ü']);
  });

  tested('completes when the far end hangs up without a word', async (one) => {
    const call$ = connectWith(one, connectAndSend(one), (end) => runAction(() => end.close(1000, '')));
    assertSame('end', await endOf(call$), ['Error: completed']);
  });

  tested('errors with 1006 when the line is cut', async (one) => {
    const [kind, code] = await endOf(connectWith(one, connectAndSend(one), (end) => runAction(end.kill)));
    assertSame('end', [kind, code], ['closed', 1006]);
  });

  tested('errors with what is wrong with what is said, and the far end is told', async (one) => {
    const said$ = concat(
      of(encodeNumber(1)),
      throwError(() => createCloseError(4499, 'enough')),
    );
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    assertSame('end', await endOf(connectAndSend(one, said$)), ['closed', 4499, 'enough']);
    assertSame('code at the far end', await closed, 4499);
  });
};

const testClosing = (tested: RunTest): void => {
  tested('leaves nothing behind when let go of before it was answered', async (one) => {
    const { dial, held$ } = one.mute;
    const taken$ = held$.pipe(filter((held) => held === 1));
    await firstValueFrom(merge(dial.pipe(ignoreElements()), taken$));
    await firstValueFrom(held$.pipe(filter((held) => held === 0)));
  });

  tested('leaves nothing behind when let go of at once, a hundred times', async (one) => {
    for (let times = 0; times < 100; times += 1) await firstValueFrom(merge(one.dial, of('let go')));
  });

  tested('hangs up with 1000 when let go of as soon as it is answered', async (one) => {
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    await firstValueFrom(one.dial);
    assertSame('code at the far end', await closed, 1000);
  });

  tested('hangs up with 1000 when let go of in the middle of a talk', async (one) => {
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    await firstValueFrom(connectWith(one, connectAndSend(one, of(encodeNumber(1))), echoFrames));
    assertSame('code at the far end', await closed, 1000);
  });

  tested('hangs up with 1000 when only what is heard is let go of', async (one) => {
    const once$ = one.dial.pipe(switchMap((wire) => concat(wire(of(encodeNumber(1))).pipe(take(1)), NEVER)));
    const closed$ = one.ends$.pipe(switchMap((end) => merge(echoFrames(end).pipe(ignoreElements()), end.closed$)));
    assertSame('code at the far end', await firstValueFrom(merge(once$.pipe(ignoreElements()), closed$)), 1000);
  });
};
