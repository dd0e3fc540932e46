import { delay, mergeMap, of } from 'rxjs';
import { limits } from '../../lib/model/limits.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { measureInProcess } from '../client/child-process.js';
import { buildLibrary, type BuiltLibrary } from '../server/server-process.js';
import {
  createAnsweringServer,
  runAt,
  createEndingWire,
  createScriptedDial,
  createTestClient,
  type TestWire,
} from './test-kit.js';

const many = limits.sessionsPerConnectionMax;

/** A server that is so many milliseconds away, and notes what arrives there in the first minute. */
const distant = ({ scheduler }: MarbleHelpers, ms: number, heard: [number, ClientMessage][]): TestWire => {
  const server = createAnsweringServer();
  return (said) =>
    said.pipe(
      delay(ms / 2, scheduler),
      mergeMap((message) => {
        if (scheduler.now() < 60_000) heard.push([scheduler.now(), message]); // Its pings are hours away.
        return server(of(message));
      }),
      delay<ServerMessage>(ms / 2, scheduler),
    );
};

const kinds = (heard: readonly [number, ClientMessage][]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const [, { type }] of heard) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
};

const times = (heard: readonly [number, ClientMessage][]): readonly number[] => [
  ...new Set(heard.map(([time]) => time)),
];

describe(`${many} sessions on one connection`, () => {
  it(
    'C3 are all bound after one round trip: every bind goes out before any answer is there, and nothing else is said',
    marbles((m) => {
      const heard: [number, ClientMessage][] = [];
      const client = createTestClient(m, { dial: of(distant(m, 100, heard)) });
      const sessions = Array.from({ length: many }, () => client.open().session);
      const connected = (): number => sessions.filter(({ connectionState }) => connectionState === 'connected').length;
      const seen: number[] = [];
      runAt(m, '98ms a 2ms a 899ms a', { a: () => seen.push(connected()) });
      m.flush();
      expect(seen).toEqual([0, many, many]);
      expect(kinds(heard)).toEqual({ bind: many });
      expect(times(heard)).toEqual([50]);
      expect(new Set(heard.map(([, message]) => 'session' in message && message.session)).size).toBe(many);
    }),
  );

  it(
    'C2 are bound again in one round trip after their line broke, and nothing is said on it before',
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
      const seen: number[] = [];
      runAt(m, '499ms a 1ms a 1097ms a 1ms a', { a: () => seen.push(connected()) });
      m.flush();
      expect(seen).toEqual([many, 0, 0, many]); // broken at 500 ms, called again a second later, bound 100 ms after that
      expect(kinds(second!)).toEqual({ bind: many });
      expect(times(second!)).toEqual([1_550]);
      expect(lines.map(({ subscriptions }) => subscriptions.length)).toEqual([1, 1]);
    }),
  );
});

describe('an idle session', () => {
  let code: BuiltLibrary;
  beforeAll(() => (code = buildLibrary()));
  afterAll(() => code.remove());

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

  /** What 1 000 of them weighed in November 2026, and a little more: it must not grow unseen. */
  const most = { session: 64 * 1024, realm: 114 * 1024 };

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
