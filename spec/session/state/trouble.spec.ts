import { filter, firstValueFrom, map, of, switchMap, take, throwError, VirtualTimeScheduler } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, openRealm$, type Clock } from '../../../lib/index.js';
import { CompensatingWriteError, SessionClosedError, StalledError, SyncError } from '../../../lib/model/errors.js';
import { TokenRejectedError, createSyncServer } from '../../../lib/server/index.js';
import type { SessionEvent } from '../../../lib/session/state/session-events.js';
import { reduceSession } from '../../../lib/session/state/session-reducer.js';
import { createInitialState, type SessionState } from '../../../lib/session/state/session-state.js';

const outbox = { written: 1, acknowledged: 0, acknowledgedBytes: 0, changesets: 1, bytes: 10 };
const by = new SessionClosedError('over');
const input = (name: 'pause' | 'resume' | 'logIn' | 'token' | 'open'): SessionEvent => ({ type: 'input', input: name });
const trouble = (code: ConstructorParameters<typeof SyncError>[0]): SessionEvent => ({
  type: 'trouble',
  error: new SyncError(code, 'no'),
});
const fatal = (code: ConstructorParameters<typeof SyncError>[0]): SessionEvent => ({
  type: 'fatal',
  error: new SyncError(code, 'no'),
});
const stalled: SessionEvent = { type: 'trouble', error: new StalledError(1) };
const outboxed = (acknowledged: number): SessionEvent => ({ type: 'outbox', outbox: { ...outbox, acknowledged } });

/** Returns the code of the current error after some events. */
const after = (...events: readonly SessionEvent[]): string | null => {
  const first = createInitialState('active', outbox, { version: 0, bytes: 0, ofBytes: null });
  return events.reduce<SessionState>(reduceSession, first).trouble?.code ?? null;
};

describe('the current error of a session', () => {
  it.each([
    ['the latest error', [trouble('connection-failed'), trouble('suspended')], 'suspended'],
    ['none of a write that was rejected', [{ type: 'trouble', error: new CompensatingWriteError(1, []) }], null],
    ['none of a pause', [trouble('connection-failed'), input('pause')], null],
    ['none of a log-out', [fatal('permission-denied'), { type: 'loggedOut', by }], null],
    ['none once it is closed', [trouble('suspended'), { type: 'closed', immediately: true, by }], null],
    ['what ended it, also after resume()', [fatal('permission-denied'), input('resume')], 'permission-denied'],
    ['none of the user after a log-in', [fatal('token-refused'), input('logIn')], null],
    ['none of the realm after a log-in that is of no help', [fatal('bad-changeset'), input('logIn')], 'bad-changeset'],
    ['none of a storage that is back', [fatal('storage'), input('resume')], null],
    ['none of a token that has come', [trouble('token-unavailable'), input('token')], null],
    [
      'that there is no token, while the old one is tried',
      [trouble('token-unavailable'), { type: 'input', input: 'token', isOld: true }],
      'token-unavailable',
    ],
    ['a stall', [{ type: 'stalled', since: 1 }, stalled], 'stalled'],
    ['none of a stall when something moves', [{ type: 'stalled', since: 1 }, stalled, outboxed(1)], null],
  ] as [string, SessionEvent[], string | null][])('field report F-3: is %s', (_, events, code) => {
    expect(after(...events)).toBe(code);
  });

  it('field report F-3: is replayed to later subscribers, ends when the session is bound again, and completes with it', async () => {
    let isRefused = true;
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: (token) => {
        if (isRefused) throw new TokenRejectedError('token-refused', 'no longer');
        return { id: token };
      },
      authorize: () => 'write',
    });
    const client = createSyncClient({ dial: of(server.wire), accessToken: () => of('anna') });
    const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;
    const { session } = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
    const shown: (string | null)[] = [];
    await firstValueFrom(session.trouble$.pipe(filter((error) => error !== null)));
    const over = new Promise<void>((complete) => {
      session.trouble$
        .pipe(map((error) => error?.code ?? null))
        .subscribe({ next: (code) => shown.push(code), complete });
    });
    expect([session.trouble?.code, shown]).toEqual(['token-refused', ['token-refused']]);
    isRefused = false;
    client.logIn();
    await firstValueFrom(
      session.connectionState$.pipe(
        filter((state) => state === 'connected'),
        take(1),
      ),
    );
    await client.close();
    await over;
    expect([session.trouble, shown]).toEqual([null, ['token-refused', null]]);
    await server.close();
  });

  it('field report F-3: lasts for a day without a token, and ends when there is one', () => {
    const time = new VirtualTimeScheduler();
    const clock: Clock = { scheduler: time, random: () => 0.5, now: () => time.now() };
    const pass = (ms: number): void => {
      time.maxFrames = time.frame + ms;
      time.flush();
      time.frame = time.maxFrames;
    };
    const hour = 3_600_000;
    const server = createSyncServer({
      ...{ storage: memoryStorage(), clock, authorize: () => 'write' },
      authenticate: (token) => {
        if (Number(token) <= clock.now()) throw new TokenRejectedError('token-expired', 'ask for another one');
        return { id: 'anna', expiresAt: Number(token) };
      },
    });
    let isBroken = false;
    const busy = throwError(() => Object.assign(new Error('busy'), { status: 503 }));
    const accessToken = () => (isBroken ? busy : of(String(clock.now() + hour)));
    const client = createSyncClient({ dial: of(server.wire), accessToken, clock });
    const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;
    const troubles: (string | null)[] = [];
    const opened = openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } })
      .pipe(switchMap(({ session }) => session.trouble$))
      .subscribe((error) => troubles.push(error?.code ?? null));
    pass(1_000);
    isBroken = true;
    pass(24 * hour);
    expect(troubles).toEqual([null, 'token-unavailable']);
    isBroken = false;
    pass(hour / 2);
    expect(troubles).toEqual([null, 'token-unavailable', null]);
    opened.unsubscribe();
  });
});
