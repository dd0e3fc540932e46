import fc from 'fast-check';
import { VirtualTimeScheduler } from 'rxjs';
import { decodeState } from '../../../lib/merge/state-codec.js';
import { targetsOf } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { objectTextOf, parseObjectText } from '../../../lib/model/object-key.js';
import type { Parts } from '../../../lib/protocol/view-messages.js';
import { objectsOf, touchesOf } from '../../../lib/server/history/touches.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import type { PartsPage } from '../../../lib/server/views/parts-page.js';
import type { ServedView } from '../../../lib/server/views/served-view.js';
import { readChanges } from '../../../lib/server/views/read-pages.js';
import { ViewDifference } from '../../../lib/server/views/view-difference.js';
import type { GroupMember, RoutedSession } from '../../../lib/server/views/view-group.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { expectEqual, restoreState } from '../../merge/replica-world.js';
import { types, viewOf, watched } from './routed-views.js';
import { createFakeRealm, type FakeChangeset, type FakeRealm } from './fake-realm.js';
import { applyTo, type States } from './view-facts.js';

/** Views of which some have the same objects. */
const createViews = (): readonly ServedView[] => [
  viewOf(['Task', ['in', 'list', 'a']]),
  viewOf(['Task', ['in', 'list', 'a']], ['Task', ['in', 'list', 'a']]),
  viewOf(['Task', ['in', 'list', 'b']], ['Note', true]),
  viewOf(['Note', true], ['Task', ['in', 'list', 'b']]),
  viewOf(['Task', ['not', ['in', 'list', 'a']]]),
  viewOf(['Task', ['and', ['in', 'done', true], ['in', 'list', 'a', 'b']]]),
  viewOf(),
  viewOf(['Note', ['in', 'list', 'a']]),
];

/** A session that checks with each event that it has exactly the objects of its view. */
const createSession = (realm: FakeRealm, replica: string, view: ServedView) => {
  const objects: States = new Map();
  const log: string[] = [];
  const pages: PartsPage[] = [];
  const errors: unknown[] = [];
  const isIn = (text: string, states: States): boolean => {
    const state = states.get(text);
    return state !== undefined && view.hasState(parseObjectText(text), state);
  };
  let position = 0;
  let member: GroupMember | null = null;
  const check = (version: number): void => {
    const states = realm.folds[version]!;
    const expected = [...states.keys()].filter((text) => isIn(text, states));
    const living = [...objects].filter(([, { born }]) => born !== null).map(([text]) => text);
    expect([replica, version, living.sort()]).toEqual([replica, version, expected.sort()]);
    for (const text of expected) expectEqual(restoreState(objects.get(text)!), restoreState(states.get(text)!));
    position = version;
  };
  const apply = ({ changesets, states, leaves }: Pick<Parts, 'changesets' | 'states' | 'leaves'>): void => {
    for (const piece of changesets) {
      log.push('piece');
      for (const { type, key } of targetsOf(piece.body)) expect(objects.has(objectTextOf(type, key))).toBe(true);
      applyTo(objects, piece.origin, piece);
    }
    for (const object of states) {
      const state = decodeState(object.state);
      if ('right' in state) objects.set(objectTextOf(object.type, object.key), state.right);
    }
    for (const { type, key } of leaves) objects.delete(objectTextOf(type, key));
  };
  const receive = (page: PartsPage): void => {
    apply(page.partsFor(1, { version: realm.head(), bytes: 0 }));
    // A client that was sent the page earlier may have uploaded since then.
    if (page.upTo === realm.head()) check(page.upTo);
    position = page.upTo;
  };
  let isReading = false;
  /** Reads up to the head, as a session does that is behind, and then joins the router. */
  const readAndJoin = (): void => {
    const head = realm.head();
    const difference = new ViewDifference(view);
    isReading = true;
    for (const record of realm.records.slice(position, head)) {
      const isOwn = record.origin === replica;
      for (const touch of touchesOf(record) ?? [])
        difference.add(objectTextOf(touch.type, touch.key), touch, touch.change, watched, isOwn);
      if (isOwn)
        for (const name of objectsOf(record.body))
          if (!types.has(name.type)) difference.addOutside(objectTextOf(name.type, name.key), name);
    }
    readChanges(realm.ports, view, difference, null).subscribe(({ draft }) => {
      isReading = false;
      if (realm.head() !== head) {
        readAndJoin();
        return;
      }
      apply({ changesets: draft.changesets, states: draft.objects, leaves: draft.leaves });
      check(head);
      if (!made.isBusy) member = realm.router.join(session, view);
    });
  };
  const made = {
    ...{ replica, log, pages, errors, isIn },
    isBusy: false,
    /** Called after each page that the session shares. */
    onShared: (): void => undefined,
    position: () => (member === null ? position : realm.router.positionOf(member)),
    isMember: () => member !== null,
    join: (): void => {
      if (member === null && !isReading) readAndJoin();
    },
    leave: (): void => {
      if (member === null) return;
      position = realm.router.positionOf(member);
      realm.router.leave(member);
      member = null;
    },
    /** The replica has its own changes at once. */
    write: (version: number): void => {
      const record = realm.records[version - 1]!;
      if (record.origin === replica) applyTo(objects, replica, record);
    },
    wake: (): void => {
      if (member !== null) realm.router.wake(member);
    },
  };
  const session: RoutedSession = {
    replica,
    hasRoom: () => !made.isBusy,
    readItself: (after) => {
      member = null;
      log.push('itself');
      expect(after).toBeGreaterThanOrEqual(position);
      position = after;
      if (!made.isBusy) made.join();
    },
    sendShared: (page) => {
      log.push('shared');
      pages.push(page);
      receive(page);
      made.onShared();
    },
    sendProgress: (page) => {
      log.push('progress');
      receive(page);
    },
    closed: () => undefined,
    failed: (thrown) => {
      errors.push(thrown);
    },
  };
  return made;
};

const anyOperation: fc.Arbitrary<Operation> = fc
  .record({
    kind: fc.constantFrom('create', 'update', 'update', 'update', 'delete'),
    type: fc.constantFrom('Task', 'Task', 'Note', 'Other'),
    key: fc.constantFrom('k1', 'k2', 'k3'),
    values: fc.record(
      { list: fc.constantFrom('a', 'b', null), done: fc.boolean(), text: fc.constantFrom('x', 'y') },
      { requiredKeys: [] },
    ),
  })
  .map(({ kind, type, key, values }): Operation =>
    kind === 'delete' ? { kind, type, key } : { kind: kind as 'create', type, key, values },
  );
const replicas = ['s0', 's1', 's2', 's3', 's4'];
const anyChangeset: fc.Arbitrary<FakeChangeset> = fc.record({
  origin: fc.constantFrom('w', 'w', 'w', 'w', ...replicas),
  operations: fc.array(anyOperation, { minLength: 1, maxLength: 3 }),
});

type Act =
  | { readonly kind: 'append'; readonly changesets: readonly FakeChangeset[] }
  | { readonly kind: 'hold' | 'release' | 'pass' }
  | { readonly kind: 'busy' | 'free' | 'leave' | 'join' | 'wake'; readonly who: number };
const anyAct: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(anyChangeset, { minLength: 1, maxLength: 3 }).map((changesets): Act => ({
      kind: 'append',
      changesets,
    })),
  },
  { weight: 3, arbitrary: fc.constantFrom<Act>({ kind: 'hold' }, { kind: 'release' }, { kind: 'pass' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('busy', 'free', 'leave', 'join', 'join', 'wake'),
      who: fc.nat(replicas.length - 1),
    }),
  },
);

describe('the router of a realm', () => {
  it('gives each session exactly the changes of its view, and lets only those do something that a change concerns', () => {
    const counted = { shared: 0, itself: 0, progress: 0, idle: 0 };
    fc.assert(
      fc.property(
        fc.array(fc.nat(7), { minLength: replicas.length, maxLength: replicas.length }),
        fc.array(anyAct, { minLength: 5, maxLength: 40 }),
        fc.constantFrom(1, 2, Infinity),
        fc.constantFrom(0, 0, 3),
        (views, acts, pageMax, answers) => {
          const scheduler = new VirtualTimeScheduler();
          scheduler.maxFrames = 0;
          const realm = createFakeRealm(types, scheduler, pageMax);
          const all = createViews();
          const sessions = replicas.map((replica, at) => createSession(realm, replica, all[views[at]!]!));
          let isHeld = false;
          const pass = (): void => {
            scheduler.maxFrames += serverLimits.viewProgressMs + 1;
            scheduler.flush();
            scheduler.frame = scheduler.maxFrames;
          };
          /** Appends, and checks which sessions have done something. */
          const append = (changesets: readonly FakeChangeset[]): void => {
            const from = realm.head();
            const isIdle = !isHeld && answers === 0 && sessions.every(({ isBusy }) => !isBusy);
            const ready = sessions.filter((each) => each.isMember() && isIdle);
            sessions.forEach(({ log }) => log.splice(0));
            realm.append(changesets, (version) => sessions.forEach((each) => each.write(version)));
            for (const each of ready) {
              const isConcerned = changesets.some(
                ({ origin, operations }, at) =>
                  origin === each.replica ||
                  operations.some(({ type, key }) => {
                    const text = objectTextOf(type, key);
                    return each.isIn(text, realm.folds[from + at]!) || each.isIn(text, realm.folds[from + at + 1]!);
                  }),
              );
              // In and out again: the group has read the page, and has nothing to say.
              if (!isConcerned) counted.idle += 1;
              expect([each.replica, each.log.length > 0]).toEqual([each.replica, isConcerned]);
            }
          };
          // Clients that upload as soon as they receive something, which has a deep stack.
          let left = answers;
          for (const each of sessions)
            each.onShared = () => {
              left -= 1;
              if (left < 0) return;
              const values = { list: left % 2 === 0 ? 'a' : 'b' };
              append([{ origin: each.replica, operations: [{ kind: 'update', type: 'Task', key: 'k1', values }] }]);
            };
          const perform = (act: Act): void => {
            left = answers;
            if (act.kind === 'append') append(act.changesets);
            else if (act.kind === 'pass') pass();
            else if (act.kind === 'hold' || act.kind === 'release') {
              isHeld = act.kind === 'hold';
              realm.hold(isHeld);
            } else if ('who' in act) {
              const session = sessions[act.who]!;
              if (act.kind === 'busy' || act.kind === 'free') session.isBusy = act.kind === 'busy';
              else session[act.kind]();
            }
            for (const each of sessions)
              for (const kind of each.log) if (kind in counted) counted[kind as 'shared'] += 1;
          };
          sessions.forEach((each) => each.join());
          for (const act of acts) perform(act);
          perform({ kind: 'release' });
          for (const each of sessions) {
            each.isBusy = false;
            each.join();
          }
          pass();
          for (const each of sessions)
            expect([each.replica, each.errors, each.position()]).toEqual([each.replica, [], realm.head()]);
          append([{ origin: 'w', operations: [{ kind: 'create', type: 'Other', key: 'k1', values: {} }] }]);
          sessions.forEach((each) => each.leave()); // With its timer.
          expect(scheduler.actions).toEqual([]);
        },
      ),
      runOptions(Number(process.env['RUNS'] ?? 300)),
    );
    for (const [name, count] of Object.entries(counted)) expect([name, count > 50]).toEqual([name, true]);
  });

  it('keeps a group whose first session leaves as soon as it is sent the changes of the group', () => {
    const realm = createFakeRealm(types, new VirtualTimeScheduler());
    const sessions = ['s0', 's1', 's2'].map((replica) => createSession(realm, replica, viewOf(['Task', true])));
    sessions.forEach((each) => each.join());
    const [first] = sessions;
    first!.onShared = () => first!.leave();
    const append = (kind: 'create' | 'update'): void =>
      realm.append([{ origin: 'w', operations: [{ kind, type: 'Task', key: 'k1', values: {} }] }], () => undefined);
    append('create');
    append('update');
    expect(sessions.map(({ log }) => log.filter((each) => each === 'shared').length)).toEqual([1, 2, 2]);
    expect(realm.router.groupCount).toBe(1);
    sessions.forEach((each) => each.leave());
    expect(realm.router.groupCount).toBe(0);
  });
});
