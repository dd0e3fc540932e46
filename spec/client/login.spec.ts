import { defer, filter, firstValueFrom, type Observable, of, take, tap } from 'rxjs';
import {
  createSyncClient,
  InvalidArgumentError,
  isSome,
  memoryStorage,
  openRealm,
  type ClientEvent,
} from '../../lib/index.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import { TokenRejectedError, allowAnyone, createSyncServer } from '../../lib/server/index.js';
import { waitForValue } from '../wait-for.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;

/** Creates a server on which a token is the user's id. */
const theServer = () =>
  createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => ({ id: token }),
    authorize: () => 'write',
  });

const scene = async ({ token = 'anna', log }: { token?: string; log?: (event: ClientEvent) => void } = {}) => {
  const server = theServer();
  const client = createSyncClient({
    dial: of(server.wire),
    accessToken: () => of(token),
    ...(log ? { log } : {}),
  });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
  if (!isSome(realm.syncSession)) throw new Error('no session');
  const session = realm.syncSession.value;
  const write = (id: string) => realm.write((tx) => tx.create('Task', { id, title: id }));
  const all = async () => (await firstValueFrom(realm.objects$('Task'))).map(({ id }) => id);
  return { server, client, realm, session, write, all };
};

describe('client.logOut', () => {
  it('S16 keeps unsent changes, at once, by default', async () => {
    const { client, session, write, all } = await scene();
    session.pause();
    await write('milk');
    await client.logOut();
    expect(session.status.pending.changesets).toBe(1);
    expect(await all()).toEqual(['milk']);
    await client.close();
  });

  it('S16 waits on request until all is on the server, and continues after the next log-in', async () => {
    const { client, session, write } = await scene();
    session.pause();
    await write('milk');
    let isOut = false;
    const leaving = client.logOut({ unsynced: 'wait' }).then(() => (isOut = true));
    await write('tea'); // This write is later than the log-out, so the log-out does not wait for it, and it is kept.
    expect(isOut).toBe(false);
    expect(session.syncState).toBe('paused');
    session.resume();
    await leaving;
    expect(session.syncState).toBe('inactive');
    client.logIn(() => of('anna'));
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    expect(session.status.pending.changesets).toBe(0);
    await client.close();
  });

  it('S16 is cancelled by a log-in while it waits: the new user stays logged in', async () => {
    const { client, session, write } = await scene();
    session.pause();
    await write('milk');
    const leaving = client.logOut({ unsynced: 'wait' });
    client.logIn(() => of('anna'));
    session.resume();
    await leaving;
    expect(session.syncState).toBe('active');
    await client.close();
  });

  it('S16 does not wait for changes that cannot be sent without a user', async () => {
    const { client, session, write } = await scene();
    session.pause();
    await write('milk');
    session.resume();
    await client.logOut();
    await write('tea');
    await client.logOut({ unsynced: 'wait' });
    expect(session.status.pending.changesets).toBe(1);
    await client.close();
  });

  it('S16 holds: neither resume() nor opening the realm again sends changes without a user', async () => {
    const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
    const binds: (string | null)[] = [];
    const noted = tap<ClientMessage>((message) => message.type === 'bind' && binds.push(message.token));
    const client = createSyncClient({
      dial: of((sentTokens) => server.wire(sentTokens.pipe(noted))),
      accessToken: () => of('anna'),
    });
    const storage = memoryStorage();
    const opening = () => openRealm({ schema, storage, sync: { client, realm: 'team' } });
    const realm = await opening();
    if (!isSome(realm.syncSession)) throw new Error('no session');
    const session = realm.syncSession.value;
    await client.logOut();
    await opening();
    session.resume();
    session.pause();
    session.resume();
    expect(session.status).toMatchObject({ sync: 'inactive', connection: { reason: { kind: 'logged-out' } } });
    client.logIn(() => of('anna'));
    expect([session.syncState, binds]).toEqual(['active', ['anna', 'anna']]);
    await client.close();
  });

  it('C9 closes the connection also inside an observer: the next user has a connection of its own', async () => {
    const server = theServer();
    const sentTokens: [line: number, token: string | null][] = [];
    let connectionCount = 0;
    const dial = defer(() => {
      const connectionNumber = ++connectionCount;
      const noted = tap<ClientMessage>(
        (message) => 'token' in message && sentTokens.push([connectionNumber, message.token]),
      );
      return of((out: Observable<ClientMessage>) => server.wire(out.pipe(noted)));
    });
    const client = createSyncClient({ dial, accessToken: () => of('anna') });
    const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
    if (!isSome(realm.syncSession)) throw new Error('no session');
    const waiting$ = realm.syncSession.value.status$.pipe(filter(({ pending }) => pending.changesets === 1));
    waiting$.pipe(take(1)).subscribe(() => {
      void client.logOut();
      client.logIn(() => of('bob'));
    });
    await realm.write((tx) => tx.create('Task', { id: 'milk', title: 'milk' }));
    expect(sentTokens).toEqual([
      [1, 'anna'],
      [2, 'bob'],
    ]);
    await client.close();
  });

  it('S16 discards unsent changes on request; the next log-in downloads the server’s objects', async () => {
    const { client, session, write, all } = await scene();
    await write('milk');
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    session.pause();
    await write('tea');
    await client.logOut({ unsynced: 'discard' });
    expect(await all()).toEqual([]);
    expect(session.status.pending.changesets).toBe(0);
    client.logIn(() => of('anna'));
    session.resume();
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    expect(await all()).toEqual(['milk']);
    await client.close();
  });

  it('rejects an invalid policy, without a change', async () => {
    const { client, session } = await scene();
    await expect(client.logOut({ unsynced: 'burn' as never })).rejects.toThrow(InvalidArgumentError);
    expect(session.syncState).toBe('active');
    await client.close();
  });

  it('C9 closes the connection: another user who logs in gets a connection of their own', async () => {
    const { client, realm, session, all } = await scene();
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    await client.logOut();
    client.logIn(() => of('ben'));
    const errors: string[] = [];
    session.errors$.subscribe(({ code, message }) => errors.push(`${code} ${message}`));
    // The replica was Anna's: the server rejects it for this realm, and does not reject Ben's connection.
    expect(errors.filter((text) => text.startsWith('user-refused'))).toEqual([]);
    expect(await all()).toEqual([]);
    await realm.close();
    await client.close();
  });
});

describe('an access token that the server rejects as expired', () => {
  it('S17 is renewed with one question, however many realms wait, and everything goes on by itself', async () => {
    const server = createSyncServer({
      storage: memoryStorage(),
      authenticate: (token) => {
        if (token === 'old') throw new TokenRejectedError('token-expired', 'ask for another one');
        return { id: 'anna' };
      },
      authorize: () => 'write',
    });
    let asked = 0;
    const accessToken = () => of(asked++ === 0 ? 'old' : 'new');
    const client = createSyncClient({ dial: of(server.wire), accessToken });
    const codes: string[] = [];
    client.errors$.subscribe(({ code }) => codes.push(code));
    const open = async (name: string) => {
      const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: name } });
      if (!isSome(realm.syncSession)) throw new Error('no session');
      return realm.syncSession.value;
    };
    const sessions = [await open('one'), await open('two')];
    for (const session of sessions) await waitForValue(session.downloadComplete$, 'downloadComplete$');
    expect(asked).toBe(2);
    expect(codes).toEqual([]);
    await client.close();
  });
});

describe('the log', () => {
  it('reports an outage once, not every attempt, and each error of a realm; what it throws does no harm', async () => {
    const events: ClientEvent[] = [];
    const { client, server, session } = await scene({
      log: (event) => {
        events.push(event);
        throw new Error('a log that fails');
      },
    });
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    expect(events).toEqual([]);
    await server.close();
    session.reconnect();
    session.reconnect();
    expect(events).toMatchObject([
      { level: 'warn', event: 'outage', reason: { kind: 'server-error', code: 'restarting' } },
    ]);
    await client.close();
  });
});
