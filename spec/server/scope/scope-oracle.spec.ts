import fc from 'fast-check';
import { BehaviorSubject, map } from 'rxjs';
import { decodeState, encodeState } from '../../../lib/merge/state-codec.js';
import { isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import { limits } from '../../../lib/model/limits.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import type { ViewFilter } from '../../../lib/model/view.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { expectEqual, restoreState } from '../../merge/replica-world.js';
import { createFakeReplica, createTimedServer } from '../fake-replica.js';
import { delayed } from '../views/view-acts.js';
import { createViewClient } from '../views/view-client.js';
import { applyTo, isIn, namesOf } from '../views/view-facts.js';
import { anyAct, limit, scopes, type Act } from './scope-acts.js';

/** A user with a device, and everything that the user was ever allowed to see. */
const createUser = (name: string) => {
  const visible$ = new BehaviorSubject(scopes[2]!);
  return {
    client: createViewClient(name, name),
    visible$,
    filters: (): readonly ViewFilter[] => visible$.value[1],
    seen: new Set<string>(),
  };
};
type TestUser = ReturnType<typeof createUser>;

const stateTextOf = (bytes: Uint8Array): ObjectState => {
  const state = decodeState(bytes);
  if (!('right' in state)) throw new Error(state.left);
  return state.right;
};

describe('a server with a scope', () => {
  const { pageChangesetsMax, pageBytesMax } = limits;
  const { viewObjectsMax, trimEntriesMin, selectionPages } = serverLimits;
  const small = limits as { pageChangesetsMax: number; pageBytesMax: number };
  const smallServer = serverLimits as { viewObjectsMax: number; trimEntriesMin: number; selectionPages: number };
  afterEach(() => {
    Object.assign(small, { pageChangesetsMax, pageBytesMax });
    Object.assign(smallServer, { viewObjectsMax, trimEntriesMin, selectionPages });
  });

  it('invariants 1 and 2: gives each device exactly the visible objects of its subscriptions, and names no others', () => {
    const counted: Record<string, number> = {};
    const count = (name: string, more = 1) => (counted[name] = (counted[name] ?? 0) + more);
    fc.assert(
      fc.property(
        fc.array(anyAct, { minLength: 10, maxLength: 60 }),
        fc.record({
          page: fc.constantFrom(1, 2, 1_000),
          bytes: fc.constantFrom(1, pageBytesMax),
          objects: fc.constantFrom(2, 4, viewObjectsMax, viewObjectsMax),
          slowness: fc.constantFrom(0, 0, 1),
          trim: fc.constantFrom(1, trimEntriesMin),
          pages: fc.constantFrom(1, selectionPages),
        }),
        (acts, { page, bytes, objects, slowness, trim, pages }) => {
          Object.assign(small, { pageChangesetsMax: page, pageBytesMax: bytes });
          Object.assign(smallServer, { viewObjectsMax: objects, trimEntriesMin: trim, selectionPages: pages });
          let isSlow = false;
          let drawn = 0;
          const made = createTimedServer();
          const { pass, errors } = made;
          const clock = { ...made.clock, random: () => (drawn = (drawn + 0.618034) % 1) };
          const storage = delayed(made.storage, () => (isSlow ? slowness : 0), clock.scheduler);
          const users = [createUser('a'), createUser('b')];
          const admin = createFakeReplica('admin', 'admin');
          const observer = createFakeReplica('observer', 'admin');
          const everyone = [...users.map(({ client }) => client), admin];
          const make = () =>
            made.make({
              ...{ storage, clock, authenticate: (token) => ({ id: token }), authorize: () => 'write' },
              scope: ({ id }) => {
                const user = users.find(({ client }) => client.replica === id);
                return user === undefined ? true : user.visible$.pipe(map(([visible]) => visible));
              },
            });
          let server = make();
          const states = new Map<string, ObjectState>();
          let read = 0;
          const seeNow = (texts: Iterable<string>): void => {
            for (const text of texts)
              for (const { filters, seen } of users) if (isIn(filters(), text, states.get(text)!)) seen.add(text);
          };
          /** Notes what was visible at each version, and is now. */
          const look = (): void => {
            for (const message of observer.received.slice(read)) {
              if (message.type !== 'download') continue;
              for (const { origin, ...changeset } of message.changesets) seeNow(applyTo(states, origin, changeset));
            }
            read = observer.received.length;
            seeNow(states.keys());
          };
          const check = (user: TestUser, message: ServerMessage): void => {
            look();
            const scope = user.filters();
            const { seen, client } = user;
            if (message.type === 'refused') {
              for (const { type, key, state } of message.serverStates)
                if (state !== null) {
                  count('rejected states');
                  expect([message, isIn(scope, objectTextOf(type, key), stateTextOf(state))]).toEqual([message, true]);
                } else count('hidden states');
              return;
            }
            for (const name of namesOf(message)) {
              const text = objectTextOf(name.type, name.key);
              if ('state' in name) {
                const state = stateTextOf(name.state);
                if (!isAlive(state)) expect([name, seen.has(text) || client.wrote(text)]).toEqual([name, true]);
                else expect([message, isIn(scope, text, state)]).toEqual([message, true]);
                seen.add(text);
              } else expect([message, name, seen.has(text) || client.wrote(text)]).toEqual([message, name, true]);
              count('names');
            }
          };
          for (const user of users) user.client.hooks.watch = (message) => check(user, message);
          observer.connect(server);
          admin.connect(server);
          pass(10);
          isSlow = true;
          const settle = (): void => {
            for (const { client } of users) client.keep();
            for (const each of everyone) if (!each.isOnline()) each.connect(server);
            for (const { client } of users) client.hold(false);
            pass(2_000);
            for (const { client } of users) client.mark();
            pass(2_000);
            look();
            for (const { client, filters } of users) {
              expect([errors(), client.unsent(), client.detached.size, client.isReceiving(), client.failure()]).toEqual(
                [[], 0, 0, false, null],
              );
              expect([client.placed().number, client.marks.answered.at(-1)]).toEqual([
                client.wanted().number,
                client.marks.asked,
              ]);
              const limited = limit(client.placed().filters, filters());
              const expected = [...states].filter(([text, state]) => isIn(limited, text, state));
              const living = [...client.objects].filter(([, { born }]) => born !== null).map(([text]) => text);
              expect(living.sort()).toEqual(expected.map(([text]) => text).sort());
              for (const [text, state] of expected) {
                expectEqual(restoreState(client.objects.get(text)!), restoreState(state));
                expect(encodeState(client.objects.get(text)!).byteLength).toBe(encodeState(state).byteLength);
              }
            }
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
              server = make();
              observer.connect(server);
              admin.connect(server);
              pass(10);
              return;
            }
            if (act.kind === 'write') {
              everyone[act.who]!.write(clock.now(), ...act.operations);
              return;
            }
            const { client, visible$ } = users[act.who]!;
            if (act.kind === 'scope') {
              if (slowness > 0) pass(100); // So that the observer has everything.
              look();
              visible$.next(scopes[act.scope]!);
              look();
              return;
            }
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
          for (const { client } of users) client.subscribe([{ id: 1, type: 'Task', filter: true }]);
          for (const act of acts) perform(act);
          settle();
          for (const { client } of users) {
            for (const message of client.log) count(message);
          }
          everyone.forEach((each) => each.drop());
          observer.drop();
        },
      ),
      runOptions(Number(process.env['RUNS'] ?? 200)),
    );
    for (const name of ['view resync', 'view difference', 'members', 'parts', 'names', 'refused', 'hidden states']) {
      expect([name, counted[name]! > 10]).toEqual([name, true]);
    }
  }, 600_000);
});
