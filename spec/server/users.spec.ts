import { systemClock } from '../../lib/clock.js';
import { createSyncServer, type Right } from '../../lib/server/index.js';
import type { ServerLimits } from '../../lib/server/options.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { bind, call, short, upload, type Caller } from './support.js';

const users = { authenticate: (token: string) => ({ id: token }), authorize: (): Right => 'write' };

const serving = (limits: Partial<ServerLimits>, now: () => number = Date.now) => {
  const { scheduler, random } = systemClock;
  return createSyncServer({ storage: memoryStorage(), ...users, limits, clock: { scheduler, random, now } }).wire;
};

/** Binds realms one after the other, in sessions from this one on. */
const holding = (caller: Caller, user: string, realms: readonly string[], from = 1): string[] => {
  realms.forEach((realm, at) =>
    caller.say(bind({ session: from + at, realm, replica: `${user}-${realm}`, token: at === 0 ? user : null })),
  );
  return short(caller);
};
const texts = (caller: Caller): string[] =>
  caller
    .heard()
    .map((message) =>
      message.type === 'error' ? `#${message.session} ${message.code}: ${message.text}` : message.type,
    );

describe('what one user may take', () => {
  it('field report E5: is so many realms, sessions and connections, and who has too many is told what and how much', () => {
    const wire = serving({ realmsPerUserMax: 2, sessionsPerUserMax: 4, connectionsPerUserMax: 2 });
    const [one, two, three, ann] = [call(wire), call(wire), call(wire), call(wire)];
    one.say(
      bind({ realm: 'r1', token: 'mallory' }),
      bind({ session: 2, realm: 'r2' }),
      bind({ session: 3, realm: 'r3' }),
    );
    expect(texts(one)).toEqual([
      'bound',
      'bound',
      '#3 too-many-sessions: this user has 2 realms open; realmsPerUserMax is 2',
    ]);
    two.say(bind({ realm: 'r1', token: 'mallory', replica: 'b' }), bind({ session: 2, realm: 'r1', replica: 'c' }));
    two.say(bind({ session: 3, realm: 'r1', replica: 'd' }));
    expect(texts(two)).toEqual([
      'bound',
      'bound',
      '#3 too-many-sessions: this user has 4 sessions; sessionsPerUserMax is 4',
    ]);
    three.say(bind({ realm: 'r1', token: 'mallory', replica: 'e' }));
    expect(texts(three)).toEqual(['#1 too-many-sessions: this user has 2 connections; connectionsPerUserMax is 2']);
    ann.say(bind({ realm: 'r9', token: 'ann' }));
    expect(texts(ann)).toEqual(['bound']);
    // What is let go of is free again.
    one.say({ type: 'unbind', session: 2 }, bind({ session: 4, realm: 'r3' }));
    expect(texts(one)).toEqual(['unbound', 'bound']);
    two.drop();
    three.say(bind({ session: 2, realm: 'r1', replica: 'e' }));
    expect(texts(three)).toEqual(['bound']);
  });

  it('field report E5: is nobody’s concern where nobody is asked who he is', () => {
    const { wire } = createSyncServer({
      storage: memoryStorage(),
      limits: { realmsPerUserMax: 1, sessionsPerUserMax: 1, connectionsPerUserMax: 1 },
    });
    const [one, two] = [call(wire), call(wire)];
    one.say(bind({ realm: 'r1' }), bind({ session: 2, realm: 'r2' }));
    two.say(bind({ realm: 'r1', replica: 'b' }));
    expect([...texts(one), ...texts(two)]).toEqual(['bound', 'bound', 'bound']);
  });
});

describe('the places of a server', () => {
  const bound = 'bound head 0 accepted 0';

  it('field report E5: are taken from who has most of them, the realm first that was not written for longest', () => {
    let now = 1_000;
    const wire = serving({ realmsOpenMax: 4 }, () => now);
    const [mallory, ann, bob, cid, dan] = [call(wire), call(wire), call(wire), call(wire), call(wire)];
    holding(mallory, 'mallory', ['m1', 'm2', 'm3', 'm4']);
    now += 10;
    mallory.say(upload(1, 1, 1));
    mallory.heard();
    expect(holding(ann, 'ann', ['a1'])).toEqual([bound]);
    expect(short(mallory)).toEqual(['#2 error too-many-sessions, later']);
    expect(holding(bob, 'bob', ['b1'])).toEqual([bound]);
    expect(short(mallory)).toEqual(['#3 error too-many-sessions, later']);
    expect(holding(cid, 'cid', ['c1'])).toEqual([bound]);
    expect(short(mallory)).toEqual(['#4 error too-many-sessions, later']);
    // All have one: nobody has to give way, who has one least of all.
    dan.say(bind({ realm: 'd1', token: 'dan' }));
    expect(texts(dan)).toEqual([
      '#1 too-many-sessions: 4 realms are open on this server, each by a user who has no more than you; realmsOpenMax is 4',
    ]);
    expect([mallory, ann, bob, cid].flatMap(short)).toEqual([]);
    mallory.say(upload(2, 2, 1));
    expect(short(mallory)).toEqual(['accepted 2']);
  });

  it('field report E5: are not taken from who is modest because he shares a realm with who is not', () => {
    const wire = serving({ realmsOpenMax: 3 });
    const [mallory, ann, bob] = [call(wire), call(wire), call(wire)];
    holding(ann, 'ann', ['shared']);
    holding(mallory, 'mallory', ['shared', 'm1', 'm2']);
    expect(holding(bob, 'bob', ['b1'])).toEqual([bound]);
    expect(short(mallory)).toEqual(['#2 error too-many-sessions, later']);
    expect(short(ann)).toEqual([]);
  });

  it('field report E5: are given up by a realm that nobody has written to for minutes, to who has no more', () => {
    let now = 1_000;
    const wire = serving({ realmsOpenMax: 2, silenceMsMax: 2 ** 31 - 1 }, () => now);
    const [ann, bob, cid, mallory] = [call(wire), call(wire), call(wire), call(wire)];
    holding(ann, 'ann', ['a1']);
    now += 1_000;
    holding(bob, 'bob', ['b1']);
    now += 298_900;
    holding(mallory, 'mallory', ['a1']); // Who has none of his own but takes part has one.
    expect(holding(cid, 'cid', ['c1'])).toEqual(['error too-many-sessions, later']);
    now += 600;
    bob.say(upload(1));
    expect(short(bob)).toEqual(['accepted 1']);
    expect(holding(cid, 'cid', ['c1'], 2)).toEqual([`#2 ${bound}`]);
    expect([ann, mallory].map((caller) => short(caller).at(-1))).toEqual([
      'error too-many-sessions, later',
      'error too-many-sessions, later',
    ]);
    expect(short(bob)).toEqual([]);
  });

  it('field report E5: of one user hold nobody up: with a thousand realms everybody else comes in', () => {
    const wire = serving({ realmsPerUserMax: 10_000 });
    const mallory = call(wire);
    holding(
      mallory,
      'mallory',
      Array.from({ length: 1_000 }, (_, at) => `m${at}`),
    );
    for (let user = 0; user < 20; user += 1) expect(holding(call(wire), `user-${user}`, [`u${user}`])).toEqual([bound]);
    expect(short(mallory).filter((said) => said.endsWith('error too-many-sessions, later'))).toHaveLength(20);
  });
});
