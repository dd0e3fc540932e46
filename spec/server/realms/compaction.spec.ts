import { historyBlockForm } from '../../../lib/server/history/history-block.js';
import { firstValueFrom } from 'rxjs';
import type { Operation } from '../../../lib/merge/operation.js';
import type { Values } from '../../../lib/model/value.js';
import { day, createFakeReplica, second, createTimedServer, type FakeReplica } from '../fake-replica.js';

const put = (key: number, values: Values = {}): Operation => ({ kind: 'create', type: 'Note', key, values });
const update = (key: number, values: Values): Operation => ({ kind: 'update', type: 'Note', key, values });
const remove = (key: number): Operation => ({ kind: 'delete', type: 'Note', key });
const minute = 60 * second;
const hours = 6 * 60 * minute;

/** Creates a server that compacts its realms every minute, and a writer. */
const world = (limits: Record<string, number> = {}) => {
  const made = createTimedServer({ limits: { projectionLagBytesMax: 1_024, ...limits } });
  const writer = createFakeReplica('writer');
  writer.connect(made.server);
  /** Changes one object after the other, repeatedly. */
  const write = (changes: number, objects = 10): void => {
    writer.drop(); // One page is faster than single changesets.
    for (let n = 0; n < changes; n += 1) writer.write(made.clock.now(), put(n % objects, { n, at: made.clock.now() }));
    do writer.connect(made.server);
    while (writer.unsent() > 0);
  };
  /** Returns the number of stored changesets, and the stored objects. */
  const stored = async () => {
    const under = async (prefix: string) => {
      const range = { from: `realm/team/${prefix}`, to: `realm/team/${prefix}~`, limit: 1e6, bytesMax: Infinity };
      return firstValueFrom(made.storage.range(range));
    };
    const textsUnder = async (prefix: string) => (await under(prefix)).map(([key]) => key.slice(11 + prefix.length));
    const blocks = (await under('log/e')).map(([key, bytes]) => historyBlockForm.decode(key, bytes));
    return {
      changesets: blocks.reduce((sum, block) => sum + block.length, 0),
      objects: await textsUnder('object/'),
      index: await textsUnder('dead/'),
    };
  };
  return { ...made, writer, write, stored };
};

const errorOf = ({ received }: FakeReplica) =>
  received.flatMap((message) => (message.type === 'error' ? [message.code] : [])).at(-1);
const snapshotOf = ({ received }: FakeReplica) =>
  received.flatMap((message) => (message.type === 'bound' ? [message.snapshot] : [])).at(-1);
const alive = ({ states }: FakeReplica) => [...states].filter(([, { born }]) => born !== null).map(([text]) => text);

describe('the history of a realm', () => {
  it('is trimmed behind connected replicas, a bounded piece at a time, and only when it is worth it', async () => {
    const { write, writer, pass, stored, errors } = world();
    write(900);
    pass(2 * minute);
    expect((await stored()).changesets).toBe(900);
    write(24_600);
    pass(second);
    expect((await stored()).changesets).toBe(25_500);
    pass(2 * minute);
    // The writer receives its own cursor only from time to time, and the cursor counts only up to there.
    expect((await stored()).changesets).toBeLessThanOrEqual(2_000);
    expect(errors()).toEqual([]);
    writer.drop();
  });

  it('is kept for replicas that were connected lately; others start from a snapshot', async () => {
    const { server, write, writer, pass, stored, clock } = world({ retentionMs: 30 * day, compactionMs: hours });
    const [often, seldom] = [createFakeReplica('often'), createFakeReplica('seldom')];
    write(100);
    for (const each of [often, seldom]) {
      each.connect(server);
      each.drop();
    }
    pass(25 * day);
    write(5_000, 5_000);
    pass(day / 2);
    expect((await stored()).changesets).toBe(5_100);
    often.connect(server);
    expect([often.counted.snapshots, often.states]).toEqual([0, writer.states]);
    often.drop();
    pass(4 * day);
    expect((await stored()).changesets).toBe(5_100);
    pass(2 * day);
    expect((await stored()).changesets).toBeLessThanOrEqual(1_100);
    write(1);
    often.connect(server);
    expect([often.counted.snapshots, often.states]).toEqual([0, writer.states]);
    seldom.write(clock.now(), put(77));
    seldom.connect(server);
    expect([snapshotOf(seldom), errorOf(seldom)]).toEqual([5_100, undefined]);
    expect(seldom.states).toEqual(writer.states);
    for (const each of [often, seldom, writer]) each.drop();
  });

  it('is not kept for replicas that have downloaded nothing', async () => {
    const { server, write, writer, pass, stored } = world();
    const fresh = createFakeReplica('fresh');
    fresh.connect(server);
    fresh.drop();
    write(3_000);
    pass(3 * minute);
    expect((await stored()).changesets).toBeLessThanOrEqual(1_000);
    fresh.connect(server);
    expect([snapshotOf(fresh), fresh.states]).toEqual([3_000, writer.states]);
    for (const each of [fresh, writer]) each.drop();
  });

  it('that has been trimmed accepts everything once, after a restart as well', async () => {
    const { make, write, writer, pass, stored } = world();
    write(3_000);
    pass(3 * minute);
    writer.drop();
    const known = { ...writer.known };
    const again = make();
    expect((await stored()).changesets).toBeLessThanOrEqual(1_000);
    writer.known.acknowledged = 2_900;
    writer.connect(again);
    writer.say({
      type: 'upload',
      session: 1,
      changesets: [{ version: 2_950, time: 1, count: 0, body: Uint8Array.of(0x91, 0x93, 3, 0xa1, 0x54, 1) }],
    });
    expect(writer.received.at(-1)).toMatchObject({ type: 'accepted', version: 3_000 });
    expect(known.acknowledged).toBe(3_000);
    writer.known.acknowledged = 3_000;
    const reader = createFakeReplica('reader');
    reader.connect(again);
    expect(reader.states).toEqual(writer.states);
    for (const each of [reader, writer]) each.drop();
  });
});

describe('an object that was deleted', () => {
  it('is kept for replicas that may not have it, and removed when no such replica is left', async () => {
    const { server, write, writer, pass, stored, clock } = world({ retentionMs: 30 * day, compactionMs: hours });
    write(1_500);
    writer.write(clock.now(), remove(3), remove(4));
    writer.write(clock.now(), put(4, { again: true }));
    pass(29 * day);
    const early = createFakeReplica('early');
    early.connect(server);
    expect(early.states.has('Note number 3')).toBe(true);
    expect((await stored()).objects).toContain('Note/n3');
    early.drop();
    pass(2 * day);
    expect((await stored()).objects).not.toContain('Note/n3');
    expect(await stored()).toMatchObject({ index: [] });
    const late = createFakeReplica('late');
    late.connect(server);
    expect(late.states.has('Note number 3')).toBe(false);
    expect(alive(late)).toEqual(alive(writer));
    for (const each of [late, writer]) each.drop();
  });

  it('does not come back by an earlier write, whose replica has to reset', async () => {
    const { server, write, writer, pass, clock } = world({ retentionMs: 30 * day, compactionMs: hours });
    write(1_500);
    const away = createFakeReplica('away');
    away.connect(server);
    away.drop();
    away.write(clock.now(), put(3, { by: 'away' }));
    pass(second);
    writer.write(clock.now(), remove(3));
    pass(31 * day);
    away.connect(server);
    expect(errorOf(away)).toBe('history-changed');
    const other = createFakeReplica('other');
    other.write(clock.now(), put(5, { by: 'other' }));
    other.connect(server);
    expect(other.unsent()).toBe(0);
    expect(alive(other)).not.toContain('Note number 3');
    expect(alive(writer)).toEqual(expect.arrayContaining(['Note number 5']));
    for (const each of [other, writer]) each.drop();
    await Promise.resolve();
  });

  it('is kept while an older changeset may be pending, and while a replica fetches', async () => {
    const { server, write, writer, pass, stored, clock } = world({
      retentionMs: 30 * day,
      snapshotLeaseMs: 10 * day,
      snapshotHoldMsMax: 90 * day,
      compactionMs: hours, // A virtual scheduler nests its ticks: with an interval of a minute they would overflow the stack.
    });
    write(12_000, 3_000);
    writer.write(clock.now(), remove(3));
    pass(25 * day);
    const slow = createFakeReplica('slow');
    slow.connect(server, 2);
    expect(slow.kept()).toBeGreaterThan(0);
    pass(6 * day);
    expect((await stored()).objects).toContain('Note/n3');
    slow.connect(server, 2);
    pass(5 * day);
    expect((await stored()).objects).toContain('Note/n3');
    pass(6 * day);
    expect((await stored()).objects).not.toContain('Note/n3');
    for (const each of [slow, writer]) each.drop();
  });

  it('field report B-6: is no reason to reject later writes after the clock was far ahead for a while', async () => {
    const { make, write, writer, pass, stored, clock } = world({ retentionMs: 30 * day, compactionMs: hours });
    write(1_500);
    writer.write(clock.now(), remove(3));
    writer.drop();
    let offsetMs = 0;
    const server = make({ clock: { ...clock, now: () => clock.now() + offsetMs } });
    writer.connect(server);
    offsetMs = 365 * day;
    pass(day);
    expect((await stored()).objects).not.toContain('Note/n3');
    offsetMs = 0;
    pass(second);
    writer.write(clock.now(), put(5, { after: true }));
    expect([errorOf(writer), writer.unsent()]).toEqual([undefined, 0]);
    writer.drop();
  });

  it('without a margin is no reason to reject old writes: nothing was removed', () => {
    const { server, write, writer, pass, clock } = world({ retentionMs: 30 * day, compactionMs: hours });
    write(1_500);
    const away = createFakeReplica('away');
    away.write(clock.now(), update(3, { by: 'away' }));
    pass(100 * day);
    away.connect(server);
    expect([errorOf(away), away.unsent()]).toEqual([undefined, 0]);
    for (const each of [away, writer]) each.drop();
  });
});
