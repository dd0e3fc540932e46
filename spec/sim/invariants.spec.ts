import { transitions, type ConnectionState, type SyncSession, type SyncState } from '../../lib/index.js';
import {
  InvariantError,
  createConnectionWatch,
  createLedger,
  createStateWatch,
  type Ledger,
} from '../../sim/invariants.js';

/** Which promise is broken by that; `null`: none. */
const brokenBy = (act: () => void): string | null => {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof InvariantError) return thrown.promise;
    throw thrown;
  }
  return null;
};

describe('what breaks a promise', () => {
  it('says which, and how', () => {
    const broken = new InvariantError('all are equal', 'they are not');
    expect(broken).toMatchObject({ name: 'Broken', promise: 'all are equal', message: 'all are equal: they are not' });
  });
});

describe('the ledger of what was written', () => {
  const isThere = 'every resolved write is there';
  const isWritten = 'nothing is there that nobody wrote';
  const isNowhere = 'a refused write is nowhere';

  const ledgerOf = (...acts: readonly (readonly [keyof Ledger, string?])[]): Ledger => {
    const ledger = createLedger();
    for (const [act, id] of acts) (ledger[act] as (id?: string) => void)(id);
    return ledger;
  };
  const checked = (ledger: Ledger, ...ids: readonly string[]): string | null =>
    brokenBy(() => ledger.check(new Set(ids)));

  it('holds when all that was resolved is there, and nothing that nobody tried', () => {
    const ledger = ledgerOf(['recordAttempt', 'a'], ['recordAttempt', 'b'], ['recordResolved', 'a']);
    expect(checked(ledger, 'a')).toBeNull();
    expect(checked(ledger, 'a', 'b')).toBeNull();
    expect(checked(ledgerOf())).toBeNull();
  });

  it('sees a resolved write that is gone, whether the server had it or not', () => {
    expect(checked(ledgerOf(['recordAttempt', 'a'], ['recordResolved', 'a']))).toBe(isThere);
    const durable = ledgerOf(
      ['recordAttempt', 'a'],
      ['recordAttempt', 'b'],
      ['recordResolved', 'a'],
      ['recordResolved', 'b'],
      ['recordDurable', 'a'],
    );
    expect(checked(durable, 'b')).toBe(isThere);
    expect(() => durable.check(new Set('b'))).toThrow('a is not (durable on the server: true)');
  });

  it('lets a write be lost that was tried and never resolved', () => {
    expect(checked(ledgerOf(['recordAttempt', 'a']))).toBeNull();
  });

  it('sees what nobody wrote', () => {
    expect(checked(ledgerOf(['recordAttempt', 'a']), 'a', 'b')).toBe(isWritten);
  });

  it('sees a refused write that is there, and misses none that is not', () => {
    const refused = ledgerOf(['recordAttempt', 'a'], ['recordResolved', 'a'], ['recordRejected', 'a']);
    expect(checked(refused, 'a')).toBe(isNowhere);
    expect(checked(refused)).toBeNull();
  });

  it('knows what the server has, each once, in the order in which it got it', () => {
    const ledger = ledgerOf(['recordDurable', 'b'], ['recordDurable', 'a'], ['recordDurable', 'b']);
    expect([ledger.durableCount(), ledger.idsInOrder(1), ledger.idsInOrder(5)]).toEqual([2, ['b'], ['b', 'a']]);
    expect([ledger.isDurable('a'), ledger.isDurable('c'), ledger.wasDurable('a'), ledger.wasDurable('c')]).toEqual([
      ...[true, false],
      ...[true, false],
    ]);
    expect(ledger.restoreCount()).toBe(0);
  });

  it('forgives with a restore what the server had taken since it was saved, and nothing else', () => {
    const all = ['saved', 'lost', 'waiting'];
    const ledger = ledgerOf(
      ...all.flatMap(
        (id) =>
          [
            ['recordAttempt', id],
            ['recordResolved', id],
          ] as const,
      ),
      ['recordDurable', 'saved'],
    );
    ledger.recordBackup();
    ledger.recordDurable('lost');
    ledger.recordRestore();
    expect(checked(ledger, 'saved', 'waiting')).toBeNull();
    expect(checked(ledger, ...all)).toBeNull();
    expect(checked(ledger, 'lost', 'waiting')).toBe(isThere);
    expect(checked(ledger, 'saved', 'lost')).toBe(isThere);
    expect(all.map(ledger.isDurable)).toEqual([true, false, false]);
    expect(all.map(ledger.wasDurable)).toEqual([true, true, false]);
    expect([ledger.durableCount(), ledger.idsInOrder(9), ledger.restoreCount()]).toEqual([1, ['saved'], 1]);
  });

  it('forgives nothing that is written after the restore, and counts restores', () => {
    const ledger = ledgerOf(
      ['recordBackup'],
      ['recordAttempt', 'a'],
      ['recordResolved', 'a'],
      ['recordDurable', 'a'],
      ['recordRestore'],
    );
    expect(checked(ledger)).toBeNull();
    ledger.recordAttempt('b');
    ledger.recordResolved('b');
    ledger.recordDurable('b');
    expect(checked(ledger)).toBe(isThere);
    ledger.recordRestore();
    expect(checked(ledger)).toBeNull();
    expect(ledger.restoreCount()).toBe(2);
  });
});

describe('the watch of calls', () => {
  /** Which promise is broken by calls at these times, each by a device. */
  const called = (...calls: readonly (readonly [at: number, device: number])[]): string | null => {
    let now = 0;
    const watch = createConnectionWatch(() => now);
    return brokenBy(() => {
      for (const [at, device] of calls) {
        now = at;
        watch(device);
      }
    });
  };
  const every = (ms: number, count: number, device = 1) =>
    Array.from({ length: count }, (_, at) => [at * ms, device] as const);

  it('sees who calls all the time', () => {
    expect(called(...every(100, 100))).toBe('nobody is hammered');
  });

  it('minds nobody who calls every few seconds, however long', () => {
    expect(called(...every(3_000, 1_000))).toBeNull();
  });

  it('counts each device by itself', () => {
    const tens = Array.from({ length: 20 }, (_, device) => every(1_000, 10, device)).flat();
    expect(called(...tens.sort(([a], [b]) => a - b))).toBeNull();
  });

  it('says who, and how often', () => {
    const watch = createConnectionWatch(() => 5);
    expect(() => {
      for (let count = 0; count < 1_000; count += 1) watch(3);
    }).toThrow(/^nobody is hammered: device 3 called \d+ times within \d+ ms$/);
  });
});

const syncStates = Object.keys(transitions) as readonly SyncState[];
const connectionStates: readonly ConnectionState[] = ['disconnected', 'connecting', 'connected'];

/** A watch of a session that says of itself what it is told here. */
const watchOf = (mayStartOver = false) => {
  const said = { sync: 'active' as SyncState, connection: { state: 'disconnected' as ConnectionState } };
  const session = { status: said } as unknown as Pick<SyncSession, 'status'>;
  const watch = createStateWatch('device 1', session, () => mayStartOver);
  return {
    ...watch,
    sync: (next: SyncState) => {
      said.sync = next;
      watch.sync(next);
    },
    connection: (next: ConnectionState) => {
      said.connection.state = next;
      watch.connection(next);
    },
  };
};
const byTable = 'states follow the table';

describe('the watch of states', () => {
  /** Where active is meant and nobody is logged in, `inactive` comes in the moment of `active`. */
  const mayFollow = (from: SyncState, to: SyncState): boolean =>
    Object.values(transitions[from]).includes(to) || (to === 'inactive' && transitions[from].resume === 'active');

  it.each(syncStates.flatMap((from) => syncStates.map((to) => [from, to] as const)))(
    'sees %s before %s for what it is by the table of syncState',
    (from, to) => {
      const watch = watchOf();
      watch.sync(from);
      expect(brokenBy(() => watch.sync(to))).toBe(mayFollow(from, to) ? null : byTable);
    },
  );

  it('has seen transitions of both kinds', () => {
    const pairs = syncStates.flatMap((from) => syncStates.map((to) => mayFollow(from, to)));
    expect(new Set(pairs)).toEqual(new Set([true, false]));
    expect([mayFollow('paused', 'inactive'), mayFollow('paused', 'dying')]).toEqual([true, false]);
  });

  it.each([
    ['disconnected', 'connecting', null],
    ['disconnected', 'connected', byTable],
    ['disconnected', 'disconnected', byTable],
    ['connecting', 'connected', null],
    ['connecting', 'disconnected', null],
    ['connecting', 'connecting', byTable],
    ['connected', 'disconnected', null],
    ['connected', 'connecting', null],
    ['connected', 'connected', byTable],
  ] as const)('takes a connection that is %s and then %s for %p', (from, to, broken) => {
    const watch = watchOf();
    watch.sync('active');
    watch.connection(from);
    expect(brokenBy(() => watch.connection(to))).toBe(broken);
  });

  it('begins with any state', () => {
    for (const state of syncStates) expect(brokenBy(() => watchOf().sync(state))).toBeNull();
    for (const state of connectionStates) expect(brokenBy(() => watchOf().connection(state))).toBeNull();
  });

  it('sees a line that is held by who wants none, whichever stream tells of it', () => {
    for (const wanted of ['paused', 'inactive'] as const) {
      const left = watchOf();
      left.sync('active');
      left.connection('connecting');
      expect(brokenBy(() => left.sync(wanted))).toBe(byTable);
      const called = watchOf();
      called.sync(wanted);
      expect(brokenBy(() => called.connection('connecting'))).toBe(byTable);
      expect(brokenBy(() => watchOf().sync(wanted))).toBeNull();
    }
  });

  it('says whose states they are, and which', () => {
    const watch = watchOf();
    watch.sync('paused');
    expect(() => watch.sync('dying')).toThrow('states follow the table: device 1: dying after paused');
  });

  it('sees a download that starts over without need', () => {
    const watch = watchOf();
    for (const version of [3, 3, 7]) expect(brokenBy(() => watch.downloaded(version))).toBeNull();
    expect(brokenBy(() => watch.downloaded(6))).toBe('nobody starts over without need');
  });

  it('lets a download start over that has to', () => {
    const watch = watchOf(true);
    for (const version of [7, 0, 3]) expect(brokenBy(() => watch.downloaded(version))).toBeNull();
  });
});
