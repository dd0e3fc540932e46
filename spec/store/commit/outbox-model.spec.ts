import fc from 'fast-check';
import {
  asapScheduler,
  concat,
  concatMap,
  type Observable,
  type SchedulerLike,
  Subject,
  Subscription,
  tap,
} from 'rxjs';
import type { Changeset, RejectedChangeset } from '../../../lib/model/changeset.js';
import { openStore } from '../../../lib/store/open-store.js';
import type { Store } from '../../../lib/store/store.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { createHeldStorage, milk, openTestStore, shapes } from '../test-kit.js';
import { type Answer, isBad, createModelServer, nameOf } from '../model-server.js';

/*
 * The outbox of a client over sequences of steps: writes that are durable late, fail or are rejected by the server;
 * answers that are late or lost; restarts from the disk; clocks that are wrong and corrected; servers that are restored
 * from a backup, which causes client resets. The server is a model that follows docs/PROTOCOL.md. Every write has a
 * name, which identifies it under any version and replica.
 */

/** The value that a stream emits synchronously; `undefined` without one. */
const at = <T>(stream: Observable<T>): T | undefined => {
  const found: { value?: T } = {};
  stream.subscribe((value) => (found.value = value)).unsubscribe();
  return found.value;
};

const toRejection = (version: number, changeset: Changeset): RejectedChangeset => ({
  version,
  code: 'not-permitted',
  writes: [{ type: 'Task', key: nameOf(changeset), reason: 'bad' }],
  serverStates: [{ type: 'Task', key: nameOf(changeset), state: null }],
});

const epoch = 1_763_884_800_000;

const world = () => {
  const server = createModelServer();
  const device = { now: epoch };
  let trueNow = epoch;
  let disk = createHeldStorage();
  let store: Store;
  let connection = new Subscription();
  let session: {
    readonly replica: string;
    readonly outgoing: Changeset[];
    readonly sent: Map<number, Changeset>;
    readonly answers: Answer[];
    readonly accepted$: Subject<number>;
  } | null = null;
  /** Writes whose promise has resolved, and those whose promise was rejected. */
  const durable = new Set<string>();
  const failed = new Set<string>();
  /** The version that the client received as accepted, whether it has stored that or not. */
  const receivedEvents = new Set<string>();
  /** Versions that were acknowledged and then lost by the server. */
  const lost = new Set<string>();
  let writes = 0;

  // The scheduler never yields.
  const scheduler: SchedulerLike = Object.create(asapScheduler, { now: { value: () => 0 } }) as SchedulerLike;
  const clock = { now: () => device.now, random: Math.random, scheduler };
  const start = (): void => {
    openStore({ storage: disk.storage, shapes, clock }).subscribe((made) => (store = made));
    disk.hold();
  };
  start();
  const disconnect = (): void => {
    connection.unsubscribe();
    session = null;
  };
  let commands$ = new Subject<Observable<unknown>>();
  /** Behaves like a session: runs one command after the other, and ends when the storage fails. */
  const does = (command: Observable<unknown>, then: () => void): void =>
    commands$.next(command.pipe(tap({ complete: then })));
  const uploading = (replica: string, accepted: number): void => {
    const accepted$ = new Subject<number>();
    commands$ = new Subject();
    commands$.pipe(concatMap((command) => command)).subscribe({ error: disconnect });
    session = { replica, outgoing: [], sent: new Map(), answers: [], accepted$ };
    const { outgoing } = session;
    connection = store.uploads(accepted, accepted$, () => 8).subscribe((page) => void outgoing.push(...page));
  };
  const connect = (): void => {
    disconnect();
    const greeting = at(store.greeting$);
    if (!greeting) return;
    const { replica, history, acknowledged } = greeting;
    const bound = server.bind(replica, history, acknowledged);
    if (bound === null) {
      store.reset('keepReplica').subscribe({ error: () => undefined });
      return;
    }
    const { accepted, decided } = bound;
    for (const name of bound.names) receivedEvents.add(name);
    const wait = new Subscription();
    connection = wait;
    const time = {
      serverTime: trueNow,
      offset: trueNow - device.now,
      margin: 0,
      decided,
    };
    wait.add(
      concat(store.adopt(bound.history), store.acknowledge(accepted), store.correct(time)).subscribe({
        complete: () => {
          if (connection === wait) uploading(replica, accepted);
        },
        error: disconnect,
      }),
    );
  };
  const upload = (most: number): void => {
    if (!session) return;
    for (const changeset of session.outgoing.splice(0, most)) {
      expect(durable).toContain(nameOf(changeset));
      session.sent.set(changeset.version, changeset);
      session.answers.push(server.upload(session.replica, changeset));
    }
  };
  const receive = (most: number): void => {
    if (!session) return;
    const { answers, sent, accepted$ } = session;
    for (const answer of answers.splice(0, most)) {
      if ('accepted' in answer) {
        for (const [version, each] of sent)
          if (version <= answer.accepted && !isBad(nameOf(each))) receivedEvents.add(nameOf(each));
        does(store.acknowledge(answer.accepted), () => accepted$.next(answer.accepted));
      } else
        does(store.rollBack(toRejection(answer.rejected, sent.get(answer.rejected)!)), () =>
          accepted$.next(answer.rejected),
        );
    }
  };
  const write = (isGood: boolean): void => {
    const name = `${isGood ? 'good' : 'bad'} ${(writes += 1)}`;
    store
      .write((tx) => tx.create('Task', { ...milk, id: name }))
      .subscribe({ next: () => durable.add(name), error: () => failed.add(name) });
  };
  const crash = (): void => {
    disconnect();
    const next = createHeldStorage();
    const all = at(disk.inner.range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity })) ?? [];
    const changes = all.map(([key, value]) => ({ type: 'put', key, value }) as const);
    if (changes.length > 0) next.inner.batch(changes, { durable: true }).subscribe();
    disk = next;
    start();
  };
  const restore = (): void => {
    disconnect();
    for (const name of server.restore()) if (receivedEvents.has(name)) lost.add(name);
  };
  /** Reads a store that was opened on the stored data. */
  const check = (): void => {
    const again = openTestStore(disk.inner);
    const [memory, stored] = [at(store.outbox$), at(again.outbox$)];
    expect(memory).toEqual(stored);
    expect(at(store.rejectedWrites$)).toEqual(at(again.rejectedWrites$));
    expect(memory!.written - memory!.acknowledged).toBe(memory!.changesets);
  };
  const finish = (): void => {
    while (disk.finish() > 0);
  };
  /** A session without errors that uploads all pending changesets, or some of them. */
  const exchange = (most: number, received = most): void => {
    connect();
    finish();
    upload(most);
    receive(received);
    finish();
  };
  const drain = (): void => {
    finish();
    for (let round = 0; round < 200 && at(store.outbox$)!.changesets > 0; round += 1) exchange(100);
    expect(at(store.outbox$)).toMatchObject({ changesets: 0, bytes: 0 });
  };
  const rejectedNames = (): readonly string[] =>
    (at(store.rejectedWrites$) ?? []).map(({ objects }) => String(objects[0]?.key));
  return {
    ...{
      server,
      write,
      connect,
      upload,
      hear: receive,
      drop: disconnect,
      crash,
      restore,
      check,
      drain,
      exchange,
      rejectedNames,
      durable,
      lost,
    },
    finish: () => void disk.finish(),
    fail: () => disk.fail(),
    /** Hours pass, and the device's clock may be set. */
    pass: (hours: number, isSet: boolean) => {
      trueNow += 60_000;
      device.now = isSet ? trueNow + hours * 3_600_000 : device.now + 60_000;
    },
  };
};

type World = ReturnType<typeof world>;
type Command = fc.Command<object, World>;

const command = (name: string, run: (world: World) => void): Command => ({
  check: () => true,
  run: (_, real) => {
    run(real);
    real.check();
  },
  toString: () => name,
});
const constant = (name: string, run: (world: World) => void) => fc.constant(command(name, run));

const write = fc
  .integer({ min: 0, max: 3 })
  .map((luck) => command(`write ${luck > 0 ? 'good' : 'bad'}`, (each) => each.write(luck > 0)));
const finish = constant('finish', (each) => each.finish());
const upload = fc.integer({ min: 1, max: 4 }).map((most) => command(`upload ${most}`, (each) => each.upload(most)));
const receive = fc.integer({ min: 1, max: 4 }).map((most) => command(`hear ${most}`, (each) => each.hear(most)));

const exchange = fc
  .integer({ min: 1, max: 9 })
  .map((most) => command(`exchange ${most}`, (each) => each.exchange(most)));

const commands = fc.commands(
  [
    ...[write, write, write, finish, finish, finish, upload, upload, receive, receive],
    constant('connect', (each) => each.connect()),
    exchange,
    exchange,
    constant('drop', (each) => each.drop()),
    constant('fail', (each) => each.fail()),
    constant('crash', (each) => each.crash()),
    constant('back up', (each) => each.server.backUp()),
    constant('restore', (each) => each.restore()),
    fc
      .tuple(fc.integer({ min: -5, max: 5 }), fc.boolean())
      .map(([hours, isSet]) => command(`time ${hours} ${isSet}`, (each) => each.pass(hours, isSet))),
  ],
  { maxCommands: 40, size: 'max' },
);

describe('the outbox of a client', () => {
  it.each([
    ['in the same process', false],
    ['after a restart', true],
  ])(
    'field report H-1: changesets uploaded after a rejection that was not received keep their stamps, although the clock is ahead: %s',
    (_, isCrash) => {
      const real = world();
      real.write(false);
      real.write(true);
      real.exchange(2, 0);
      if (isCrash) real.crash();
      real.pass(5, true);
      real.drain(); // The model compares changesets that are sent again with its own.
      expect([real.server.names(), real.rejectedNames()]).toEqual([['good 2'], ['bad 1']]);
    },
  );

  it('field report H-1: loses nothing and sends nothing twice, for any sequence of writes, answers, disconnects, restarts, clocks and client resets', () => {
    fc.assert(
      fc.property(commands, (steps) => {
        const real = world();
        fc.modelRun(() => ({ model: {}, real }), steps);
        real.drain();
        const there = new Set(real.server.names());
        const rejected = real.rejectedNames();
        for (const name of real.durable) {
          if (isBad(name)) expect(rejected.filter((each) => each === name)).toEqual([name]);
          else if (!real.lost.has(name)) expect(there).toContain(name);
        }
        expect(rejected).toHaveLength(new Set(rejected).size);
      }),
      runOptions(150),
    );
  }, 120_000);
});
