import { BehaviorSubject, defer, filter, firstValueFrom, Observable, ReplaySubject, Subject, switchMap } from 'rxjs';
import { throwError } from 'rxjs';
import type { DialCase, DialEnd } from '../../lib/testing/index.js';
import { type Dial, createCloseError, ConnectionError } from '../../lib/transport/wire.js';

export type FrameDial = Dial<Uint8Array, Uint8Array>;
export type FrameWire = ReturnType<typeof createMemoryConnection>['wire'];

const codeOf = (thrown: unknown): number =>
  thrown instanceof ConnectionError && thrown.failure.kind === 'closed' ? thrown.failure.code : 4500;

/** A connection without sockets. Frames arrive in the same event-loop turn, or when the receiver subscribes. */
const createMemoryConnection = (open$: BehaviorSubject<number>) => {
  const toNear = new ReplaySubject<Uint8Array>(Infinity);
  const toFar = new ReplaySubject<Uint8Array>(Infinity);
  const closed$ = new ReplaySubject<number>(1);
  let isOpen = true;
  open$.next(open$.value + 1);
  const close = (code: number): void => {
    if (!isOpen) return;
    isOpen = false;
    closed$.next(code);
    open$.next(open$.value - 1);
  };
  const end: DialEnd = {
    received$: toFar,
    closed$,
    send: (frame) => toNear.next(frame),
    close: (code, text) => {
      close(code);
      if (code === 1000 && text === '') toNear.complete();
      else toNear.error(createCloseError(code, text));
    },
    kill: () => end.close(1006, ''),
  };
  const wire = (sent: Observable<Uint8Array>): Observable<Uint8Array> =>
    new Observable((subscriber) => {
      subscriber.add(() => close(1000));
      subscriber.add(toNear.subscribe(subscriber));
      const failed = (thrown: unknown): void => {
        close(codeOf(thrown));
        subscriber.error(thrown);
      };
      subscriber.add(sent.subscribe({ next: (frame) => toFar.next(frame), error: failed }));
    });
  return { wire, end, close };
};

/** Creates a dial case in the same process, whose server answers one microtask after the attempt. */
export const createMemoryDialCase = (): DialCase => {
  const ends$ = new Subject<DialEnd>();
  const [open$, held$] = [new BehaviorSubject(0), new BehaviorSubject(0)];
  const answered: FrameDial = new Observable((caller) => {
    const { wire, end, close } = createMemoryConnection(open$);
    caller.add(() => close(1000));
    caller.next(wire);
    ends$.next(end);
  });
  const mute: FrameDial = new Observable(() => {
    held$.next(held$.value + 1);
    return () => held$.next(held$.value - 1);
  });
  return {
    dial: defer(() => Promise.resolve()).pipe(switchMap(() => answered)),
    ends$,
    rejected: throwError(() => new ConnectionError({ kind: 'unreachable', detail: 'nobody is there' })),
    mute: { dial: mute, held$ },
    close: async () => {
      await firstValueFrom(open$.pipe(filter((open) => open === 0)));
    },
    abort: () => ends$.complete(),
  };
};
