import { distinctUntilChanged, map, NEVER, of, type Observable } from 'rxjs';
import type { SyncSession, SyncStatus } from '../../lib/index.js';
import { connectionLetters, fakeSession, marbles, syncLetters, type FakeStreams } from '../../lib/testing/index.js';

const status = (connection: SyncStatus['connection'], sync: SyncStatus['sync'] = 'active'): SyncStatus => ({
  ...fakeSession().status,
  connection,
  sync,
});
const values: Readonly<Record<string, SyncStatus>> = {
  d: status({ state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null }),
  c: status({ state: 'connecting', attempt: 1 }),
  p: status({ state: 'connecting', attempt: 1 }, 'paused'),
};

/** A component that shows the state of the connection as a color. */
const light = ({ connectionState$ }: Pick<SyncSession, 'connectionState$'>): Observable<string> =>
  connectionState$.pipe(
    map((state) => (state === 'connected' ? 'green' : 'grey')),
    distinctUntilChanged(),
  );

describe('a fake session', () => {
  it(
    'has the given streams',
    marbles(({ cold, expectObservable }) => {
      const session = fakeSession({ connectionState$: cold('d-c-C--d', connectionLetters) });
      expectObservable(light(session)).toBe('               e---g--e', { e: 'grey', g: 'green' });
    }),
  );

  it(
    'derives status and changes from connection and sync, and connection and sync from status',
    marbles(({ cold, expectObservable, expectStates }) => {
      const parts = fakeSession({
        connectionState$: cold('            d-c---', connectionLetters),
        syncState$: cold('                  a---p-', syncLetters),
      });
      expectObservable(parts.status$).toBe('d-c-p', values);
      expectObservable(parts.connectionChanges$).toBe('--x', {
        x: { previous: 'disconnected', current: 'connecting' },
      });
      const whole = fakeSession({ status$: cold('d-c-p', values) });
      expectStates(whole.connectionState$).toBe('d-c');
      expectStates(whole.syncState$).toBe('      a---p');
    }),
  );

  it(
    'is active and disconnected, with all other streams silent, when no stream is given',
    marbles(({ expectObservable, expectStates }) => {
      const session = fakeSession();
      expectStates(session.connectionState$).toBe('d');
      expectStates(session.syncState$).toBe('a');
      expectObservable(session.status$).toBe('d', values);
      const { connectionChanges$, uploadComplete$, downloadComplete$, errors$ } = session;
      const progress$ = session.progress$({ direction: 'upload', mode: 'reportIndefinitely' });
      for (const quiet$ of [
        connectionChanges$,
        uploadComplete$,
        downloadComplete$,
        errors$,
        progress$,
        session.written$(1),
      ])
        expectObservable<unknown>(quiet$).toBe('-');
    }),
  );

  it(
    'has the latest emitted value in each synchronous property',
    marbles(({ cold, expectObservable }) => {
      const session = fakeSession({ connectionState$: cold('-c-C', connectionLetters), syncState$: of('paused') });
      const read = (): readonly string[] => [
        session.connectionState,
        session.syncState,
        session.status.connection.state,
      ];
      expect(read()).toEqual(['disconnected', 'active', 'disconnected']);
      expectObservable(session.syncState$).toBe('(p|)', syncLetters);
      expectObservable(session.connectionState$.pipe(map(read))).toBe('-a-b', {
        a: ['connecting', 'paused', 'connecting'],
        b: ['connected', 'paused', 'connected'],
      });
    }),
  );

  it(
    'emits the given changes and the given status',
    marbles(({ cold, expectObservable }) => {
      const change = { previous: 'connected', current: 'disconnected' } as const;
      const offline = { ...status({ state: 'connecting', attempt: 7 }), lastSyncedAt: 5 };
      const session = fakeSession({
        connectionChanges$: cold('-x', { x: change }),
        status$: cold('-s', { s: offline }),
      });
      expectObservable(session.connectionChanges$).toBe('     -x', { x: change });
      expectObservable(session.status$.pipe(map(() => session.status))).toBe('-s', { s: offline });
    }),
  );

  it(
    'records its commands, which have no effect',
    marbles(({ cold, expectObservable, flush }) => {
      const session = fakeSession();
      cold('-p-r-c').subscribe((letter) => {
        if (letter === 'p') session.pause();
        else if (letter === 'r') session.resume();
        else session.reconnect();
      });
      expectObservable(session.commands$).toBe('-p-r-c', { p: 'pause', r: 'resume', c: 'reconnect' });
      flush();
      expect([session.commands, session.syncState]).toEqual([['pause', 'resume', 'reconnect'], 'active']);
    }),
  );

  it(
    'has consistent properties whichever of its state streams is subscribed',
    marbles(({ cold, hot, expectObservable }) => {
      const parts = fakeSession({
        connectionState$: cold('d-C', connectionLetters),
        syncState$: cold('      ap-', syncLetters),
      });
      const read = ({ connectionState, syncState, status: { connection, sync } }: SyncSession): string =>
        [connectionState, connection.state, syncState, sync].join(' ');
      expectObservable(parts.status$.pipe(map(() => read(parts)))).toBe('abc', {
        a: 'disconnected disconnected active active',
        b: 'disconnected disconnected paused paused',
        c: 'connected connected paused paused',
      });
      const whole = fakeSession({ status$: hot('dcp', values) });
      const expected = { d: values['d'], c: values['c'] };
      expectObservable(whole.connectionState$.pipe(map(() => whole.status))).toBe('dc', expected);
      const other = fakeSession({ status$: cold('d-p', values) });
      const stated = { d: 'disconnected disconnected active active', p: 'connecting connecting paused paused' };
      expectObservable(other.status$.pipe(map(() => read(other)))).toBe('d-p', stated);
    }),
  );

  it(
    'has a status that emits at once and completes with the one given stream',
    marbles(({ cold, expectObservable }) => {
      const connected = fakeSession({ connectionState$: cold('d-(c|)', connectionLetters) });
      expectObservable(connected.status$).toBe('              d-(c|)', values);
      expectObservable(connected.connectionChanges$.pipe(map(() => 'x'))).toBe('--(x|)');
      const synced = fakeSession({ syncState$: cold('a-(p|)', syncLetters) });
      expectObservable(synced.status$.pipe(map(({ sync }) => sync))).toBe('a-(p|)', syncLetters);
      const now: SyncStatus[] = [];
      fakeSession({ connectionState$: of('connecting') }).status$.subscribe((one) => now.push(one));
      expect(now).toEqual([values['c']]);
    }),
  );

  it('rejects a value that is not a stream', () => {
    const faking = (streams: object) => () => fakeSession(streams);
    expect(faking({ connectionState$: 'd-c-C' })).toThrow(
      'streams.connectionState$ must be an observable, received "d-c-C".',
    );
    expect(faking({ progress$: NEVER })).toThrow(
      /^streams.progress\$ must be a function that returns an observable, received/,
    );
    expect(faking({ written$: NEVER })).toThrow(/^streams.written\$ must be a function/);
    expect(faking({ errors$: undefined, written$: () => NEVER })).not.toThrow();
  });

  it('rejects a stream that no session has', () => {
    expect(() => fakeSession({ conectionState$: NEVER } as FakeStreams)).toThrow(
      /^streams must be a record with only the names status\$, connectionState\$, .*, received "conectionState\$"\. Did you mean connectionState\$\?$/,
    );
  });
});
