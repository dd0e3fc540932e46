import { systemClock } from '../../../lib/clock.js';
import { createSyncServer, type Access } from '../../../lib/server/index.js';
import type { ServerLimits } from '../../../lib/server/server-options.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createBind, connect, summariesOf, createUpload, type TestClient } from '../test-kit.js';

const users = { authenticate: (token: string) => ({ id: token }), authorize: (): Access => 'write' };

const serving = (limits: Partial<ServerLimits>, now: () => number = Date.now) => {
  const { scheduler, random } = systemClock;
  return createSyncServer({ storage: memoryStorage(), ...users, limits, clock: { scheduler, random, now } }).wire;
};

/** Binds realms one after the other, in sessions from this number on. */
const holding = (caller: TestClient, user: string, realms: readonly string[], from = 1): string[] => {
  realms.forEach((realm, at) =>
    caller.send(createBind({ session: from + at, realm, replica: `${user}-${realm}`, token: at === 0 ? user : null })),
  );
  return summariesOf(caller);
};
const texts = (caller: TestClient): string[] =>
  caller
    .received()
    .map((message) =>
      message.type === 'error' ? `#${message.session} ${message.code}: ${message.text}` : message.type,
    );

describe('the limits of one user', () => {
  it('field report E-5: apply to realms, sessions and connections, and the error names the limit and its value', () => {
    const wire = serving({ realmsPerUserMax: 2, sessionsPerUserMax: 4, connectionsPerUserMax: 2 });
    const [one, two, three, ann] = [connect(wire), connect(wire), connect(wire), connect(wire)];
    one.send(
      createBind({ realm: 'r1', token: 'mallory' }),
      createBind({ session: 2, realm: 'r2' }),
      createBind({ session: 3, realm: 'r3' }),
    );
    expect(texts(one)).toEqual([
      'bound',
      'bound',
      '#3 too-many-sessions: The user has 2 open realms. realmsPerUserMax is 2.',
    ]);
    two.send(
      createBind({ realm: 'r1', token: 'mallory', replica: 'b' }),
      createBind({ session: 2, realm: 'r1', replica: 'c' }),
    );
    two.send(createBind({ session: 3, realm: 'r1', replica: 'd' }));
    expect(texts(two)).toEqual([
      'bound',
      'bound',
      '#3 too-many-sessions: The user has 4 sessions. sessionsPerUserMax is 4.',
    ]);
    three.send(createBind({ realm: 'r1', token: 'mallory', replica: 'e' }));
    expect(texts(three)).toEqual(['#1 too-many-sessions: The user has 2 connections. connectionsPerUserMax is 2.']);
    ann.send(createBind({ realm: 'r9', token: 'ann' }));
    expect(texts(ann)).toEqual(['bound']);
    // An unbound session frees its place.
    one.send({ type: 'unbind', session: 2 }, createBind({ session: 4, realm: 'r3' }));
    expect(texts(one)).toEqual(['unbound', 'bound']);
    two.disconnect();
    three.send(createBind({ session: 2, realm: 'r1', replica: 'e' }));
    expect(texts(three)).toEqual(['bound']);
  });

  it('field report E-5: are not applied without authentication', () => {
    const { wire } = createSyncServer({
      storage: memoryStorage(),
      limits: { realmsPerUserMax: 1, sessionsPerUserMax: 1, connectionsPerUserMax: 1 },
    });
    const [one, two] = [connect(wire), connect(wire)];
    one.send(createBind({ realm: 'r1' }), createBind({ session: 2, realm: 'r2' }));
    two.send(createBind({ realm: 'r1', replica: 'b' }));
    expect([...texts(one), ...texts(two)]).toEqual(['bound', 'bound', 'bound']);
  });
});

describe('the open realms of a server', () => {
  const bound = 'bound head 0 accepted 0';

  it('field report E-5: are closed for the user with the most, the realm first that has been without writes for longest', () => {
    let now = 1_000;
    const wire = serving({ realmsOpenMax: 4 }, () => now);
    const [mallory, ann, bob, cid, dan] = [connect(wire), connect(wire), connect(wire), connect(wire), connect(wire)];
    holding(mallory, 'mallory', ['m1', 'm2', 'm3', 'm4']);
    now += 10;
    mallory.send(createUpload(1, 1, 1));
    mallory.received();
    expect(holding(ann, 'ann', ['a1'])).toEqual([bound]);
    expect(summariesOf(mallory)).toEqual(['#2 error too-many-sessions, later']);
    expect(holding(bob, 'bob', ['b1'])).toEqual([bound]);
    expect(summariesOf(mallory)).toEqual(['#3 error too-many-sessions, later']);
    expect(holding(cid, 'cid', ['c1'])).toEqual([bound]);
    expect(summariesOf(mallory)).toEqual(['#4 error too-many-sessions, later']);
    // Each user has one session, so no session is ended, least of all the only one of a user.
    dan.send(createBind({ realm: 'd1', token: 'dan' }));
    expect(texts(dan)).toEqual([
      '#1 too-many-sessions: The server has 4 open realms, and none of them can be closed for this user. realmsOpenMax is 4.',
    ]);
    expect([mallory, ann, bob, cid].flatMap(summariesOf)).toEqual([]);
    mallory.send(createUpload(2, 2, 1));
    expect(summariesOf(mallory)).toEqual(['accepted 2']);
  });

  it('field report E-5: are not closed for a user with few sessions who shares a realm with a user with many', () => {
    const wire = serving({ realmsOpenMax: 3 });
    const [mallory, ann, bob] = [connect(wire), connect(wire), connect(wire)];
    holding(ann, 'ann', ['shared']);
    holding(mallory, 'mallory', ['shared', 'm1', 'm2']);
    expect(holding(bob, 'bob', ['b1'])).toEqual([bound]);
    expect(summariesOf(mallory)).toEqual(['#2 error too-many-sessions, later']);
    expect(summariesOf(ann)).toEqual([]);
  });

  it('field report E-5: are closed after minutes without writes, so that a user without one can open one', () => {
    let now = 1_000;
    const wire = serving({ realmsOpenMax: 2, silenceMsMax: 2 ** 31 - 1 }, () => now);
    const [ann, bob, cid, mallory] = [connect(wire), connect(wire), connect(wire), connect(wire)];
    holding(ann, 'ann', ['a1']);
    now += 1_000;
    holding(bob, 'bob', ['b1']);
    now += 298_900;
    holding(mallory, 'mallory', ['a1']); // This user has no realm of its own but is a member of one.
    expect(holding(cid, 'cid', ['c1'])).toEqual(['error too-many-sessions, later']);
    now += 600;
    bob.send(createUpload(1));
    expect(summariesOf(bob)).toEqual(['accepted 1']);
    expect(holding(cid, 'cid', ['c1'], 2)).toEqual([`#2 ${bound}`]);
    expect([ann, mallory].map((caller) => summariesOf(caller).at(-1))).toEqual([
      'error too-many-sessions, later',
      'error too-many-sessions, later',
    ]);
    expect(summariesOf(bob)).toEqual([]);
  });

  it('field report E-5: of one user do not delay others: with a thousand realms all others can bind', () => {
    const wire = serving({ realmsPerUserMax: 10_000 });
    const mallory = connect(wire);
    holding(
      mallory,
      'mallory',
      Array.from({ length: 1_000 }, (_, at) => `m${at}`),
    );
    for (let user = 0; user < 20; user += 1)
      expect(holding(connect(wire), `user-${user}`, [`u${user}`])).toEqual([bound]);
    expect(summariesOf(mallory).filter((summary) => summary.endsWith('error too-many-sessions, later'))).toHaveLength(
      20,
    );
  });
});
