import {
  concatMap,
  delay,
  from,
  ignoreElements,
  map,
  merge,
  NEVER,
  of,
  switchMap,
  take,
  throwError,
  type Observable,
} from 'rxjs';
import { createSyncClient, createCloseError, isSome, memoryStorage, openRealm$ } from '../../lib/index.js';
import type { Bind, ClientMessage, Upload } from '../../lib/protocol/messages.js';
import {
  createAccepted,
  createBound,
  createDownload,
  marbles,
  createRejected,
  scriptedServer,
  createWireError,
  type MarbleHelpers,
  type ServerScript,
} from '../../lib/testing/index.js';
import { failureOf } from './test-kit.js';

const bind: Bind = {
  type: 'bind',
  session: 3,
  realm: 'r',
  replica: 'me',
  token: null,
  history: null,
  downloadedTo: 4,
  acknowledged: 2,
  includeOwn: false,
  runs: [{ id: 'run', lastVersion: 2 }],
};
const body = Uint8Array.of(1, 2, 3);
const upload: Upload = { type: 'upload', session: 3, changesets: [{ version: 7, time: 1, count: 0, body }] };
const ping: ClientMessage = { type: 'ping', sentAt: 5 };

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

/** Opens a realm with this server at the other end. */
const appOn = ({ clock }: MarbleHelpers, wire: ReturnType<typeof scriptedServer>['wire']) =>
  openRealm$({
    schema,
    storage: memoryStorage(),
    sync: { client: createSyncClient({ dial: of(wire), clock, reconnect$: NEVER }), realm: 'team' },
  }).pipe(
    map((realm) => {
      if (!isSome(realm.syncSession)) throw new Error('no session');
      return { realm, session: realm.syncSession.value };
    }),
  );

describe('a scripted server', () => {
  it('knows views: it continues with a placed view, and waits for a subscription before the first one', () => {
    const viewOf = (number: number | null) => createBound({ ...bind, view: { number, filters: [], scope: 's' } }).view;
    expect([viewOf(4), viewOf(null)]).toEqual([
      { mode: 'continue', scope: 's' },
      { mode: 'resync', scope: 's' },
    ]);
    expect(createBound(bind)).not.toHaveProperty('view');
  });

  it(
    'follows the protocol by default: binds, accepts, marks, answers pings, and unbinds',
    marbles(({ cold, expectObservable }) => {
      const letters: Readonly<Record<string, ClientMessage>> = {
        b: bind,
        u: upload,
        m: { type: 'mark', session: 3, request: 9 },
        p: ping,
        x: { type: 'unbind', session: 3 },
        r: { type: 'received', session: 3, version: 1 },
      };
      const { wire, received$ } = scriptedServer();
      expectObservable(wire(cold('b-u-m-p-r-x|', letters))).toBe('b-u-m-p---x|', {
        b: createBound(bind),
        u: { type: 'accepted', session: 3, version: 7 },
        m: { type: 'mark', session: 3, request: 9, version: 0 },
        p: { type: 'pong', sentAt: 5 },
        x: { type: 'unbound', session: 3 },
      });
      expectObservable(received$).toBe('          b-u-m-p-r-x', letters);
      expectObservable(received$, '-----------^').toBe('-----------(bumprx)', letters);
    }),
  );

  it(
    'answers as its script does: at once, later, not at all, or by ending the connection',
    marbles(({ cold, expectObservable }) => {
      const end = createCloseError(4500, 'broken');
      const { wire } = scriptedServer({
        bind: (message) => [createBound(message, { head: 9, headBytes: 100 })],
        upload: (message) => cold('---a|', { a: createAccepted(message) }),
        ping: () => [],
        unbind: () => throwError(() => end),
      });
      const sent$ = cold('b-u-p-x', { b: bind, u: upload, p: ping, x: { type: 'unbind', session: 3 } as const });
      const received = { b: { ...createBound(bind), head: 9, headBytes: 100 }, a: createAccepted(upload) };
      expectObservable(wire(sent$)).toBe('b----a#', received, end);
    }),
  );

  it(
    'sends unsolicited messages of its script, to each session from its bind on',
    marbles(({ cold, expectObservable }) => {
      const error = createWireError(3, 'too-many-refused', { after: 100 }, 'wait');
      const { wire } = scriptedServer({ unsolicited: ({ session }) => cold('--e', { e: { ...error, session } }) });
      const sent$ = cold('                 -b--c--p', { b: bind, c: { ...bind, session: 4 }, p: ping });
      expectObservable(wire(sent$)).toBe('-b-ec-fp', {
        b: createBound(bind),
        c: createBound({ ...bind, session: 4 }),
        e: error,
        f: { ...error, session: 4 },
        p: { type: 'pong', sentAt: 5 },
      });
    }),
  );

  it('fails the test with the error of its script, which would otherwise only end a session', () => {
    const failing = (script: ServerScript): string => {
      const test = marbles((m) => {
        const states$ = appOn(m, scriptedServer(script).wire).pipe(switchMap(({ session }) => session.syncState$));
        m.expectObservable(states$.pipe(take(1), ignoreElements())).toBe('|');
      });
      return failureOf(test).message;
    };
    const upset = (): never => {
      throw new Error('not this');
    };
    expect(failing({ bind: upset })).toBe('not this');
    expect(failing({ unsolicited: upset })).toBe('not this');
    expect(failing({ bind: () => throwError(() => new Error('not that')) })).toBe('not that');
    const giving = (value: unknown): ServerScript => ({ bind: () => value as readonly [] });
    const expected = 'script.bind must be a function that returns an array or a stream of messages, received';
    expect(failing(giving(undefined))).toBe(`${expected} undefined.`);
    expect(failing(giving(createBound(bind)))).toBe(`${expected} a record.`);
    expect(failing(giving(Promise.resolve([])))).toBe(`${expected} an object (Promise).`);
    expect(failing({ unsolicited: () => undefined as unknown as Observable<never> })).toBe(
      'script.unsolicited must be a function that returns an array or a stream of messages, received undefined.',
    );
  });

  it('rejects a script with answers that are not functions', () => {
    const script = { upload: [] } as unknown as ServerScript;
    expect(() => scriptedServer(script)).toThrow(
      'script.upload must be a function of the message, received an array of 0.',
    );
    expect(() => scriptedServer(null as unknown as ServerScript)).toThrow(
      'script must be a plain record, such as { … }, received null.',
    );
  });

  it('rejects an unknown kind of message', () => {
    const script = { bound: () => [] } as ServerScript;
    expect(() => scriptedServer(script)).toThrow(
      /^script must be a record with only the names bind, upload, .*, unsolicited, received "bound"\. Did you mean bind\?$/,
    );
  });
});

describe('a session with a scripted server', () => {
  const stages = (m: MarbleHelpers, script: ServerScript): Observable<string> =>
    appOn(m, scriptedServer(script).wire).pipe(
      switchMap(({ realm, session }) =>
        from(realm.write((tx) => tx.create('Task', { id: 'a' }))).pipe(
          concatMap(({ version }) => session.written$(version)),
          map(({ state }) => (state === 'sent' ? 't' : state.charAt(0))),
        ),
      ),
      take(3),
    );

  it(
    'has its writes accepted and rejected by the script',
    marbles((m) => {
      const later = (
        script: (message: Upload) => readonly [ReturnType<typeof createAccepted> | ReturnType<typeof createRejected>],
      ) => ({
        upload: (message: Upload) => of(...script(message)).pipe(delay(20, m.scheduler)),
      });
      const taken = stages(
        m,
        later((message) => [createAccepted(message)]),
      );
      const not = stages(
        m,
        later((message) => [createRejected(message, 'Task', 'a', 'not yours')]),
      );
      m.expectObservable(taken, '100ms !').toBe('t 19ms a');
      m.expectObservable(not, '100ms !').toBe('  t 19ms r');
    }),
  );

  it(
    'ends with the error of the script',
    marbles((m) => {
      const { wire } = scriptedServer({
        bind: ({ session }) => of(createWireError(session, 'permission-denied')).pipe(delay(5, m.scheduler)),
      });
      const errors$ = appOn(m, wire).pipe(
        switchMap(({ session }) => session.errors$),
        map(({ code }) => code),
      );
      m.expectObservable(errors$, '50ms !').toBe('-----e', { e: 'permission-denied' });
    }),
  );

  it(
    'downloads what another session uploaded',
    marbles((m) => {
      const first = scriptedServer();
      const uploads$ = merge(
        appOn(m, first.wire).pipe(
          switchMap(({ realm }) => from(realm.write((tx) => tx.create('Task', { id: 'a' })))),
          switchMap(() => NEVER),
        ),
        first.received$,
      ).pipe(
        switchMap((message) => (message.type === 'upload' ? of(message) : NEVER)),
        take(1),
        delay(10, m.scheduler),
      );
      const second = scriptedServer({
        unsolicited: (own) => uploads$.pipe(map((message) => createDownload(own, message, 'another'))),
      });
      const tasks$ = appOn(m, second.wire).pipe(
        switchMap(({ realm }) => realm.objects$('Task')),
        map((tasks) => tasks.map(({ id }) => id).join('') || '0'),
      );
      m.expectObservable(tasks$, '50ms !').toBe('0---------a');
    }),
  );
});
