import {
  BehaviorSubject,
  concat,
  concatMap,
  defer,
  EMPTY,
  first,
  firstValueFrom,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  of,
  Subject,
  take,
  takeWhile,
} from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import { isAlive, type ObjectState } from '../../lib/merge/object-state.js';
import type { Operation } from '../../lib/merge/operation.js';
import { bytesOf } from '../../lib/model/changeset.js';
import { openHistory } from '../../lib/server/history/storage-history.js';
import type { History } from '../../lib/server/history/history.js';
import type { ObjectWrite, Permit } from '../../lib/server/index.js';
import { objectTextOf } from '../../lib/model/object-key.js';
import { createHeadState } from '../../lib/server/history/head-state.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { createFakeReplica, second, createTimedServer, type FakeReplica } from './fake-replica.js';

const put = (key: number, by: string): Operation => ({ kind: 'create', type: 'Note', key, values: { by } });
const update = (key: number, by: string): Operation => ({ kind: 'update', type: 'Note', key, values: { by } });
const remove = (key: number): Operation => ({ kind: 'delete', type: 'Note', key });

const alive = ({ states }: FakeReplica) => [...states].filter(([, state]) => isAlive(state)).map(([text]) => text);
const errorsOf = ({ received }: FakeReplica) =>
  received.flatMap((message) => (message.type === 'error' ? [message.code] : []));
const retentionCutoffOf = ({ received }: FakeReplica) =>
  received.flatMap((message) => (message.type === 'bound' ? [message.retentionCutoff] : [])).at(-1);

/** Creates a server with a retention period of one minute, whose permit checks can be delayed. */
const asking = () => {
  const answers = new Subject<true | string>();
  let isSlow = false;
  const asked: ObjectWrite[] = [];
  const permit: Permit = (_, __, write) => {
    asked.push(write);
    return isSlow ? answers.pipe(take(1)) : true;
  };
  const limits = { retentionMs: 60 * second, compactionMs: 20 * second, permitMsMax: 600 * second, snapshotLeaseMs: 1 };
  return {
    ...createTimedServer({ permit, limits }),
    asked,
    slow: (): void => {
      isSlow = true;
    },
    answer: (answer: true | string): void => {
      isSlow = false;
      answers.next(answer);
    },
  };
};

describe('an upload that is still being decided on when what it would have to give way to is old enough to be forgotten', () => {
  /** Creates two notes that were deleted later than an unsent write to them. */
  const scene = () => {
    const made = asking();
    const { server, clock, pass, slow } = made;
    const [writer, away] = [createFakeReplica('writer'), createFakeReplica('away')];
    writer.connect(server);
    writer.write(clock.now(), put(3, 'writer'), put(4, 'writer'));
    away.write(clock.now(), put(3, 'away'));
    pass(second);
    writer.write(clock.now(), remove(3), remove(4));
    pass(50 * second);
    slow();
    away.connect(server);
    pass(60 * second); // After two rounds both could have been removed.
    return { ...made, writer, away };
  };

  it('brings nothing back to life: it is forgotten when the answer is in the history', () => {
    const { server, pass, answer, asked, away, writer, clock, errors } = scene();
    answer(true);
    pass(60 * second);
    expect([away.unsent(), errorsOf(away)]).toEqual([0, []]);
    writer.write(clock.now(), update(3, 'writer, later'));
    pass(second);
    expect(asked.at(-1)).toMatchObject({ key: 3, before: null, after: null });
    const late = createFakeReplica('late');
    late.connect(server);
    expect(retentionCutoffOf(late)).toMatchObject({ version: 3 });
    for (const each of [writer, away, late]) expect(alive(each)).toEqual([]);
    expect(late.counted.snapshots + late.counted.pages).toBe(0); // The replica comes from the history, like the others.
    const again = createFakeReplica('again');
    again.write(0, update(3, 'away again'));
    again.connect(server);
    expect(errorsOf(again)).toEqual(['history-changed']);
    expect(errors()).toEqual([]);
    for (const each of [writer, late]) each.drop();
  });

  it('receives the server state with the delete when it is rejected in the end', () => {
    const { pass, answer, away, writer, clock } = scene();
    away.write(clock.now(), update(3, 'away, later'));
    answer('no');
    pass(second);
    expect([away.unsent(), away.counted.rejected, alive(away)]).toEqual([0, [1], []]);
    pass(60 * second);
    expect(alive(away)).toEqual([]);
    for (const each of [writer, away]) each.drop();
  });

  it('ends with its rejection when permit does not answer, and no compaction waits for it any longer', () => {
    const { server, pass, away, writer, clock } = scene();
    pass(600 * second);
    away.drop();
    pass(60 * second);
    const late = createFakeReplica('late');
    late.connect(server);
    expect(retentionCutoffOf(late)).toMatchObject({ version: 2 });
    away.connect(server);
    expect(errorsOf(away).at(-1)).toBe('history-changed');
    away.reset(clock.now());
    expect(alive(writer)).toEqual([]);
    for (const each of [writer, away, late]) each.drop();
  });
});

describe('an upload that comes again when what it had to give way to has been forgotten since its session was bound', () => {
  it('restores no deleted object on its device, which receives the retention cutoff before the server state', () => {
    const limits = { retentionMs: 60 * second, compactionMs: 20 * second, snapshotLeaseMs: 1 };
    const permit: Permit = (_, __, { after }) => after?.['by'] !== 'refused' || 'no';
    const { server, clock, pass, errors } = createTimedServer({ permit, limits });
    const isFast = new BehaviorSubject(true);
    /** A connection on which uploads are delayed. */
    const slow: typeof server.wire = (sent) =>
      server.wire(
        sent.pipe(
          concatMap((message) =>
            message.type === 'upload'
              ? isFast.pipe(
                  first(Boolean),
                  map(() => message),
                )
              : of(message),
          ),
        ),
      );
    /** A connection that breaks when the server sends a rejection. */
    const breaking: typeof server.wire = (sent) => server.wire(sent).pipe(takeWhile(({ type }) => type !== 'refused'));
    const [writer, away] = [createFakeReplica('writer'), createFakeReplica('away')];
    writer.connect(server);
    writer.write(clock.now(), put(3, 'writer'));
    away.write(clock.now(), update(3, 'refused'), put(4, 'refused'));
    away.write(clock.now(), put(3, 'away'));
    pass(second);
    writer.write(clock.now(), remove(3));
    away.connect({ ...server, wire: breaking });
    expect(away.unsent()).toBe(2);
    pass(70 * second);
    isFast.next(false);
    away.connect({ ...server, wire: slow });
    expect(retentionCutoffOf(away)).toBeNull();
    pass(20 * second);
    isFast.next(true);
    if (!away.isOnline()) away.connect(server);
    expect([away.unsent(), away.counted.rejected, alive(away), alive(writer)]).toEqual([0, [1], [], []]);
    expect(retentionCutoffOf(away)).not.toBeNull();
    expect(errors()).toEqual([]);
    for (const each of [writer, away]) each.drop();
  });
});

describe('an upload that begins with what is in the history, and ends with what is too old', () => {
  it('receives its accepted version, so that its client does not send it again as another replica', () => {
    const limits = { retentionMs: 60 * second, compactionMs: 20 * second, snapshotLeaseMs: 1 };
    const permit: Permit = (_, __, { after }) => after?.['by'] !== 'refused' || 'no';
    const { server, clock, pass, errors } = createTimedServer({ permit, limits });
    const breaking: typeof server.wire = (sent) => server.wire(sent).pipe(takeWhile(({ type }) => type !== 'refused'));
    const [writer, away] = [createFakeReplica('writer'), createFakeReplica('away')];
    writer.connect(server);
    writer.write(clock.now(), put(3, 'writer'));
    away.write(clock.now(), put(4, 'refused'));
    away.write(clock.now(), put(5, 'away'));
    away.connect({ ...server, wire: breaking }); // The second write is in the history, and its acknowledgement was lost.
    pass(second);
    away.write(clock.now(), put(6, 'away'));
    pass(second);
    writer.write(clock.now(), remove(3));
    pass(90 * second); // Long enough for the tombstone to be removed.
    const before = away.received.length;
    away.connect(server);
    const replies = away.received.slice(before).filter(({ type }) => type !== 'download');
    expect(replies).toMatchObject([
      { type: 'bound', accepted: 0, decided: 2 },
      { type: 'refused', version: 1 },
      { type: 'accepted', version: 2 },
      { type: 'error', code: 'history-changed' },
    ]);
    expect(away.unsent()).toBe(1);
    away.reset(clock.now());
    away.connect(server);
    pass(second);
    const late = createFakeReplica('late');
    late.connect(server);
    expect(away.unsent()).toBe(0);
    for (const each of [writer, late]) expect(alive(each)).toHaveLength(2);
    expect(late.known.downloaded).toBe(4); // Two writes of the writer and two of the replica that was away.
    expect(errors()).toEqual([]);
    for (const each of [writer, away, late]) each.drop();
  });
});

describe('objects at the head of a history', () => {
  const x = objectTextOf('Note', 1);
  const stateOf = (states: ReadonlyMap<string, ObjectState>) => states.get(x);

  /** Creates a note that was deleted late, with a write of before that and one of after it. */
  const scene = async () => {
    const history = await firstValueFrom(openHistory(memoryStorage(), 'team', { random: () => 0 }));
    const done = (work$: Observable<unknown>) => lastValueFrom(work$, { defaultValue: undefined });
    const written = [
      ['w', 100, remove(1)],
      ['a', 50, put(1, 'a')],
      ['w', 200, update(1, 'w')],
    ] as const;
    let total = 0;
    const changesets = written.map(([origin, time, operation], index) => {
      const body = encodeOperations([operation]);
      total += bytesOf({ body });
      return { version: index + 1, origin, time, count: 0, body, total };
    });
    await done(history.append({ after: 0, changesets, replicas: new Map(), rejected: [], runs: [] }));
    /** Advances the projection by one changeset, as a page would. */
    const advanced$ = defer(() => {
      const at = history.projection.cursor.version;
      return history.projection.advance({ entries: changesets.slice(at, at + 1), upTo: at + 1 });
    });
    const forgotten$ = defer(() => history.projection.sweep(101));
    const reading = (projection: History['projection'] = history.projection) =>
      createHeadState({
        history: { log: history.log, projection, watchedProperties: history.watchedProperties },
        projector: { lag: () => 0, catchUpTo: () => NEVER },
        clock: systemClock,
        lagBytesMax: 1_000,
      });
    return { history, done, advanced$, forgotten$, reading };
  };

  it('are not what was written before a delete that is forgotten, however far the stored ones have come', async () => {
    const { history, done, advanced$, forgotten$, reading } = await scene();
    const present = reading();
    await done(advanced$);
    await done(present.readStates([])); // From now on the projection knows the next changesets.
    await done(advanced$);
    present.moved(2);
    await done(forgotten$);
    const state = stateOf(await firstValueFrom(present.readStates([x])));
    expect(state).toMatchObject({ born: null, values: { by: 'w' } });
    await done(advanced$);
    expect(stateOf(await firstValueFrom(history.projection.readStates([x])))).toEqual(state);
  });

  it('are not that either when it is forgotten while they are being read', async () => {
    const { history, done, advanced$, forgotten$, reading } = await scene();
    await done(advanced$);
    const { projection } = history;
    let meanwhile$: Observable<unknown> = EMPTY;
    const present = reading({
      ...projection,
      get cursor() {
        return projection.cursor;
      },
      readStates: (texts) =>
        defer(async () => {
          const work$ = meanwhile$;
          meanwhile$ = EMPTY;
          await done(work$);
          return firstValueFrom(projection.readStates(texts));
        }),
    });
    await done(present.readStates([]));
    const moved$ = defer(() => {
      present.moved(2);
      return EMPTY;
    });
    meanwhile$ = concat(advanced$, moved$, forgotten$);
    expect(stateOf(await firstValueFrom(present.readStates([x])))).toMatchObject({ born: null, values: { by: 'w' } });
  });
});
