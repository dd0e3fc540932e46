import { BehaviorSubject, concat, EMPTY, ignoreElements, timer } from 'rxjs';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { VisibleObjects } from '../../../lib/server/index.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { createFakeReplica, createTimedServer } from '../fake-replica.js';
import { create, createViewConnection, filterOf, update } from '../views/view-world.js';

describe('the answers to uploads in a scope', () => {
  it('come in the order of the changesets, also while the server forgets an earlier scope', () => {
    const made = createTimedServer();
    const { scheduler } = made.clock;
    // What is stored of scopes takes a while.
    const storage: Storage = {
      ...made.storage,
      batch: (changes, options) =>
        concat(
          changes.some(({ key }) => key.includes('/scopes/')) ? timer(5, scheduler).pipe(ignoreElements()) : EMPTY,
          made.storage.batch(changes, options),
        ),
    };
    let drawn = 0;
    const visible$ = new BehaviorSubject<VisibleObjects>({ Task: { team: 'x' } });
    const server = made.make({
      storage,
      clock: { ...made.clock, random: () => (drawn = (drawn + 0.618034) % 1) },
      authenticate: (token) => ({ id: token }),
      authorize: () => 'write',
      scope: ({ id }) => (id === 'ann' ? visible$ : true),
    });
    const writer = createFakeReplica('w', 'admin');
    writer.connect(server);
    writer.write(made.clock.now(), create('a', 'l', { team: 'x' }));
    const client = createViewConnection(server, 'v', 'ann');
    client.bind();
    made.pass(100);
    client.subscribe(1, [filterOf(true)]);
    made.pass(100);
    client.fetchAll(1);
    made.pass(100);
    client.texts();
    const before = client.all.length;
    const changesetOf = (version: number, ...operations: readonly Operation[]) => ({
      ...{ version, time: made.clock.now(), count: version, body: encodeOperations(operations) },
    });
    visible$.next({ Task: { team: 'y' } });
    const hidden = [1, 2].map((version) => changesetOf(version, update('a', { note: `${version}` })));
    client.send(
      { type: 'upload', session: 1, changesets: hidden },
      { type: 'upload', session: 1, changesets: [changesetOf(3, create('b', 'l', { team: 'y' }))] },
    );
    made.pass(100);
    client.texts();
    const answers = client.all
      .slice(before)
      .flatMap((message) =>
        message.type === 'refused' || message.type === 'accepted' ? [`${message.type} ${message.version}`] : [],
      );
    expect(answers).toEqual(['refused 1', 'refused 2', 'accepted 2', 'accepted 3']);
    writer.drop();
    client.disconnect();
  });
});
