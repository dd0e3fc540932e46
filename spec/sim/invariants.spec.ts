import { transitions, type ConnectionState, type SyncSession, type SyncState } from '../../lib/index.js';
import {
  InvariantError,
  createConnectionWatch,
  cutoffErrorOf,
  createLedger,
  createStateWatch,
  type Ledger,
} from '../../sim/invariants.js';

/** Returns the invariant that an action breaks; `null` when none is broken. */
const brokenBy = (act: () => void): string | null => {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof InvariantError) return thrown.promise;
    throw thrown;
  }
  return null;
};

describe('an invariant error', () => {
  it('names the invariant and its detail', () => {
    const broken = new InvariantError('all are equal', 'they are not');
    expect(broken).toMatchObject({
      name: 'InvariantError',
      promise: 'all are equal',
      message: 'all are equal: they are not',
    });
  });
});

describe('the ledger of writes', () => {
  const isThere = 'every resolved write exists at the end';
  const isWritten = 'every entry was written by a device';
  const isNowhere = 'a rejected write is not applied';

  const ledgerOf = (...acts: readonly (readonly [keyof Ledger, string?])[]): Ledger => {
    const ledger = createLedger();
    for (const [act, id] of acts) (ledger[act] as (id?: string) => void)(id);
    return ledger;
  };
  const checked = (ledger: Ledger, ...ids: readonly string[]): string | null =>
    brokenBy(() => ledger.check(new Set(ids)));

  it('accepts all resolved writes, and only entries of attempted writes', () => {
    const ledger = ledgerOf(['recordAttempt', 'a'], ['recordAttempt', 'b'], ['recordResolved', 'a']);
    expect(checked(ledger, 'a')).toBeNull();
    expect(checked(ledger, 'a', 'b')).toBeNull();
    expect(checked(ledgerOf())).toBeNull();
  });

  it('detects a missing resolved write, whether the server had it or not', () => {
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

  it('accepts the loss of a write whose promise never resolved', () => {
    expect(checked(ledgerOf(['recordAttempt', 'a']))).toBeNull();
  });

  it('detects an entry that no device wrote', () => {
    expect(checked(ledgerOf(['recordAttempt', 'a']), 'a', 'b')).toBe(isWritten);
  });

  it('detects an applied rejected write, and accepts a missing one', () => {
    const rejected = ledgerOf(['recordAttempt', 'a'], ['recordResolved', 'a'], ['recordRejected', 'a']);
    expect(checked(rejected, 'a')).toBe(isNowhere);
    expect(checked(rejected)).toBeNull();
  });

  it('lists durable writes once, in the order of their storage', () => {
    const ledger = ledgerOf(['recordDurable', 'b'], ['recordDurable', 'a'], ['recordDurable', 'b']);
    expect([ledger.durableCount(), ledger.idsInOrder(1), ledger.idsInOrder(5)]).toEqual([2, ['b'], ['b', 'a']]);
    expect([ledger.isDurable('a'), ledger.isDurable('c'), ledger.wasDurable('a'), ledger.wasDurable('c')]).toEqual([
      ...[true, false],
      ...[true, false],
    ]);
    expect(ledger.restoreCount()).toBe(0);
  });

  it('excuses writes after the restored backup, and no other ones', () => {
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

  it('does not excuse writes after the restore, and counts restores', () => {
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

describe('the retention cutoff', () => {
  it('may be one millisecond after the latest changeset of the history, and not more', () => {
    expect(cutoffErrorOf(101, 100)).toBeNull();
    expect(cutoffErrorOf(102, 100)?.message).toContain('the retention cutoff is not after the history');
  });
});

describe('the watch of connection attempts', () => {
  /** Returns the invariant that connection attempts of devices at these times break; `null` when none is broken. */
  const attempted = (...attempts: readonly (readonly [at: number, device: number])[]): string | null =>
    attemptedWith(false, attempts);
  const attemptedWith = (isQuick: boolean, attempts: readonly (readonly [at: number, device: number])[]) => {
    let now = 0;
    const watch = createConnectionWatch(() => now, isQuick);
    return brokenBy(() => {
      for (const [at, device] of attempts) {
        now = at;
        watch(device);
      }
    });
  };
  const every = (ms: number, count: number, device = 1) =>
    Array.from({ length: count }, (_, at) => [at * ms, device] as const);

  it('detects a device that connects all the time', () => {
    expect(attempted(...every(100, 100))).toBe('a client does not reconnect too often');
  });

  it('accepts quick retries where clients make them, but not without end', () => {
    expect(attemptedWith(true, every(100, 40))).toBeNull();
    expect(attemptedWith(true, every(100, 100))).toBe('a client does not reconnect too often');
  });

  it('accepts a device that connects every few seconds for any time', () => {
    expect(attempted(...every(3_000, 1_000))).toBeNull();
  });

  it('counts each device separately', () => {
    const tens = Array.from({ length: 20 }, (_, device) => every(1_000, 10, device)).flat();
    expect(attempted(...tens.sort(([a], [b]) => a - b))).toBeNull();
  });

  it('names the device and its number of attempts', () => {
    const watch = createConnectionWatch(() => 5, false);
    expect(() => {
      for (let count = 0; count < 1_000; count += 1) watch(3);
    }).toThrow(/^a client does not reconnect too often: device 3 connected \d+ times within \d+ ms$/);
  });
});

const syncStates = Object.keys(transitions) as readonly SyncState[];
const connectionStates: readonly ConnectionState[] = ['disconnected', 'connecting', 'connected'];

/** Creates a watch of a session whose status the test sets. */
const watchOf = (mayReset = false) => {
  const sessionStatus = { sync: 'active' as SyncState, connection: { state: 'disconnected' as ConnectionState } };
  const session = { status: sessionStatus } as unknown as Pick<SyncSession, 'status'>;
  const watch = createStateWatch('device 1', session, () => mayReset);
  return {
    ...watch,
    sync: (next: SyncState) => {
      sessionStatus.sync = next;
      watch.sync(next);
    },
    connection: (next: ConnectionState) => {
      sessionStatus.connection.state = next;
      watch.connection(next);
    },
  };
};
const byTable = 'states follow the table';

describe('the watch of states', () => {
  /** When the target state is active and no user is logged in, `inactive` follows `active` at once. */
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

  it('has tested transitions of both kinds', () => {
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

  it('detects a connection of a paused or inactive session, whichever stream reports it', () => {
    for (const wanted of ['paused', 'inactive'] as const) {
      const left = watchOf();
      left.sync('active');
      left.connection('connecting');
      expect(brokenBy(() => left.sync(wanted))).toBe(byTable);
      const attempted = watchOf();
      attempted.sync(wanted);
      expect(brokenBy(() => attempted.connection('connecting'))).toBe(byTable);
      expect(brokenBy(() => watchOf().sync(wanted))).toBeNull();
    }
  });

  it('names the session and its states', () => {
    const watch = watchOf();
    watch.sync('paused');
    expect(() => watch.sync('dying')).toThrow('states follow the table: device 1: dying after paused');
  });

  it('detects a client reset without a reason', () => {
    const watch = watchOf();
    for (const version of [3, 3, 7]) expect(brokenBy(() => watch.downloaded(version))).toBeNull();
    expect(brokenBy(() => watch.downloaded(6))).toBe('a client reset has a reason');
  });

  it('accepts a client reset with a reason', () => {
    const watch = watchOf(true);
    for (const version of [7, 0, 3]) expect(brokenBy(() => watch.downloaded(version))).toBeNull();
  });
});
