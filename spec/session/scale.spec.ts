import { delay, mergeMap, of } from 'rxjs';
import { serverLimits } from '../../lib/server/server-limits.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { measureInProcess } from '../client/child-process.js';
import { useBuiltLibrary } from '../server/server-process.js';
import {
  createAnsweringServer,
  runAt,
  createEndingWire,
  createScriptedDial,
  createTestClient,
  type TestWire,
} from './test-kit.js';

const many = serverLimits.sessionsPerConnectionMax;

/** Creates a server at this distance in milliseconds, which counts the messages that arrive in the first minute. */
const distant = ({ scheduler }: MarbleHelpers, ms: number, received: [number, ClientMessage][]): TestWire => {
  const server = createAnsweringServer();
  return (sent$) =>
    sent$.pipe(
      delay(ms / 2, scheduler),
      mergeMap((message) => {
        if (scheduler.now() < 60_000) received.push([scheduler.now(), message]); // Pings are hours away.
        return server(of(message));
      }),
      delay<ServerMessage>(ms / 2, scheduler),
    );
};

const kinds = (received: readonly [number, ClientMessage][]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const [, { type }] of received) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
};

const times = (received: readonly [number, ClientMessage][]): readonly number[] => [
  ...new Set(received.map(([time]) => time)),
];

describe(`${many} sessions on one connection`, () => {
  it(
    'C3 are all bound after one round trip: every bind is sent before any answer arrives, and nothing else is sent',
    marbles((m) => {
      const received: [number, ClientMessage][] = [];
      const client = createTestClient(m, { dial: of(distant(m, 100, received)) });
      const sessions = Array.from({ length: many }, () => client.open().session);
      const connected = (): number => sessions.filter(({ connectionState }) => connectionState === 'connected').length;
      const samples: number[] = [];
      runAt(m, '98ms a 2ms a 899ms a', { a: () => samples.push(connected()) });
      m.flush();
      expect(samples).toEqual([0, many, many]);
      expect(kinds(received)).toEqual({ bind: many });
      expect(times(received)).toEqual([50]);
      expect(new Set(received.map(([, message]) => 'session' in message && message.session)).size).toBe(many);
    }),
  );

  it(
    'C2 are bound again in one round trip after their connection broke, and nothing else is sent before',
    marbles((m) => {
      const [first, second]: [number, ClientMessage][][] = [[], []];
      const { dial, lines } = createScriptedDial(
        m,
        ['w', createEndingWire(m, '500ms x', distant(m, 100, first!))],
        ['w', distant(m, 100, second!)],
      );
      const client = createTestClient(m, { dial });
      const sessions = Array.from({ length: many }, () => client.open().session);
      const connected = (): number => sessions.filter(({ connectionState }) => connectionState === 'connected').length;
      const samples: number[] = [];
      runAt(m, '499ms a 1ms a 1097ms a 1ms a', { a: () => samples.push(connected()) });
      m.flush();
      expect(samples).toEqual([many, 0, 0, many]); // Broken at 500 ms, reconnected a second later, bound 100 ms after that.
      expect(kinds(second!)).toEqual({ bind: many });
      expect(times(second!)).toEqual([1_550]);
      expect(lines.map(({ subscriptions }) => subscriptions.length)).toEqual([1, 1]);
    }),
  );
});

describe('an idle session', () => {
  const code = useBuiltLibrary();

  const weigh = (what: 'session' | 'realm'): Promise<{ bytes: number; bound: number }> =>
    measureInProcess(
      code,
      [
        'spec/session/idle-sessions.ts',
        'spec/session/test-kit.ts',
        'spec/session/test-realm.ts',
        'spec/client/heap-used.ts',
        'spec/protocol/bound-fields.ts',
      ],
      [what, String(many)],
    );

  /** Measured for 1 000 of each in November 2026, plus a fifth: a growth must be noticed. */
  const most = { session: 12.5 * 1024, realm: 54 * 1024 };

  it.each(['session', 'realm'] as const)(
    'does not cost more than it did: %s',
    async (what) => {
      const { bytes, bound } = await weigh(what);
      expect(bound).toBe(many);
      expect(bytes).toBeLessThan(most[what]);
    },
    30_000,
  );
});
