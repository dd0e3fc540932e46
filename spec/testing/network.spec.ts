import { concat, map, NEVER, of, switchMap, take, tap, type Observable } from 'rxjs';
import {
  createSyncClient,
  isSome,
  ConnectionError,
  memoryStorage,
  openRealm$,
  type ClientMessage,
} from '../../lib/index.js';
import type { ServerMessage, SyncSession, Wire } from '../../lib/index.js';
import { createSyncServer } from '../../lib/server/index.js';
import { marbles, type MarbleHelpers, type Network, type ScriptedTokens } from '../../lib/testing/index.js';
import { failureOf } from './test-kit.js';

type MessageWire = Wire<ClientMessage, ServerMessage>;

const ping: ClientMessage = { type: 'ping', sentAt: 7 };
const pong: ServerMessage = { type: 'pong', sentAt: 7 };

/** Answers each message with a pong. */
const echo: { readonly wire: MessageWire } = { wire: (sent$) => sent$.pipe(map(() => pong)) };

/** Returns the events of a client: `w` a wire, `m` a message, `e` an error message of the server. */
const exchangeFrames = ({ dial }: Network, sent$: Observable<ClientMessage> = NEVER): Observable<string> =>
  dial.pipe(switchMap((wire) => concat(of('w'), wire(sent$).pipe(map(({ type }) => (type === 'error' ? 'e' : 'm'))))));

const closed = (code: number): ConnectionError => new ConnectionError({ kind: 'closed', code, text: '' });
const down = new ConnectionError({ kind: 'unreachable', detail: 'The network is down.' });
const unreachable = new ConnectionError({ kind: 'unreachable', detail: 'The server rejects connections.' });

const sessionOn = (m: MarbleHelpers, network: Network, accessToken?: ScriptedTokens): Observable<SyncSession> => {
  const options = { dial: network.dial, reconnect$: network.online$, clock: m.clock };
  const client = createSyncClient(accessToken ? { ...options, accessToken } : options);
  const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;
  return openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } }).pipe(
    map(({ syncSession }) => {
      if (isSome(syncSession)) return syncSession.value;
      throw new Error('no session');
    }),
  );
};

describe('a network of marbles', () => {
  it(
    'carries a session through an outage as its diagram says',
    marbles((m) => {
      const network = m.network('                    --o----x--o', { latencyMs: 1 });
      const session$ = sessionOn(m, network);
      const states$ = session$.pipe(switchMap(({ connectionState$ }) => connectionState$));
      m.expectStates(states$, '50ms !').toBe('d-c---Cd--c---C');
    }),
  );

  it(
    'opens connections from o on, after a round trip, and delivers each message after the latency',
    marbles((m) => {
      const network = m.network('o', { server: echo, latencyMs: 3 });
      const sent$ = m.cold('            --p', { p: ping });
      m.expectObservable(exchangeFrames(network, sent$), '20ms !').toBe('------w-------m');
      m.expectSubscriptions(sent$.subscriptions).toBe('------^ 13ms !');
    }),
  );

  it(
    'breaks connections with 1006 at x, loses messages in flight, and rejects attempts until o',
    marbles((m) => {
      const network = m.network('               o-----x---o', { server: echo, latencyMs: 1 });
      const sent$ = m.cold('                     -pp', { p: ping });
      m.expectObservable(exchangeFrames(network, sent$)).toBe('--w--m#', undefined, closed(1006));
      m.expectObservable(exchangeFrames(network), '------^').toBe('------#', undefined, down);
      m.expectObservable(exchangeFrames(network, sent$), '----------^').toBe('------------w--mm');
    }),
  );

  it(
    'is down before its first letter, and ends an attempt that is pending',
    marbles((m) => {
      const network = m.network('         ---o-----x', { latencyMs: 4 });
      m.expectObservable(network.dial).toBe('#', undefined, down);
      m.expectObservable(network.dial, ' ---^').toBe('---------#', undefined, down);
    }),
  );

  it(
    'goes silent at h: connections stay but never deliver again, attempts wait for the next letter',
    marbles((m) => {
      const network = m.network('              o---h---o---x', { server: echo });
      const sent$ = m.cold('                   --p-p-p-p-p-p', { p: ping });
      m.expectObservable(exchangeFrames(network, sent$)).toBe('w-m---------#', undefined, closed(1006));
      m.expectObservable(exchangeFrames(network), '-----^ ').toBe('--------w---#', undefined, closed(1006));
    }),
  );

  it(
    'loses messages in flight at h',
    marbles((m) => {
      const network = m.network('           o-------h', { server: echo, latencyMs: 2 });
      const sent$ = m.cold('                    p-p', { p: ping });
      m.expectObservable(exchangeFrames(network, sent$)).toBe('----w');
    }),
  );

  it(
    'rejects attempts at r, and leaves connections open',
    marbles((m) => {
      const network = m.network('           o--r', { server: echo });
      const sent$ = m.cold('                -----p', { p: ping });
      m.expectObservable(exchangeFrames(network, sent$)).toBe('w----m');
      m.expectObservable(network.dial, '----^').toBe('----#', undefined, unreachable);
    }),
  );

  it(
    'closes all connections with the codes of letters, and accepts the next attempt',
    marbles((m) => {
      const network = m.network('           o--k', { server: echo, codes: { k: 4500 } });
      m.expectObservable(exchangeFrames(network)).toBe('w--#', undefined, closed(4500));
      m.expectObservable(exchangeFrames(network), '----^').toBe('----w');
    }),
  );

  it(
    'passes neither codes, messages nor the completion of the server to a silent connection',
    marbles((m) => {
      const server = { wire: () => m.cold('----(m|)', { m: pong }) };
      const network = m.network('   oh-k', { server, codes: { k: 4500 } });
      m.expectObservable(exchangeFrames(network)).toBe('w');
    }),
  );

  it(
    'passes on the completion or the error of the server after the latency',
    marbles((m) => {
      const quiet = m.network('o', { server: { wire: () => m.cold('m|', { m: pong }) }, latencyMs: 2 });
      const loud = m.network('o', {
        server: { wire: () => m.cold<ServerMessage>('#', undefined, closed(4400)) },
        latencyMs: 2,
      });
      m.expectObservable(
        quiet.dial.pipe(
          take(1),
          switchMap((wire) => wire(NEVER)),
          map(() => 'm'),
        ),
      ).toBe('------m|');
      m.expectObservable(exchangeFrames(loud)).toBe('----w-#', undefined, closed(4400));
    }),
  );

  it(
    'unsubscribes from the server when a connection breaks, and when the client unsubscribes',
    marbles((m) => {
      const server$ = m.cold<ServerMessage>('-');
      const network = m.network('o---x', { server: { wire: () => server$ } });
      m.expectObservable(exchangeFrames(network)).toBe('w---#', undefined, closed(1006));
      m.expectObservable(exchangeFrames(network), '^-!').toBe('w');
      m.expectSubscriptions(server$.subscriptions).toBe(['^---!', '^-!']);
    }),
  );

  it(
    'emits to its current subscribers when it comes back',
    marbles((m) => {
      const { online$ } = m.network('    -o--x--o');
      m.expectObservable(online$.pipe(map(() => 'o'))).toBe('-o-----o');
      m.expectObservable(online$.pipe(map(() => 'o')), '--^').toBe('-------o');
    }),
  );

  it(
    'opens an attempt that waits in a silent network at each letter that opens the network',
    marbles((m) => {
      const answered = (diagram: string): Observable<string> =>
        exchangeFrames(m.network(diagram, { server: echo, codes: { k: 4500 } }));
      m.expectObservable(answered('oh--t'), '--^').toBe('----w');
      m.expectObservable(answered('oh--k'), '--^').toBe('----w');
    }),
  );

  it(
    'ends a pending attempt at a cut, whichever letters come before the cut or in its group',
    marbles((m) => {
      const opened = m.network('  o-o-x', { latencyMs: 4 });
      m.expectObservable(opened.dial).toBe('----#', undefined, down);
      const blinked = m.network(' o--(xo)', { latencyMs: 2 });
      m.expectObservable(blinked.dial).toBe('---#', undefined, down);
      const silenced = m.network('o--h--r', { latencyMs: 2 });
      m.expectObservable(silenced.dial).toBe('------#', undefined, unreachable);
    }),
  );

  it(
    'comes back with every letter that opens it',
    marbles((m) => {
      const { online$ } = m.network('    k-x-t-k-h-k-r-o-o', { codes: { k: 4500 } });
      m.expectObservable(online$.pipe(map(() => 'o'))).toBe('o---o-----o---o-o');
    }),
  );

  it(
    'parses times exactly',
    marbles((m) => {
      const network = m.network('o 16.1s x');
      m.expectObservable(exchangeFrames(network)).toBe('w 16100ms #', undefined, closed(1006));
    }),
  );

  it('rejects invalid letters, codes and options', () => {
    const errorTextOf = (diagram: string, options?: object): string =>
      failureOf(marbles(({ network }) => void network(diagram, options))).message;
    expect(errorTextOf('o-z')).toMatch(/^diagram must be a diagram of o \(open\), x \(down\), h .*, received "z"/);
    expect(errorTextOf('o-|')).toBe('diagram must be a network diagram without an end, received "|".');
    expect(errorTextOf('o', { codes: { k: 99 } })).toBe('codes.k must be a close code from 1000 to 4999, received 99.');
    expect(errorTextOf('o', { codes: { x: 4000 } })).toMatch(
      /^codes.x must be one letter, other than o, x, h, r and t/,
    );
    expect(errorTextOf('o', { codes: { kk: 4000 } })).toMatch(/^codes.kk must be one letter, .*, received "kk"\.$/);
    expect(errorTextOf('o', { codes: { '-': 4000 } })).toMatch(/^codes.- must be one letter/);
    expect(errorTextOf('o', { codes: null })).toBe('codes must be a record of letters and close codes, received null.');
    expect(errorTextOf('--^--o')).toBe('diagram must be a network diagram without ^ and !, received "^".');
    expect(errorTextOf('o--!')).toBe('diagram must be a network diagram without ^ and !, received "!".');
    expect(errorTextOf(['o'] as unknown as string)).toBe(
      "diagram must be a diagram like 'a-b 1.5s (c|)', received an array of 1.",
    );
    expect(errorTextOf('o', { server: () => NEVER })).toBe(
      'options.server must be a server with a wire, received a function.',
    );
    expect(errorTextOf('o', { latencyMs: -1 })).toMatch(/^options.latencyMs must be a number from 0/);
    expect(errorTextOf('o', { latency: 1 })).toBe(
      'options of createNetwork must be a record with only the names server, latencyMs, codes, received "latency". Did you mean latencyMs?',
    );
  });
});

describe('tokens of marbles', () => {
  it(
    'are requested again when the network reports that they have expired',
    marbles((m) => {
      const tokens = m.tokens('(a|)', '10ms (b|)');
      const received: string[] = [];
      const server = createSyncServer({ storage: memoryStorage(), clock: m.clock });
      const wire: MessageWire = (sent$) =>
        server.wire(
          sent$.pipe(tap((each) => each.type === 'bind' && received.push(`${m.clock.now()} ${each.token ?? ''}`))),
        );
      const network = m.network('o 49ms t', { server: { wire }, latencyMs: 1 });
      const session$ = sessionOn(m, network, tokens);
      const states$ = session$.pipe(switchMap(({ connectionState$ }) => connectionState$));
      m.expectStates(states$, '100ms !').toBe('(dc)C 45ms d---------c---C');
      m.flush();
      expect([received, tokens.callCount()]).toEqual([['3 a', '63 b'], 2]);
    }),
  );

  it('reject an empty list of answers', () => {
    expect(marbles(({ tokens }) => void tokens())).toThrow(
      'answers must be one or more diagrams, received an array of 0.',
    );
  });
});
