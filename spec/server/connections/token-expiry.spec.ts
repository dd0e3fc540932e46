import { concat, map, NEVER, of, throwError, timer } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import { createSyncServer, type Authenticate } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { marbles } from '../../../lib/testing/marbles.js';
import type { Clock } from '../../../lib/clock.js';
import { createCloseError } from '../../../lib/transport/wire.js';
import { createBind } from '../test-kit.js';

/** Creates a server on which a token is the millisecond of its expiry. */
const ending = (clock: Clock, authenticate: Authenticate = (token) => ({ id: 'ann', expiresAt: Number(token) })) =>
  createSyncServer({ storage: memoryStorage(), clock, authenticate, authorize: () => 'write', log: () => undefined })
    .wire;

const any = expect.anything() as never;
const expired = expect.objectContaining({
  type: 'error',
  session: null,
  code: 'token-expired',
  retry: 'later',
}) as never;
const closeError = createCloseError(1000, 'token-expired');
const createTokenMessage = (text: string): ClientMessage => ({ type: 'token', token: text });
const values = { b: any, e: expired, p: any };

describe('a token that ends while its connection is open', () => {
  it(
    'ends the connection with an error that asks for a fresh token',
    marbles(({ hot, expectObservable, clock }) => {
      const sent$ = hot<ClientMessage>('-b', { b: createBind({ token: '6' }) });
      const received = '                -b----(e#)';
      expectObservable(ending(clock)(sent$)).toBe(received, values, closeError);
    }),
  );

  it(
    'does not end the connection when a fresh token was sent before',
    marbles(({ hot, expectObservable, clock }) => {
      const sent$ = hot<ClientMessage>('-b--t', { b: createBind({ token: '6' }), t: createTokenMessage('9') });
      const received = '                -b-------(e#)';
      expectObservable(ending(clock)(sent$)).toBe(received, values, closeError);
    }),
  );

  it(
    'ends the connection when a fresh token was sent but could not be checked',
    marbles(({ hot, expectObservable, clock }) => {
      const wire = ending(clock, (token) =>
        token === 'lost' ? throwError(() => new Error('no key server')) : { id: 'ann', expiresAt: Number(token) },
      );
      const sent$ = hot<ClientMessage>('-b--t', { b: createBind({ token: '6' }), t: createTokenMessage('lost') });
      const received = '                -b----(e#)';
      expectObservable(wire(sent$)).toBe(received, values, closeError);
    }),
  );

  it(
    'field report H-3: is the token that was sent last, when the check of an earlier one ends late',
    marbles(({ cold, hot, expectObservable, clock }) => {
      const wire = ending(clock, (token) =>
        token === '7' ? cold('---(a|)', { a: { id: 'ann', expiresAt: 7 } }) : { id: 'ann', expiresAt: Number(token) },
      );
      const sent$ = hot<ClientMessage>('-b-tu', {
        b: createBind({ token: '6' }),
        t: createTokenMessage('7'),
        u: createTokenMessage('12'),
      });
      const received = '                -b----------(e#)';
      expectObservable(wire(sent$)).toBe(received, values, closeError);
    }),
  );

  it(
    'field report H-3: is an earlier token, whose check ends late, when the last one could not be checked',
    marbles(({ cold, hot, expectObservable, clock }) => {
      const answers = {
        '6': of({ id: 'ann', expiresAt: 6 }),
        '9': cold('---(a|)', { a: { id: 'ann', expiresAt: 9 } }),
      };
      const lost$ = throwError(() => new Error('no key server'));
      const wire = ending(clock, (token) => (token === 'lost' ? lost$ : answers[token as keyof typeof answers]));
      const sent$ = hot<ClientMessage>('-btu', {
        b: createBind({ token: '6' }),
        t: createTokenMessage('9'),
        u: createTokenMessage('lost'),
      });
      const received = '                -b-------(e#)';
      expectObservable(wire(sent$)).toBe(received, values, closeError);
    }),
  );

  it(
    'is waited for in steps that timers accept, however far its end is',
    marbles(({ expectObservable, clock, scheduler, flush }) => {
      const asked: number[] = [];
      const counting = Object.create(scheduler) as TestScheduler;
      counting.schedule = (work, delay, state) => {
        asked.push(delay ?? 0);
        return scheduler.schedule(work, delay, state);
      };
      const wire = ending({ ...clock, scheduler: counting });
      const monthMs = 30 * 24 * 60 * 60 * 1000;
      const sent$ = concat(of<ClientMessage>(createBind({ token: String(3 * monthMs) })), NEVER);
      expectObservable(wire(sent$), '60m !').toBe('b', values);
      flush();
      expect(Math.max(...asked)).toBe(2 ** 31 - 1);
    }),
  );

  it(
    'is valid for its whole time when the clock of the server is set back',
    marbles(({ expectObservable, clock, scheduler }) => {
      const jumping: Clock = { ...clock, now: () => scheduler.now() - (scheduler.now() > 3 ? 5 : 0) };
      const sent$ = concat(of<ClientMessage>(createBind({ token: '6' })), NEVER);
      expectObservable(ending(jumping)(sent$)).toBe('b----------(e#)', values, closeError);
    }),
  );

  it(
    'never ends the connection when it has no expiry',
    marbles(({ expectObservable, clock, scheduler }) => {
      const wire = ending(clock, () => ({ id: 'ann' }));
      const pings$ = timer(0, 60 * 60 * 1000, scheduler).pipe(
        map((hour): ClientMessage => (hour === 0 ? createBind({ token: 't' }) : { type: 'ping', sentAt: hour })),
      );
      expectObservable(wire(pings$), '120m 1ms !').toBe('b 3599999ms p 3599999ms p', values);
    }),
  );
});
