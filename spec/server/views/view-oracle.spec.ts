import fc from 'fast-check';
import type { StoredFilter } from '../../../lib/filter/stored-filter.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { limits } from '../../../lib/model/limits.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import type { ViewFilter } from '../../../lib/model/view.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { expectEqual, restoreState } from '../../merge/replica-world.js';
import { createFakeReplica, createTimedServer, type FakeReplica } from '../fake-replica.js';
import { anyCollectionAct, operationOf, type CollectionAct } from './collection-acts.js';
import { connectionActs, delayed, who, type ConnectionAct } from './view-acts.js';
import { createViewClient, type ViewClient } from './view-client.js';
import { applyTo, isIn, namesOf, stateOf } from './view-facts.js';

const types = ['Task', 'Task', 'Note'] as const;
const keys = ['k1', 'k2', 'k3', 'k4', 'k5', 7] as const;
const lists = ['a', 'b', 'c', null] as const;

const anyOperation: fc.Arbitrary<Operation> = fc
  .record({
    kind: fc.constantFrom('create', 'create', 'update', 'update', 'update', 'update', 'delete'),
    type: fc.constantFrom(...types),
    key: fc.constantFrom(...keys),
    values: fc.record(
      { list: fc.constantFrom(...lists), done: fc.boolean(), text: fc.constantFrom('x', 'y') },
      { requiredKeys: [] },
    ),
  })
  .map(({ kind, type, key, values }): Operation =>
    kind === 'delete' ? { kind, type, key } : { kind: kind as 'create', type, key, values },
  );

const anyStored: fc.Arbitrary<StoredFilter> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...lists).map((list): StoredFilter => ['in', 'list', list]) },
  fc.constantFrom(...keys).map((key): StoredFilter => ['in', '', key]),
  fc.constantFrom<StoredFilter>(true, false, ['in', 'done', true], ['not', ['in', 'list', 'a']]),
  fc.constantFrom<StoredFilter>(['and', ['in', 'list', 'a', 'b'], ['in', 'done', true]], ['gt', 'list', 'a']),
);
const anyFilters: fc.Arbitrary<readonly ViewFilter[]> = fc
  .oneof(
    { weight: 2, arbitrary: fc.constant([['Task', ['in', 'list', 'a']] as const]) }, // Both clients are in one group.
    { weight: 1, arbitrary: fc.constant([['Task', true] as const]) },
    fc.array(fc.tuple(fc.constantFrom(...types), anyStored), { maxLength: 3 }),
  )
  .map((all) => all.map(([type, filter], at): ViewFilter => ({ id: at + 1, type, filter })));

type Act =
  | { readonly kind: 'write'; readonly who: number; readonly operations: readonly (Operation | CollectionAct)[] }
  | { readonly kind: 'subscribe'; readonly who: number; readonly filters: readonly ViewFilter[] }
  | ConnectionAct;

const anyWrite: fc.Arbitrary<Act> = fc.record({
  kind: fc.constant('write' as const),
  who: fc.constantFrom(0, 1, 2, 2, 3, 3),
  operations: fc.array(
    fc.oneof({ weight: 3, arbitrary: anyOperation }, { weight: 2, arbitrary: anyCollectionAct(types, keys) }),
    { minLength: 1, maxLength: 3 },
  ),
});

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: anyWrite },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), who, filters: anyFilters }) },
  ...connectionActs,
);

/** Devices that have a view in which objects stay while they are changed. */
const calmActs: fc.Arbitrary<readonly Act[]> = fc
  .tuple(
    fc.constantFrom<readonly [string, StoredFilter][]>([['Task', true]], [['Task', ['in', 'list', 'a']]]),
    fc.array(fc.oneof({ weight: 12, arbitrary: anyWrite }, { weight: 1, arbitrary: anyAct }), {
      minLength: 5,
      maxLength: 30,
    }),
  )
  .map(([wanted, acts]) => {
    const filters = wanted.map(([type, filter], id): ViewFilter => ({ id: id + 1, type, filter }));
    const operations = keys.map((key): Operation => ({
      kind: 'create',
      ...{ type: 'Task', key, values: { list: 'a', text: 'a long text '.repeat(9) } },
    }));
    const clients = [0, 1].flatMap((at): Act[] => [
      { kind: 'connect', who: at, messages: Infinity },
      { kind: 'subscribe', who: at, filters },
    ]);
    return [{ kind: 'write', who: 2, operations }, ...clients, { kind: 'pass', ms: 5 }, ...acts];
  });

/** All states that each object ever had, folded from the whole history. */
class Oracle {
  readonly states = new Map<string, ObjectState>();
  readonly ever = new Map<string, ObjectState[]>();
  readonly writers = new Map<string, Set<string>>();
  private read = 0;

  add({ received }: FakeReplica): void {
    for (const message of received.slice(this.read)) {
      if (message.type !== 'download') continue;
      for (const changeset of message.changesets)
        for (const text of applyTo(this.states, changeset.origin, changeset)) {
          const state = this.states.get(text)!;
          this.ever.set(text, [...(this.ever.get(text) ?? []), state]);
          this.writers.set(text, (this.writers.get(text) ?? new Set()).add(changeset.origin));
        }
    }
    this.read = received.length;
  }
}

/** Compares the objects of a client with the filtered history. */
const checkObjects = ({ states }: Oracle, client: ViewClient): void => {
  const { filters } = client.placed();
  const expected = [...states].filter(([text, state]) => isIn(filters, text, state)).map(([text]) => text);
  const living = [...client.objects].filter(([, { born }]) => born !== null).map(([text]) => text);
  expect(living.sort()).toEqual(expected.sort());
  for (const text of expected) {
    expectEqual(restoreState(client.objects.get(text)!), restoreState(states.get(text)!));
    expect(encodeState(client.objects.get(text)!).byteLength).toBe(encodeState(states.get(text)!).byteLength);
  }
};

/** Checks that no message named an object that the client may not know. */
const checkNames = ({ ever, writers }: Oracle, client: ViewClient): number => {
  const filters = client.asked.flat();
  let count = 0;
  for (const message of client.takeReceived())
    for (const name of namesOf(message)) {
      count += 1;
      const text = objectTextOf(name.type, name.key);
      const wasIn = (ever.get(text) ?? []).some((state) => isIn(filters, text, state));
      const isOwnLeave = !('state' in name) && writers.get(text)?.has(client.replica) === true;
      expect([message, wasIn || isOwnLeave]).toEqual([message, true]);
      if (!('state' in name)) continue;
      // A state matches itself, if it is not a delete.
      const state = stateOf(name.state);
      expect([message, !isAlive(state) || isIn(filters, text, state)]).toEqual([message, true]);
    }
  return count;
};

describe('a session with a view', () => {
  const { pageChangesetsMax, pageBytesMax } = limits;
  const { viewObjectsMax, trimEntriesMin, selectionPages } = serverLimits;
  const small = limits as { pageChangesetsMax: number; pageBytesMax: number };
  const smallServer = serverLimits as { viewObjectsMax: number; trimEntriesMin: number; selectionPages: number };
  afterEach(() => {
    Object.assign(small, { pageChangesetsMax, pageBytesMax });
    Object.assign(smallServer, { viewObjectsMax, trimEntriesMin, selectionPages });
  });

  it('invariants 1, 3 and 4: gives a client exactly the objects that match, and names no others', () => {
    const counted: Record<string, number> = {};
    const count = (name: string, more = 1) => (counted[name] = (counted[name] ?? 0) + more);
    fc.assert(
      fc.property(
        fc.oneof(fc.array(anyAct, { minLength: 10, maxLength: 60 }), calmActs),
        fc.record({
          page: fc.constantFrom(1, 2, 1_000, 1_000),
          bytes: fc.constantFrom(1, pageBytesMax, pageBytesMax),
          objects: fc.constantFrom(2, 4, viewObjectsMax, viewObjectsMax),
          slowness: fc.constantFrom(0, 0, 1),
          trim: fc.constantFrom(1, trimEntriesMin),
          pages: fc.constantFrom(1, selectionPages),
        }),
        (acts, { page, bytes, objects, slowness, trim, pages }) => {
          Object.assign(small, { pageChangesetsMax: page, pageBytesMax: bytes });
          Object.assign(smallServer, { viewObjectsMax: objects, trimEntriesMin: trim, selectionPages: pages });
          let isSlow = false;
          const made = createTimedServer();
          const { clock, pass, errors } = made;
          const storage = delayed(made.storage, () => (isSlow ? slowness : 0), clock.scheduler);
          let server = made.make({ storage });
          const observer = createFakeReplica('observer');
          const writers = [createFakeReplica('w'), createFakeReplica('x')];
          const clients = [createViewClient('a'), createViewClient('b')];
          const everyone = [...clients, ...writers];
          const oracle = new Oracle();
          observer.connect(server);
          writers.forEach((each) => each.connect(server));
          isSlow = true;
          const settle = (): void => {
            clients.forEach((each) => each.keep());
            for (const each of everyone) if (!each.isOnline()) each.connect(server);
            clients.forEach((each) => each.hold(false));
            pass(2_000);
            clients.forEach((each) => each.mark());
            pass(2_000);
            oracle.add(observer);
            for (const each of clients) {
              expect([errors(), each.unsent(), each.detached.size, each.isReceiving(), each.failure()]).toEqual([
                [],
                0,
                0,
                false,
                null,
              ]);
              expect([each.placed().number, each.marks.answered.at(-1)]).toEqual([
                each.wanted().number,
                each.marks.asked,
              ]);
              checkObjects(oracle, each);
            }
            for (const each of clients) count('names', checkNames(oracle, each));
          };
          /** Writes one changeset. An object's collections are changed once in it, by what the writer knows. */
          const write = (at: number, acts: readonly (Operation | CollectionAct)[]): void => {
            const writer = everyone[at]!;
            if ((clients[at]?.unsent() ?? 0) > 6) return; // A server takes eight uploads at a time.
            const known = at < 2 ? clients[at]!.objects : writers[at - 2]!.states;
            const changed = new Set<string>();
            const operations = acts.flatMap((each) => {
              const { type, key } = each;
              const text = objectTextOf(type, key);
              if ('kind' in each) return [each];
              if (changed.has(text)) return [];
              changed.add(text);
              const state = known.get(at < 2 ? text : `${type} ${typeof key} ${key}`);
              return [operationOf(each, state, ['a', 'b', 'w', 'x'][at]!)];
            });
            writer.write(clock.now() - (at === 3 ? 50 : 0), ...operations);
          };
          const perform = (act: Act): void => {
            if (act.kind === 'pass') {
              pass(act.ms);
              return;
            }
            if (act.kind === 'check') {
              settle();
              return;
            }
            if (act.kind === 'restart') {
              pass(2_000);
              everyone.forEach((each) => each.drop());
              observer.drop();
              pass(10);
              server = made.make({ storage });
              observer.connect(server);
              writers.forEach((each) => each.connect(server));
              return;
            }
            if (act.kind === 'write') {
              write(act.who, act.operations);
              return;
            }
            const client = clients[act.who]!;
            if (act.kind === 'subscribe') {
              client.subscribe(act.filters);
              return;
            }
            if (act.kind === 'connect') {
              client.connect(server, act.messages);
              return;
            }
            if (act.kind === 'drop') {
              client.drop();
              return;
            }
            if (act.kind === 'mark') {
              client.mark();
              return;
            }
            if (act.kind === 'forget') {
              if (!client.isOnline()) client.forgetPages();
              return;
            }
            client.hold(act.kind === 'hold');
          };
          for (const act of acts) perform(act);
          settle();
          for (const each of clients) {
            for (const message of each.log) count(message);
          }
          everyone.forEach((each) => each.drop());
          observer.drop();
        },
      ),
      runOptions(Number(process.env['RUNS'] ?? 200)),
    );
    if (process.env['RUNS']) console.log(counted);
    for (const name of ['view resync', 'view difference', 'members', 'parts', 'pieces', 'names']) {
      expect([name, counted[name]! > 50]).toEqual([name, true]);
    }
  }, 600_000);
});
