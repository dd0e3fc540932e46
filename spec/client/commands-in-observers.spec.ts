import { defer, filter, firstValueFrom, from, map, type Observable, of, take, tap } from 'rxjs';
import {
  createSyncClient,
  isSome,
  memoryStorage,
  openRealm,
  type SyncClient,
  type SyncSession,
} from '../../lib/index.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import { TokenRejectedError, createSyncServer } from '../../lib/server/index.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;

/** A sent message with the token of its connection: a bind or an upload. */
interface Sent {
  readonly connectionNumber: number;
  readonly type: string;
  readonly token: string | null;
}

/** Creates a server on which a token is the user's id up to a dash. It rejects the user "bad". */
const serverOf = () =>
  createSyncServer({
    storage: memoryStorage(),
    authenticate: (token) => {
      const [id = '', rest] = token.split('-');
      if (rest === 'bad') throw new TokenRejectedError('token-refused', 'no longer');
      return { id };
    },
    authorize: () => 'write',
  });

const scene = async (token: () => Observable<string> = () => of('anna')) => {
  const server = serverOf();
  const sent: Sent[] = [];
  let lines = 0;
  const dial = defer(() => {
    const connectionNumber = ++lines;
    let token: string | null = null;
    const noted = tap<ClientMessage>((message) => {
      if ('token' in message) token = message.token ?? token; // A token that is sent once applies to the whole connection.
      if (message.type !== 'ping' && message.type !== 'unbind')
        sent.push({ connectionNumber, type: message.type, token });
    });
    return of((messages$: Observable<ClientMessage>) => server.wire(messages$.pipe(noted)));
  });
  const client = createSyncClient({ dial, accessToken: () => token() });
  const codes: string[] = [];
  client.errors$.subscribe(({ code }) => codes.push(code));
  const realms = [await opening(client, 'one'), await opening(client, 'two')] as const;
  const sessions = realms.map(sessionOf) as [SyncSession, SyncSession];
  return { client, realms, sessions, sent, codes };
};

const opening = (client: SyncClient, realm: string) =>
  openRealm({ schema, storage: memoryStorage(), sync: { client, realm } });
type Tasks = Awaited<ReturnType<typeof opening>>;

const sessionOf = (realm: Tasks): SyncSession => {
  if (!isSome(realm.syncSession)) throw new Error('no session');
  return realm.syncSession.value;
};
const add = (realm: Tasks, id: string) => realm.write((tx) => tx.create('Task', { id, title: id }));
const tokensIn = (sent: readonly Sent[]) => [
  ...new Set(sent.map(({ connectionNumber, token }) => `${connectionNumber} ${token}`)),
];
/** Runs a function once, inside the observer that receives this state. */
const when = <T>(state$: Observable<T>, wanted: T, then: () => void): void => {
  state$
    .pipe(
      filter((state) => state === wanted),
      take(1),
    )
    .subscribe(then);
};

describe('commands from inside observers', () => {
  it.each([0, 1] as const)(
    'field report G-5: a log-out in an observer of session %i that runs inside a log-in leaves no user logged in',
    async (at) => {
      const { client, sessions, sent, codes } = await scene();
      await client.logOut();
      const before = sent.length;
      when(sessions[at].syncState$, 'active', () => void client.logOut());
      client.logIn(() => of('ben'));
      expect(sessions.map(({ status }) => [status.sync, status.connection])).toEqual(
        sessions.map(() => [
          'inactive',
          { state: 'disconnected', reason: { kind: 'logged-out' }, attempt: 0, retryAt: null },
        ]),
      );
      expect([sent.slice(before), codes]).toEqual([[], []]);
      client.logIn(() => of('anna'));
      for (const { downloadComplete$ } of sessions) await firstValueFrom(downloadComplete$);
      expect(tokensIn(sent.slice(before))).toEqual(['3 anna']); // The second connection was closed before any message was sent.
      await client.close();
    },
  );

  it('field report G-5: a log-in in an observer that runs inside a log-out wins, with a connection of its own', async () => {
    const { client, realms, sessions, sent, codes } = await scene();
    for (const { downloadComplete$ } of sessions) await firstValueFrom(downloadComplete$);
    when(sessions[0].syncState$, 'inactive', () => client.logIn(() => of('anna-2')));
    await client.logOut();
    expect(sessions.map(({ syncState }) => syncState)).toEqual(['active', 'active']);
    await add(realms[1], 'milk');
    for (const { uploadComplete$ } of sessions) await firstValueFrom(uploadComplete$);
    expect([tokensIn(sent), codes]).toEqual([['1 anna', '2 anna-2'], []]);
    await client.close();
  });

  it('field report G-5: changes that are written between a log-out and a log-in inside an observer are sent for the new user', async () => {
    const { client, realms, sessions, sent, codes } = await scene();
    for (const { downloadComplete$ } of sessions) await firstValueFrom(downloadComplete$);
    const before = sent.length;
    sessions[1].pause();
    const work: Promise<unknown>[] = [];
    when(sessions[0].status$.pipe(map(({ pending }) => pending.changesets)), 1, () => {
      work.push(client.logOut());
      client.logIn(() => of('anna-2'));
      sessions[1].resume();
      work.push(add(realms[0], 'tea'), opening(client, 'three'));
    });
    await add(realms[0], 'milk');
    await Promise.all(work);
    for (const { uploadComplete$ } of sessions) await firstValueFrom(uploadComplete$);
    // The write was sent before its observer ran, and no later message was sent on that connection.
    const [first, ...rest] = sent.slice(before);
    expect([first, tokensIn(rest)]).toEqual([{ connectionNumber: 1, type: 'upload', token: 'anna' }, ['2 anna-2']]);
    expect(codes).toEqual([]);
    await client.close();
  });

  it('field report G-5: a log-in inside errors$ is not undone by the error that it answers', async () => {
    const { client, sessions, codes } = await scene();
    await client.logOut();
    const isIn = new Promise<void>((resolve) => {
      client.errors$.pipe(take(1)).subscribe(() => {
        client.logIn();
        resolve();
      });
    });
    client.logIn(() => from(Promise.resolve('anna-bad')));
    await isIn;
    for (const { downloadComplete$ } of sessions) await firstValueFrom(downloadComplete$);
    expect(sessions.map(({ syncState: state }) => state)).toEqual(['active', 'active']);
    expect(codes).toEqual(['token-refused']);
    await client.close();
  });

  it('field report G-5: a log-out inside errors$, and one inside accessToken, ends everything', async () => {
    const inside: (() => void)[] = [];
    const { client, sessions, sent } = await scene(() => {
      inside.pop()?.();
      return of('anna');
    });
    for (const { downloadComplete$ } of sessions) await firstValueFrom(downloadComplete$);
    await client.logOut();
    const before = sent.length;
    inside.push(() => void client.logOut());
    client.logIn();
    expect(sessions.map(({ syncState: state }) => state)).toEqual(['inactive', 'inactive']);
    client.errors$.subscribe(() => void client.logOut());
    client.logIn(() => of('anna-bad'));
    expect(sessions.map(({ syncState: state }) => state)).toEqual(['inactive', 'inactive']);
    expect(tokensIn(sent.slice(before))).toEqual(['2 anna-bad']);
    client.logIn();
    expect(sessions.map(({ syncState: state }) => state)).toEqual(['active', 'active']);
    await client.close();
  });

  it('field report G-5: pause and close inside an observer: nothing more is sent, and all is released', async () => {
    const { client, realms, sessions, sent } = await scene();
    for (const { downloadComplete$ } of sessions) await firstValueFrom(downloadComplete$);
    const before = sent.length;
    when(sessions[0].status$.pipe(map(({ pending }) => pending.changesets)), 1, () => {
      sessions[0].pause();
      void add(realms[0], 'tea');
    });
    await add(realms[0], 'milk');
    await add(realms[0], 'rice');
    expect([sessions[0].syncState, sent.length - before]).toEqual(['paused', 1]); // It was sent before.
    expect(sessions[0].status.pending.changesets).toBe(2);
    let isClosed = false;
    when(sessions[1].status$.pipe(map(({ pending }) => pending.changesets)), 1, () => {
      void client.logOut({ unsynced: 'discard' });
      client.logIn();
      void client.close().then(() => (isClosed = true));
    });
    await add(realms[1], 'tea');
    await client.close();
    expect([isClosed, sessions.map(({ syncState: state }) => state), sent.length - before]).toEqual([
      true,
      ['paused', 'inactive'],
      2,
    ]);
  });
});
