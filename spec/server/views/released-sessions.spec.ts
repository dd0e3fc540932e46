import { Subscription, VirtualTimeScheduler } from 'rxjs';
import type { Operation } from '../../../lib/merge/operation.js';
import { limits } from '../../../lib/model/limits.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { ChangeCollector } from '../../../lib/server/views/change-collector.js';
import type { RoutedSession } from '../../../lib/server/views/view-group.js';
import { ViewSender } from '../../../lib/server/views/view-sender.js';
import { createFakeRealm, type FakeChangeset } from './fake-realm.js';
import { types, viewOf } from './routed-views.js';

describe('a router that lets sessions read the history themselves', () => {
  /** Sessions of one group. Returns what each does, with the version before which it reads itself. */
  const createGroup = (...replicas: readonly string[]) => {
    const scheduler = new VirtualTimeScheduler();
    const realm = createFakeRealm(types, scheduler);
    const log: string[] = [];
    const members = replicas.map((replica) => {
      const session: RoutedSession = {
        replica,
        hasRoom: () => true,
        readItself: (after) => {
          const others = members.map((each) => realm.router.positionOf(each));
          log.push(`${replica} itself after ${after} of ${others.join(' ')}`);
        },
        sendShared: ({ upTo, size }) => log.push(`${replica} ${size} up to ${upTo}`),
        sendProgress: () => undefined,
        closed: () => log.push(`${replica} closed`),
        failed: (thrown) => log.push(String(thrown)),
      };
      return realm.router.join(session, viewOf(['Task', ['in', 'list', 'a']]));
    });
    const change = (origin: string, ...keys: readonly string[]): FakeChangeset => ({
      origin,
      operations: keys.map((key): Operation => ({ kind: 'create', type: 'Task', key, values: { list: 'a' } })),
    });
    return { realm, log, change };
  };
  const itself = (after: number) => [
    `one itself after ${after} of ${after} ${after}`,
    `two itself after ${after} of ${after} ${after}`,
  ];

  it('knows the position of a session that it has released, while others read', () => {
    const { realm, log, change } = createGroup('one', 'two');
    realm.append([change('one', 'x'), change('two', 'y')]);
    expect(log).toEqual(itself(0));
  });

  it('releases a group whose changes are more than a page, or than a session may remember', () => {
    for (const limited of [limits, serverLimits] as { pageChangesetsMax?: number; viewObjectsMax?: number }[]) {
      const { realm, log, change } = createGroup('one', 'two');
      const before = { ...limited };
      const name = limited === limits ? 'pageChangesetsMax' : 'viewObjectsMax';
      Object.assign(limited, { [name]: 1 });
      realm.hold(name === 'viewObjectsMax');
      realm.append([change('w', 'x', 'y')]);
      Object.assign(limited, before);
      expect(log).toEqual(itself(0));
    }
  });

  it('releases a group when states may lack tombstones, or a changeset has no touches', () => {
    const { realm, log, change } = createGroup('one', 'two');
    realm.append([{ ...change('w', 'x'), isUntouched: true }]);
    expect(log).toEqual(itself(0));
    const outdated = createGroup('one', 'two');
    Object.assign(outdated.realm.history, { retentionCutoff: 1, retentionCutoffFrom: 5 });
    outdated.realm.append([outdated.change('w', 'x')]);
    expect(outdated.log).toEqual(itself(0));
  });

  it('does not read an object whose views another change of the same page shows', () => {
    const { realm, log, change } = createGroup('one');
    realm.append([change('w', 'x'), change('w', 'x')]);
    expect([log, realm.counted.reads]).toEqual([['one 1 up to 2'], 1]);
  });

  it('ends its sessions with the history', () => {
    const { realm, log } = createGroup('one', 'two');
    realm.close();
    expect(log).toEqual(['one closed', 'two closed']);
  });
});

describe('a mark of a session whose history a router follows', () => {
  it('lets the session read what the router has not passed yet', () => {
    const realm = createFakeRealm(types, new VirtualTimeScheduler());
    const { history, followers, router } = realm;
    const log: string[] = [];
    const sender = new ViewSender({ session: 1, replica: 'v', downloadedTo: 0 }, history as never, () => undefined);
    const collector = new ChangeCollector({
      ...{ history: history as never, followers, router, sender, replica: 'v', teardown: new Subscription() },
      receiver: { add: (version) => log.push(`touch ${version}`), addOwn: () => undefined },
      hasRoom: () => true,
      received: ({ upTo }) => log.push(`page ${upTo}`),
      closed: () => undefined,
      failed: () => undefined,
    });
    const write = (text: string): void =>
      realm.append([
        { origin: 'w', operations: [{ kind: 'create', type: 'Task', key: 'x', values: { list: 'b', text } }] },
      ]);
    collector.start(0);
    collector.rest(viewOf(['Task', ['in', 'list', 'a']]));
    write('first');
    collector.catchUp();
    expect([log, sender.cursor.coveredTo]).toEqual([[], 1]);
    realm.hold(true);
    write('second');
    collector.catchUp();
    expect([log, sender.cursor.coveredTo]).toEqual([['touch 2', 'page 2'], 1]);
    collector.stop();
  });
});
