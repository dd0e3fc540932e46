import * as fc from 'fast-check';
import type { Storage } from '../../../lib/index.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import {
  contentOf,
  createDisk,
  type Device,
  openServer,
  startDevice,
  waitForDownload,
  waitForUpload,
} from './partial-devices.js';

/*
 * Several devices with subscriptions of their own, and one with the whole realm. Whatever they do, at a mark each holds
 * exactly the objects of the whole realm that its subscriptions select, with equal values.
 */

type Content = ReturnType<typeof contentOf>;
type Task = Content['tasks'][number];

/** A query as the library has it, and its meaning, written for this spec. */
interface Query {
  readonly where: object;
  readonly selects: (task: Task) => boolean;
}

const queries: readonly Query[] = [
  { where: { list: 'a' }, selects: ({ list }) => list === 'a' },
  { where: { list: 'b' }, selects: ({ list }) => list === 'b' },
  { where: { list: { $in: ['a', 'c'] } }, selects: ({ list }) => list === 'a' || list === 'c' },
  { where: { n: { $gt: 1 } }, selects: ({ n }) => n !== null && n > 1 },
  { where: { n: null }, selects: ({ n }) => n === null },
  {
    where: { $and: [{ list: 'b' }, { n: { $lte: 1 } }] },
    selects: ({ list, n }) => list === 'b' && typeof n === 'number' && n <= 1,
  },
  {
    where: { $or: [{ list: 'c' }, { id: { $in: ['t0', 't1'] } }] },
    selects: ({ list, id }) => list === 'c' || id === 't0' || id === 't1',
  },
  { where: { list: { $ne: 'a' } }, selects: ({ list }) => list !== 'a' },
  { where: {}, selects: () => true },
];

const partialMax = 3;
const device = fc.nat(partialMax); // The last one has the whole realm.
const partial = fc.nat(partialMax - 1);
const id = fc.constantFrom('t0', 't1', 't2', 't3', 't4', 't5', 't6');
const list = fc.constantFrom('a', 'b', 'c');
const n = fc.constantFrom(null, 0, 1, 2);

type Step =
  | {
      readonly do: 'put';
      readonly device: number;
      readonly id: string;
      readonly list: string;
      readonly n: number | null;
    }
  | {
      readonly do: 'edit';
      readonly device: number;
      readonly id: string;
      readonly kind: 'move' | 'n' | 'like' | 'tag' | 'delete';
      readonly list: string;
      readonly n: number | null;
    }
  | { readonly do: 'subscribe'; readonly device: number; readonly query: number; readonly name: string | null }
  | { readonly do: 'remove'; readonly device: number; readonly at: number }
  | { readonly do: 'clear' | 'offline' | 'online' | 'restart' | 'sync'; readonly device: number }
  | { readonly do: 'check'; readonly device: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), device, id, list, n }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      device,
      id,
      kind: fc.constantFrom(
        'move' as const,
        'move' as const,
        'n' as const,
        'like' as const,
        'tag' as const,
        'delete' as const,
      ),
      list,
      n,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('subscribe' as const),
      device: partial,
      query: fc.nat(queries.length - 1),
      name: fc.constantFrom(null, null, 'x', 'y'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), device: partial, at: fc.nat(3) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'clear' as const,
        'offline' as const,
        'offline' as const,
        'online' as const,
        'online' as const,
        'restart' as const,
        'sync' as const,
        'sync' as const,
      ),
      device: partial,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('check' as const), device: partial }) },
);

interface Member {
  readonly disk: Storage;
  readonly isPartial: boolean;
  running: Device;
  isOnline: boolean;
  /** The subscriptions: a name or the number of the query. */
  readonly selected: Map<string, number>;
}

const runWorld = async (steps: readonly Step[]): Promise<{ compared: number; selected: number }> => {
  const server = openServer();
  const seen = { compared: 0, selected: 0 };
  const members: Member[] = [];
  for (let at = 0; at <= partialMax; at += 1) {
    const isPartial = at < partialMax;
    const disk = createDisk();
    const running = await startDevice(server, { storage: disk, isPartial });
    members.push({ disk, isPartial, running, isOnline: true, selected: new Map() });
  }
  const whole = members[partialMax]!;

  const setOnline = (member: Member, isOnline: boolean): void => {
    member.isOnline = isOnline;
    member.running.setOnline(isOnline);
  };
  const sync = async (member: Member): Promise<void> => {
    setOnline(member, true);
    await waitForUpload(member.running);
    await waitForDownload(member.running);
  };
  const check = async (member: Member): Promise<void> => {
    await sync(member);
    await sync(whole);
    await waitForDownload(member.running);
    const all = contentOf(whole.running);
    const wanted = [...member.selected.values()].map((at) => queries[at]!);
    const expected = all.tasks.filter((task) => wanted.some(({ selects }) => selects(task)));
    expect(contentOf(member.running)).toEqual({ tasks: expected, notes: [] });
    seen.compared += 1;
    seen.selected += expected.length;
  };
  const edit = async ({ running: { realm } }: Member, given: Extract<Step, { do: 'edit' }>): Promise<void> => {
    if (realm.get('Task', given.id) === undefined) return;
    await realm.write((tx) => {
      if (given.kind === 'delete') tx.delete('Task', given.id);
      else if (given.kind === 'move') tx.update('Task', given.id, { list: given.list });
      else if (given.kind === 'n') tx.update('Task', given.id, { n: given.n });
      else if (given.kind === 'like') tx.increment('Task', given.id, 'likes');
      else tx.list('Task', given.id, 'tags').push(given.list);
    });
  };

  for (const each of steps) {
    const member = members[each.device]!;
    const { realm } = member.running;
    switch (each.do) {
      case 'put':
        await realm.write((tx) => tx.put('Task', { id: each.id, list: each.list, n: each.n }));
        break;
      case 'edit':
        await edit(member, each);
        break;
      case 'subscribe': {
        const { where } = queries[each.query]!;
        realm.subscribe('Task', { where }, each.name === null ? {} : { name: each.name });
        member.selected.set(each.name ?? `query ${each.query}`, each.query);
        break;
      }
      case 'remove': {
        const named = [...member.selected.keys()].filter((name) => !name.startsWith('query'));
        const name = named[each.at % Math.max(1, named.length)];
        if (name === undefined) break;
        await realm.subscriptions.update((subs) => subs.remove(name));
        member.selected.delete(name);
        break;
      }
      case 'clear':
        await realm.subscriptions.update((subs) => subs.clear());
        member.selected.clear();
        break;
      case 'offline':
      case 'online':
        setOnline(member, each.do === 'online');
        break;
      case 'restart':
        await member.running.stop();
        member.running = await startDevice(server, {
          ...{ storage: member.disk, isPartial: member.isPartial, isOnline: member.isOnline },
        });
        break;
      case 'sync':
        await sync(member);
        break;
      case 'check':
        await check(member);
    }
  }
  for (const member of members) await sync(member);
  for (const member of members.slice(0, partialMax)) await check(member);
  for (const { running } of members) await running.stop();
  await server.close();
  return seen;
};

describe('devices with subscriptions', () => {
  it('V15 invariant 1: hold at each mark what their subscriptions select of the whole realm, whatever happens before', async () => {
    const seen = { compared: 0, selected: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const { compared, selected } = await runWorld(steps);
        seen.compared += compared;
        seen.selected += selected;
      }),
      runOptions(60),
    );
    if (!process.env['SEED']) expect(seen.selected).toBeGreaterThan(100);
  });
});
