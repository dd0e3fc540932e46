import { map, NEVER, type Observable, switchMap, tap } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm$, type SyncClient, type SyncSession } from 'tidemark';
import { observeSimulatedOffline, simulateOffline } from 'tidemark/inspector';
import { marbles, type MarbleHelpers } from 'tidemark/testing';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

/** A client on a network that is always there, with the number of connections that it made. */
const createClient = ({ clock, network }: MarbleHelpers) => {
  let dials = 0;
  const dial = network('o', { latencyMs: 1 }).dial.pipe(tap({ subscribe: () => (dials += 1) }));
  const client = createSyncClient({ dial, reconnect$: NEVER, clock });
  const session$: Observable<SyncSession> = openRealm$({
    schema,
    storage: memoryStorage(),
    sync: { client, realm: 'team' },
  }).pipe(map(({ session }) => session));
  return { client, session$, dials: () => dials };
};

/** Switches at each letter of a diagram: `x` takes the client offline, `o` back online. */
const switchAt = ({ cold }: MarbleHelpers, client: SyncClient, diagram: string): void => {
  cold(diagram).subscribe((letter) => simulateOffline(client, letter === 'x'));
};

describe('simulateOffline', () => {
  it(
    'cuts the connection as a network that is gone, and connects at once when it is back',
    marbles((m) => {
      const { client, session$ } = createClient(m);
      const states$ = session$.pipe(switchMap(({ connectionState$ }) => connectionState$));
      m.expectStates(states$, '6s !').toBe('c---C 1005ms d 1999ms c---C');
      switchAt(m, client, '              1010ms x 1999ms o');
    }),
  );

  it(
    'shows the close code 1006 first, then that the server cannot be reached, with the time of the next attempt',
    marbles((m) => {
      const { client, session$ } = createClient(m);
      const reasons$ = session$.pipe(
        switchMap(({ status$ }) => status$),
        map(({ connection }) =>
          connection.state === 'disconnected'
            ? `${connection.reason.kind} ${connection.retryAt === null ? 'never' : 'later'}`
            : connection.state,
        ),
      );
      const seen: string[] = [];
      reasons$.subscribe((reason) => seen.push(reason));
      switchAt(m, client, '1010ms x');
      m.cold('20s r').subscribe(() => {
        expect(seen.filter((reason, index) => reason !== seen[index - 1]).slice(0, 6)).toEqual([
          ...['connecting', 'connected', 'closed-by-server later'],
          ...['unreachable later', 'connecting', 'unreachable later'],
        ]);
      });
    }),
  );

  it(
    'lets no attempt reach the network, and reconnect() neither',
    marbles((m) => {
      const { client, session$, dials } = createClient(m);
      session$.subscribe();
      switchAt(m, client, '1010ms x');
      m.cold('2s r 10s r 10s r').subscribe(() => client.reconnect());
      m.cold('60s e').subscribe(() => expect(dials()).toBe(1));
    }),
  );

  it(
    'cuts an attempt that is under way, which does not open its connection later',
    marbles((m) => {
      const attempts: string[] = [];
      // Each attempt takes two seconds. A server in the page answers at once.
      const wire = m.network('o', { latencyMs: 1 }).dial;
      const dial = m.cold('2s w').pipe(
        switchMap(() => wire),
        tap({ subscribe: () => attempts.push('begun'), unsubscribe: () => attempts.push('cut') }),
      );
      const client = createSyncClient({ dial, reconnect$: NEVER, clock: m.clock });
      const reasons: string[] = [];
      openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } })
        .pipe(switchMap(({ session: { status$ } }) => status$))
        .subscribe(({ connection }) =>
          reasons.push(connection.state === 'disconnected' ? connection.reason.kind : connection.state),
        );
      switchAt(m, client, '1s x');
      m.cold('1001ms e').subscribe(() => {
        expect(attempts).toEqual(['begun', 'cut']);
        expect(reasons.at(-1)).toBe('unreachable');
      });
      m.cold('60s e').subscribe(() => {
        expect(attempts).toEqual(['begun', 'cut']);
        expect(reasons).not.toContain('connected');
      });
    }),
  );

  it(
    'ends nothing when it is repeated, and keeps a client offline that has not connected yet',
    marbles((m) => {
      const { client, session$, dials } = createClient(m);
      simulateOffline(client, true);
      simulateOffline(client, true);
      const states$ = session$.pipe(switchMap(({ connectionState$ }) => connectionState$));
      m.expectStates(states$, '900ms !').toBe('d');
      m.cold('900ms e').subscribe(() => expect(dials()).toBe(0));
    }),
  );

  it('rejects what is not a client or not a boolean, and changes nothing', () => {
    const client = createSyncClient({ dial: NEVER });
    const values: boolean[] = [];
    observeSimulatedOffline(client).subscribe((offline) => values.push(offline));
    expect(() => simulateOffline(client, 'yes' as never)).toThrow('offline must be true or false');
    expect(() => simulateOffline({} as never, true)).toThrow('client must be a client made by createSyncClient');
    expect(() => observeSimulatedOffline({} as never)).toThrow('client must be a client made by createSyncClient');
    expect(values).toEqual([false]);
  });
});

describe('observeSimulatedOffline', () => {
  it(
    'emits the present value first, then every change',
    marbles((m) => {
      const { client } = createClient(m);
      switchAt(m, client, '                              --x-x-o');
      m.expectObservable(observeSimulatedOffline(client), '---------!').toBe('n-y---n', { y: true, n: false });
      m.expectObservable(observeSimulatedOffline(client), '----^----!').toBe('----y-n', { y: true, n: false });
    }),
  );
});
