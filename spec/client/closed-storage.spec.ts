import {
  defer,
  EMPTY,
  type Observable,
  of,
  ReplaySubject,
  Subject,
  switchMap,
  take,
  throwError,
  VirtualTimeScheduler,
} from 'rxjs';
import {
  isSome,
  memoryStorage,
  openRealm,
  type OpenStorage,
  type Storage,
  StorageError,
  systemClock,
} from '../../lib/index.js';
import { addTask, open as opening } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } } } as const;

const virtual = () => {
  const scheduler = new VirtualTimeScheduler();
  let at = 0;
  const pass = (ms: number): void => {
    at += ms;
    scheduler.maxFrames = at;
    scheduler.flush();
    scheduler.frame = at;
  };
  return { clock: { ...systemClock, scheduler }, pass };
};

/** Creates a storage whose connection can be closed by others, before or after pending writes are stored. */
const location = () => {
  const inner = memoryStorage();
  const state = { opened: 0, there: true, mute: false, alive: 0, lost: new ReplaySubject<StorageError>(1) };
  const answers = new Subject<void>();
  let dropping: 'before' | 'after' | null = null;
  const error = new StorageError('the connection was closed');
  const lose = (): void => {
    state.alive = 0;
    state.lost.next(error);
  };
  const open: OpenStorage = defer(() => {
    if (!state.there) return throwError(() => new StorageError('there is no room'));
    const number = ++state.opened;
    state.alive = number;
    state.lost = new ReplaySubject<StorageError>(1);
    const whileAlive = <A>(work: () => Observable<A>): Observable<A> =>
      defer(() => (state.alive === number ? work() : throwError(() => error)));
    const storage: Storage = {
      range: (range) => whileAlive(() => inner.range(range)),
      batch: (changes, options) =>
        whileAlive(() => {
          if (state.mute)
            return answers.pipe(
              take(1),
              switchMap(() => inner.batch(changes, options)),
            );
          if (dropping === 'after') inner.batch(changes, options).subscribe();
          if (dropping === null) return inner.batch(changes, options);
          dropping = null;
          lose();
          return throwError(() => error);
        }),
      close: () => EMPTY,
      lost$: state.lost,
    };
    return of(storage);
  });
  const drop = (when: 'before' | 'after'): void => void (dropping = when);
  return { open, state, lose, drop, inner, answers };
};

const session = (realm: Awaited<ReturnType<typeof opening.realm>>) => {
  if (!isSome(realm.syncSession)) throw new Error('no session');
  return realm.syncSession.value;
};

describe('a storage whose connection the browser closes', () => {
  it.each(['before', 'after'] as const)(
    'field report B-5: is opened again with its data intact, and pending writes are repeated: closed %s they were stored',
    async (when) => {
      const { open, state, drop, inner } = location();
      const server = opening.server();
      const client = opening.client({ dial: of(server.wire) });
      const realm = await opening.realm(client, open);
      const events: string[] = [];
      session(realm).errors$.subscribe(({ code }) => events.push(code));
      session(realm).syncState$.subscribe((sync) => events.push(sync));
      await addTask(realm, 'a');
      drop(when);
      await addTask(realm, 'b');
      await addTask(realm, 'c');
      await waitForValue(session(realm).uploadComplete$, 'uploadComplete$');
      expect([state.opened, events]).toEqual([2, ['active']]);
      await realm.close();
      await client.close();
      const again = await openRealm({ schema, storage: inner });
      expect(['a', 'b', 'c'].map((key) => again.get('Task', key)?.id)).toEqual(['a', 'b', 'c']);
    },
  );

  it('field report B-5: continues by itself when it can only be opened later; writes are rejected until then', async () => {
    const { open, state, lose, inner } = location();
    const { clock, pass } = virtual();
    const server = opening.server();
    const client = opening.client({ dial: of(server.wire), clock });
    const realm = await opening.realm(client, open);
    await addTask(realm, 'a');
    state.there = false;
    lose();
    expect(session(realm).status).toMatchObject({ sync: 'inactive', connection: { reason: { code: 'storage' } } });
    await expect(addTask(realm, 'b')).rejects.toBeInstanceOf(StorageError);
    state.there = true;
    pass(1_000);
    expect(session(realm).status.sync).toBe('active');
    await addTask(realm, 'c');
    await realm.close();
    await client.close();
    const again = await openRealm({ schema, storage: inner });
    expect(['a', 'b', 'c'].map((key) => again.get('Task', key)?.id)).toEqual(['a', undefined, 'c']);
  });

  it('field report B-5: takes back a write that was rejected although the storage had it', async () => {
    const { open, state, drop, inner } = location();
    const { clock, pass } = virtual();
    const realm = await openRealm({ schema, storage: open, clock });
    const write = (id: string) => realm.write((tx) => tx.create('Task', { id, title: '', done: false }));
    await write('a');
    state.there = false;
    drop('after');
    await expect(write('b')).rejects.toBeInstanceOf(StorageError);
    state.there = true;
    pass(1_000);
    await write('c');
    await realm.close();
    const again = await openRealm({ schema, storage: inner });
    expect(['a', 'b', 'c'].map((key) => again.get('Task', key)?.id)).toEqual(['a', undefined, 'c']);
  });

  it('field report B-5: is not changed when another process has written to it meanwhile', async () => {
    const { open, state, lose, inner } = location();
    const { clock, pass } = virtual();
    const realm = await openRealm({ schema, storage: open, clock });
    await realm.write((tx) => tx.create('Task', { id: 'a', title: '', done: false }));
    state.there = false;
    lose();
    const other = await openRealm({ schema, storage: { ...inner, close: () => EMPTY } });
    await other.write((tx) => tx.create('Task', { id: 'theirs', title: '', done: false }));
    await other.close();
    state.there = true;
    pass(60_000);
    await expect(realm.write((tx) => tx.delete('Task', 'a'))).rejects.toBeInstanceOf(StorageError);
    await realm.close();
    const again = await openRealm({ schema, storage: inner });
    expect(again.get('Task', 'theirs')).toBeDefined();
  });

  it('field report B-5: a storage that does not answer is reported after its bound, and when it answers work continues', async () => {
    const { open, state, answers } = location();
    const { clock, pass } = virtual();
    const server = opening.server();
    const client = opening.client({ dial: of(server.wire), clock, timeouts: { storage: 5_000 } });
    const realm = await opening.realm(client, open);
    await addTask(realm, 'a');
    state.mute = true;
    const writing = addTask(realm, 'b');
    pass(4_999);
    expect(session(realm).status.sync).toBe('active');
    pass(1);
    expect(session(realm).status).toMatchObject({ sync: 'inactive', connection: { reason: { code: 'storage' } } });
    const errors: string[] = [];
    session(realm).errors$.subscribe(({ code }) => errors.push(code));
    state.mute = false;
    answers.next();
    await writing;
    expect(session(realm).status.sync).toBe('active');
    await waitForValue(session(realm).uploadComplete$, 'uploadComplete$');
    expect(errors).toEqual([]);
  });
});
