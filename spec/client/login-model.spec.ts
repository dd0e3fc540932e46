import fc from 'fast-check';
import { defer, firstValueFrom, type Observable, of, skip, take, tap } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type Realm, type SyncSession } from '../../lib/index.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import { createSyncServer } from '../../lib/server/index.js';
import { createDisk } from './disk-kit.js';
import { nextTurn } from './test-kit.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;
type Tasks = Realm<typeof schema, SyncSession>;

const commands = ['logIn', 'logOut', 'wait', 'discard', 'write', 'open', 'close', 'pause', 'resume', 'turn'] as const;
interface Step {
  readonly command: (typeof commands)[number];
  readonly realm: 0 | 1;
  /** Whether an observer of the session runs this command at its next value. */
  readonly isInside: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  command: fc.constantFrom(...commands),
  realm: fc.constantFrom(0 as const, 1 as const),
  isInside: fc.boolean(),
});

/** One write and its state. */
interface Write {
  readonly id: string;
  readonly realm: number;
  isDurable: boolean;
  isSent: boolean;
  isDiscarded: boolean;
}

/** Creates one user with two realms on slow disks, and a server that accepts every write. */
const world = () => {
  const server = createSyncServer({
    storage: memoryStorage(),
    authenticate: () => ({ id: 'anna' }),
    authorize: () => 'write',
  });
  const writes: Write[] = [];
  const broken: string[] = [];
  const sees = (message: ClientMessage, connection: { token: string | null }): void => {
    if ('token' in message) connection.token = message.token ?? connection.token;
    if (message.type === 'bind' && connection.token === null) broken.push('a bind without a token');
    if (message.type !== 'upload') return;
    const bytes = message.changesets.map(({ body }) => Buffer.from(body).toString('latin1')).join();
    for (const write of writes.filter(({ id }) => bytes.includes(id))) {
      if (write.isDiscarded && !write.isSent) broken.push(`${write.id} was sent after it was discarded`);
      write.isSent = true;
    }
  };
  const dial = defer(() => {
    const connection = { token: null };
    return of((sent: Observable<ClientMessage>) => server.wire(sent.pipe(tap((message) => sees(message, connection)))));
  });
  const client = createSyncClient({ dial, accessToken: () => of('first') });
  const disks = [createDisk(), createDisk()];
  for (const each of disks) each.isSlow = true;
  return { server, writes, broken, client, disks };
};

type World = ReturnType<typeof world>;

const playing = ({ client, disks, writes, broken }: World) => {
  const realms: (Tasks | null)[] = [null, null];
  const underWay: Promise<unknown>[] = [];
  let logIns = 0;
  let isOver = false; // After the end, waiting observers do nothing.
  const failed = (what: string) => (thrown: unknown) => void broken.push(`${what}: ${String(thrown)}`);
  const open = async (at: number): Promise<void> => {
    const realm = await openRealm({ schema, storage: disks[at]!.open, sync: { client, realm: `team-${at}` } });
    const before = realms[at];
    realms[at] = realm;
    await before?.close();
  };
  const write = (at: number): void => {
    const realm = realms[at];
    if (!realm) return;
    const made: Write = { id: `w${writes.length}w`, realm: at, isDurable: false, isSent: false, isDiscarded: false };
    writes.push(made);
    const isDurable = (): void => void (made.isDurable = true);
    underWay.push(realm.write((tx) => tx.create('Task', { id: made.id })).then(isDurable, failed('write')));
  };
  const logOut = (unsynced: 'keep' | 'wait' | 'discard'): void => {
    // Before the call, because writes of observers inside it are later than the log-out.
    if (unsynced === 'discard') for (const each of writes) each.isDiscarded = true;
    const leaving = client.logOut({ unsynced });
    if (unsynced !== 'wait') underWay.push(leaving.catch(failed('logOut'))); // A log-out that waits may never resolve.
  };
  const does: Readonly<Record<Step['command'], (at: 0 | 1) => void>> = {
    logIn: () => client.logIn(() => of(`token-${(logIns += 1)}`)),
    logOut: () => logOut('keep'),
    wait: () => logOut('wait'),
    discard: () => logOut('discard'),
    write,
    open: (at) => void underWay.push(open(at).catch(failed('open'))),
    close: (at) => {
      const realm = realms[at];
      realms[at] = null;
      underWay.push(realm?.close().catch(failed('close')) ?? Promise.resolve());
    },
    pause: (at) => realms[at]?.session.pause(),
    resume: (at) => realms[at]?.session.resume(),
    turn: () => undefined,
  };
  const play = async ({ command, realm, isInside }: Step): Promise<void> => {
    if (command === 'turn') await nextTurn();
    else if (isInside && realms[realm])
      realms[realm].session.status$.pipe(skip(1), take(1)).subscribe(() => (isOver ? undefined : does[command](realm)));
    else does[command](realm);
  };
  const end = (): void => void (isOver = true);
  return { play, does, realms, underWay, end };
};

describe('log-ins and log-outs in any order', () => {
  it('field report G-2, G-5: nothing discarded is sent, nothing written since is lost, no session binds without a user', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        const model = world();
        const { play, does, realms, underWay, end } = playing(model);
        for (const at of [0, 1] as const) does.open(at);
        await Promise.all(underWay);
        for (const each of steps) await play(each);
        await Promise.all(underWay);
        end();
        does.logIn(0);
        for (const at of [0, 1] as const) if (!realms[at]) does.open(at);
        while (underWay.length > 0) await underWay.pop();
        for (const [at, realm] of realms.entries()) {
          if (!realm) throw new Error('no realm');
          realm.session.resume();
          await firstValueFrom(realm.session.uploadComplete$);
          await firstValueFrom(realm.session.downloadComplete$);
          const found = new Set(realm.objects('Task').map(({ id }) => id));
          for (const { id, isDurable, isSent, isDiscarded } of model.writes.filter((write) => write.realm === at)) {
            if (isDurable && !isDiscarded && !found.has(id)) model.broken.push(`${id} is lost`);
            if (isDiscarded && !isSent && found.has(id)) model.broken.push(`${id} is still there`);
          }
        }
        await model.client.close();
        await model.server.close();
        expect(model.broken).toEqual([]);
      }),
      {
        numRuns: Number(process.env['RUNS'] ?? 60),
        timeout: 5_000,

        ...(process.env['SEED'] && { seed: Number(process.env['SEED']) }),
      },
    );
  }, 120_000);
});
