import { concat, defer, EMPTY, filter, firstValueFrom, ignoreElements, lastValueFrom, map, merge, NEVER } from 'rxjs';
import { type Observable, of, range, switchMap, take, tap, throwError, toArray } from 'rxjs';
import { type Dial, hangUp, LineError } from '../transport/wire.js';
import { globalRunner, same, type SuiteRunner } from './assertions.js';

/** The far end of one line that was answered. */
export interface DialEnd {
  /** The frames that came, from the first on. */
  readonly heard$: Observable<Uint8Array>;
  readonly say: (frame: Uint8Array) => void;
  readonly hangUp: (code: number, text: string) => void;
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
  readonly refused: Dial<Uint8Array, Uint8Array>;
  /** A call that is taken and never answered, and how many such calls are held there: the present number, then each. */
  readonly mute: { readonly dial: Dial<Uint8Array, Uint8Array>; readonly held$: Observable<number> };
  /** Resolves when no line is open any more, and everything is put away. */
  readonly close: () => Promise<void>;
  /** Drops everything at once: after a test that failed. */
  readonly drop: () => void;
}

type Tested = (title: string, test: (one: DialCase) => Promise<void>) => void;

const framesMany = 10_000;
const frameLarge = 4 * 1024 * 1024;

const numbered = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);
const numberIn = (frame: Uint8Array): number => ((frame[0] ?? 0) << 8) | (frame[1] ?? 0);

const talking = ({ dial }: DialCase, said$: Observable<Uint8Array> = NEVER): Observable<Uint8Array> =>
  dial.pipe(
    switchMap((wire) =>
      concat(
        wire(said$),
        throwError(() => new Error('completed')),
      ),
    ),
  );

/** A call, with the far end doing something from the moment it answers. */
const meeting = <A>(one: DialCase, call$: Observable<A>, doing: (end: DialEnd) => Observable<unknown>): Observable<A> =>
  merge(one.ends$.pipe(take(1), switchMap(doing), ignoreElements()), call$);

const doing = (act: () => void): Observable<never> =>
  defer(() => {
    act();
    return EMPTY;
  });

const echoing = (end: DialEnd): Observable<unknown> => end.heard$.pipe(tap((frame) => end.say(frame)));

/** How a call or its line ended: kind, code and text of its `LineError`, or else its error in words. */
const endOf = (call$: Observable<unknown>): Promise<readonly unknown[]> =>
  lastValueFrom(call$.pipe(ignoreElements())).catch((thrown: unknown) => {
    if (!(thrown instanceof LineError)) return [String(thrown)];
    const { failure } = thrown;
    return failure.kind === 'closed' ? [failure.kind, failure.code, failure.text] : [failure.kind, failure.detail];
  });

/**
 * What every dial has to do, against a real far end; each test makes a case of its own and closes it. `runner` is given where `describe`, `it` and
 * `afterEach` are no globals.
 */
export const dialSuite = (
  name: string,
  make: () => Promise<DialCase>,
  { describe, it, afterEach }: SuiteRunner = globalRunner(),
): void => {
  let drop = (): void => undefined;
  const tested: Tested = (title, test) =>
    it(title, async () => {
      const one = await make();
      drop = one.drop;
      await test(one);
      await one.close();
    });
  describe(`a dial: ${name}`, () => {
    afterEach(() => drop());
    carries(tested);
    fails(tested);
    hangsUp(tested);
  });
};

const carries = (tested: Tested): void => {
  tested('emits one wire for each subscription', async (one) => {
    const wires: unknown[] = [];
    const ends = new Set<DialEnd>();
    const call$ = one.dial.pipe(
      tap((wire) => wires.push(wire)),
      switchMap((wire) => wire(of(numbered(1)))),
    );
    for (let times = 0; times < 2; times += 1)
      await firstValueFrom(
        meeting(one, call$, (end) =>
          merge(
            doing(() => ends.add(end)),
            echoing(end),
          ),
        ),
      );
    same('wires, and far ends', [wires.length, ends.size], [2, 2]);
  });

  tested('misses nothing that the far end says as soon as it answers, as plain bytes', async (one) => {
    const call$ = meeting(one, talking(one), (end) => doing(() => end.say(numbered(7))));
    const frame = await firstValueFrom(call$);
    same('frame, and plain', [[...frame], Object.getPrototypeOf(frame) === Uint8Array.prototype], [[0, 7], true]);
  });

  tested(`says and hears ${framesMany} small frames in order`, async (one) => {
    const said$ = concat(range(0, framesMany).pipe(map(numbered)), NEVER);
    const heard$ = meeting(one, talking(one, said$), echoing).pipe(take(framesMany), map(numberIn), toArray());
    const heard = await firstValueFrom(heard$);
    same('frames', heard.length, framesMany);
    same(
      'out of order',
      heard.filter((n, place) => n !== place),
      [],
    );
  });

  tested('carries a frame of four megabytes both ways', async (one) => {
    const large = new Uint8Array(frameLarge).map((_, place) => place * 31);
    const heard = await firstValueFrom(meeting(one, talking(one, concat(of(large), NEVER)), echoing));
    same('bytes', heard.byteLength, frameLarge);
    same(
      'the same bytes',
      heard.every((byte, place) => byte === large[place]),
      true,
    );
  });
};

const fails = (tested: Tested): void => {
  tested('errors as unreachable when it is refused, and says more than nothing', async (one) => {
    const [kind, detail] = await endOf(one.refused);
    same('kind, and a detail', [kind, typeof detail === 'string' && detail.length > 0], ['unreachable', true]);
  });

  tested('errors with the code and the text with which the far end hangs up', async (one) => {
    const call$ = meeting(one, talking(one), (end) => doing(() => end.hangUp(4400, 'no such thing: ü')));
    same('end', await endOf(call$), ['closed', 4400, 'no such thing: ü']);
  });

  tested('completes when the far end hangs up without a word', async (one) => {
    const call$ = meeting(one, talking(one), (end) => doing(() => end.hangUp(1000, '')));
    same('end', await endOf(call$), ['Error: completed']);
  });

  tested('errors with 1006 when the line is cut', async (one) => {
    const [kind, code] = await endOf(meeting(one, talking(one), (end) => doing(end.kill)));
    same('end', [kind, code], ['closed', 1006]);
  });

  tested('errors with what is wrong with what is said, and the far end is told', async (one) => {
    const said$ = concat(
      of(numbered(1)),
      throwError(() => hangUp(4499, 'enough')),
    );
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    same('end', await endOf(talking(one, said$)), ['closed', 4499, 'enough']);
    same('code at the far end', await closed, 4499);
  });
};

const hangsUp = (tested: Tested): void => {
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
    same('code at the far end', await closed, 1000);
  });

  tested('hangs up with 1000 when let go of in the middle of a talk', async (one) => {
    const closed = firstValueFrom(one.ends$.pipe(switchMap(({ closed$ }) => closed$)));
    await firstValueFrom(meeting(one, talking(one, of(numbered(1))), echoing));
    same('code at the far end', await closed, 1000);
  });

  tested('hangs up with 1000 when only what is heard is let go of', async (one) => {
    const once$ = one.dial.pipe(switchMap((wire) => concat(wire(of(numbered(1))).pipe(take(1)), NEVER)));
    const closed$ = one.ends$.pipe(switchMap((end) => merge(echoing(end).pipe(ignoreElements()), end.closed$)));
    same('code at the far end', await firstValueFrom(merge(once$.pipe(ignoreElements()), closed$)), 1000);
  });
};
