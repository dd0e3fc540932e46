import { defer, firstValueFrom, of, throwError, type ObservableInput } from 'rxjs';
import {
  type AccessToken,
  InvalidArgumentError,
  memoryStorage,
  openRealm,
  type Realm,
  SchemaError,
  type Schema,
  type SyncError,
} from '../../lib/index.js';
import { openDevice, open, sessionOf, nextTurn, waitUntil } from './test-kit.js';

const schema = {
  Box: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      any: 'mixed',
      at: 'date?',
      bytes: 'data?',
      count: 'counter',
      list: 'string[]',
      numbers: 'int<>',
      map: 'double{}',
      made: { type: 'string[]', default: () => ['first'] },
    },
  },
} as const satisfies Schema;
type Boxes = Realm<typeof schema>;
type Tx = Parameters<Parameters<Boxes['write']>[0]>[0];
/** The transaction as an app without type checks sees it. */
interface LooseTx {
  readonly create: (type: string, values: unknown) => void;
  readonly put: (type: string, values: unknown) => void;
  readonly update: (type: string, key: unknown, patch: unknown) => void;
}

const local = (): Promise<Boxes> => openRealm({ schema, storage: memoryStorage() });
const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
    return null;
  } catch (thrown) {
    return thrown;
  }
};
const loose = (tx: Tx): LooseTx => tx as never;

describe('a rejected call of a transaction', () => {
  const wrong: readonly (readonly [what: string, values: object])[] = [
    ['an element of a list', { title: 'new', list: ['a', 5] }],
    ['a list that is not an array', { title: 'new', list: 'abc' }],
    ['an element of a set', { title: 'new', list: ['a'], numbers: [1, 0.5] }],
    ['a value of a dictionary', { title: 'new', numbers: [1], map: { a: 1, b: 'x' } }],
    ['a key of a dictionary', { title: 'new', numbers: [1], map: { ['k'.repeat(4_097)]: 1 } }],
    ['a dictionary that is not a record', { title: 'new', map: new Map([['a', 1]]) }],
    ['too many elements', { title: 'new', map: { a: 1 }, list: new Array(100_001).fill('x') }],
  ];

  it.each(wrong)('has no effect when the app catches its error and continues: %s', async (_, values) => {
    const realm = await local();
    await realm.write((tx) => tx.create('Box', { id: 'old', title: 'old', list: ['z'] }));
    const old = realm.get('Box', 'old');
    await realm.write((tx) => {
      const calls = [
        () => loose(tx).create('Box', { id: 'new', ...values }),
        () => loose(tx).put('Box', { id: 'new', ...values }),
        () => loose(tx).put('Box', { id: 'old', ...values }),
        () => loose(tx).update('Box', 'old', values),
      ];
      for (const call of calls) expect(thrownBy(call)).toHaveProperty('code', expect.stringMatching(/schema|argument/));
      expect(tx.get('Box', 'new')).toBeUndefined();
      expect(tx.get('Box', 'old')).toEqual(old);
      tx.create('Box', { id: 'other', title: 'other' });
    });
    expect(realm.objects('Box').map(({ id }) => id)).toEqual(['old', 'other']);
    expect(realm.get('Box', 'old')).toBe(old);
    expect(realm.get('Box', 'other')?.made).toEqual(['first']);
  });

  it('a counter stays a safe whole number: a larger increment is rejected', async () => {
    const realm = await local();
    await realm.write((tx) => tx.create('Box', { id: 'a', title: '', count: Number.MAX_SAFE_INTEGER - 1 }));
    await realm.write((tx) => {
      tx.increment('Box', 'a', 'count');
      const failure = thrownBy(() => tx.increment('Box', 'a', 'count'));
      expect(failure).toBeInstanceOf(SchemaError);
      expect((failure as Error).message).toContain('Box["a"].count must be from -(2^53 - 1)');
      tx.increment('Box', 'a', 'count', -2);
    });
    expect(realm.get('Box', 'a')?.count).toBe(Number.MAX_SAFE_INTEGER - 2);
  });
});

describe('an asynchronous function of a write', () => {
  it.each([
    ['uses the transaction later', (tx: Tx) => nextTurn().then(() => tx.create('Box', { id: 'late', title: '' }))],
    ['fails at once', () => Promise.reject(new Error('mine'))],
    ['fails later', () => nextTurn().then(() => Promise.reject(new Error('mine')))],
  ])('is rejected by the promise of the write, and no other rejection is unhandled: it %s', async (_, change) => {
    const lost: unknown[] = [];
    const record = (reason: unknown): void => void lost.push(reason);
    process.on('unhandledRejection', record);
    const realm = await local();
    const failure = await realm.write(change as () => never).catch((thrown: unknown) => thrown);
    for (let turns = 0; turns < 5; turns += 1) await nextTurn();
    process.off('unhandledRejection', record);
    expect(failure).toBeInstanceOf(InvalidArgumentError);
    expect(lost).toEqual([]);
    expect(realm.objects('Box')).toEqual([]);
  });
});

describe('a record of properties', () => {
  class Title {
    readonly list = ['own'];
    get title(): string {
      return ['computed', ...this.list].join(' ');
    }
  }
  it('may be an instance of a class: create, put and update read the same properties', async () => {
    const realm = await local();
    const given = (id: string) => Object.assign(new Title(), { id });
    await realm.write((tx) => {
      for (const id of ['b', 'c']) tx.create('Box', { id, title: 'old' });
      loose(tx).create('Box', given('a'));
      loose(tx).put('Box', given('b'));
      loose(tx).update('Box', 'c', new Title());
    });
    const all = realm.objects('Box').map(({ title, list }) => [title, list]);
    expect(all).toEqual(new Array(3).fill(['computed own', ['own']]));
  });

  it.each([
    ['a Map', new Map([['title', 'x']])],
    ['a Date', new Date()],
    ['a promise', Promise.resolve({ title: 'x' })],
    ['bytes', Uint8Array.of(1)],
    ['an array', []],
    ['nothing', null],
  ])('is rejected when it has no property of the type: %s', async (_, given) => {
    const realm = await local();
    await realm.write((tx) => tx.create('Box', { id: 'a', title: 'old' }));
    const calls: ((tx: LooseTx) => void)[] = [
      (tx) => tx.create('Box', given),
      (tx) => tx.put('Box', given),
      (tx) => tx.update('Box', 'a', given),
    ];
    for (const call of calls) {
      const failure = await realm.write((tx) => call(loose(tx))).catch((thrown: unknown) => thrown);
      expect(failure).toBeInstanceOf(InvalidArgumentError);
      expect((failure as Error).message).toContain('must be a record of properties, received');
    }
  });

  const later = async () => (await nextTurn(), false);
  const circle: { $or: object[] } = { $or: [] };
  circle.$or.push(circle);
  const never: { $not?: object } = {};
  never.$not = never;
  it.each([
    ['a Map as a filter', { where: new Map([['title', 'x']]) }, 'where must be a record or a function'],
    ['a Date as a filter', { where: { $or: [new Date()] } }, 'where.$or[0] must be a record'],
    ['an array as a sort', { sort: [] }, 'sort must be a record'],
    ['a Map as a sort', { sort: new Map([['title', 1]]) }, 'sort must be a record'],
    ['a text as $regex', { where: { title: { $regex: 'x' } } }, 'where.title.$regex must be a RegExp'],
    ['half a number as $size', { where: { list: { $size: 0.5 } } }, 'where.list.$size must be a whole number'],
    ['half a number as a limit', { limit: 1.5 }, 'limit must be a whole number from 0, received 1.5'],
    ['no number as a limit', { limit: NaN }, 'limit must be a whole number from 0, received NaN'],
    ['an asynchronous predicate', { where: later }, 'where must be a synchronous function'],
    ['a filter in itself', { where: circle }, 'where must be a filter with paths of at most 1000 characters'],
    ['a condition in itself', { where: { title: never } }, 'where must be a filter with paths of at most 1000'],
    ['a value as $not', { where: { title: { $not: 'x' } } }, 'where.title.$not must be a record of conditions'],
  ])('is rejected where it would change nothing: %s', async (_, query, message) => {
    const realm = await local();
    expect(() => realm.objects('Box', query as never)).toThrow(message);
  });

  it('is rejected in a schema with unknown keys', async () => {
    const more = { Box: { ...schema.Box, embedded: true } } as Schema;
    await expect(openRealm({ schema: more, storage: memoryStorage() })).rejects.toThrow(
      'Box must be a record with only primaryKey and properties, received "embedded".',
    );
  });
});

describe('a value that looks like a Date or bytes', () => {
  it.each([
    ['a Date without a time', Object.create(Date.prototype) as unknown],
    ['what calls itself a Date', { [Symbol.toStringTag]: 'Date' }],
    ['bytes without any', Object.create(Uint8Array.prototype) as unknown],
  ])('is rejected with its path: %s', async (_, given) => {
    const realm = await local();
    for (const property of ['at', 'bytes', 'any']) {
      const failure = await realm
        .write((tx) => loose(tx).create('Box', { id: 'a', title: '', [property]: given }))
        .catch((thrown: unknown) => thrown);
      expect(failure).toBeInstanceOf(SchemaError);
      expect((failure as Error).message).toContain(`Box["a"].${property}`);
    }
  });
});

describe('the status of a session', () => {
  it('cannot be changed by its readers', async () => {
    const { realm } = await openDevice(open.server());
    const session = sessionOf(realm);
    const all = [
      session.status,
      await waitUntil(session.status$, ({ connection }) => connection.state === 'connected'),
    ];
    for (const status of [...all, session.status]) {
      const parts = [status, status.connection, status.pending, status.downloaded];
      for (const part of parts) expect(Object.isFrozen(part)).toBe(true);
      if (status.connection.state === 'disconnected') expect(Object.isFrozen(status.connection.reason)).toBe(true);
    }
    session.pause();
    const { connection } = session.status;
    expect(thrownBy(() => ((connection as { state: string }).state = 'mine'))).toBeInstanceOf(TypeError);
    expect(session.connectionState).toBe('disconnected');
  });
});

describe('a transport of the app that fails with an error of its own', () => {
  it.each([
    ['an Error', new Error('the tunnel is closed'), 'the tunnel is closed'],
    ['a text', 'no tunnel', '"no tunnel"'],
    ['nothing', undefined, 'undefined'],
  ])('ends the connection attempt, which is repeated: %s', async (_, thrown, detail) => {
    const server = open.server();
    let calls = 0;
    const client = open.client({
      dial: defer(() => ((calls += 1) === 1 ? throwError(() => thrown) : of(server.wire))),
    });
    const errors: string[] = [];
    client.errors$.subscribe(({ code }) => errors.push(code));
    const session = sessionOf(await open.realm(client));
    const { connection } = await waitUntil(session.status$, ({ connection: { state } }) => state !== 'connecting');
    expect(connection).toMatchObject({ state: 'disconnected', attempt: 1, reason: { kind: 'unreachable', detail } });
    expect(errors).toEqual(['connection-failed']);
    session.reconnect();
    await firstValueFrom(session.downloadComplete$);
    expect(session.connectionState).toBe('connected');
  });
});

describe('an access token that is returned synchronously', () => {
  const tokenFrom = async (accessToken: () => unknown) => {
    const tokens: string[] = [];
    const authenticate = (token: string) => (tokens.push(token), { id: 'ann' });
    const client = open.client({
      dial: of(open.server({ authenticate }).wire),
      accessToken: accessToken as () => ObservableInput<string>,
    });
    const errors: SyncError[] = [];
    client.errors$.subscribe((error) => errors.push(error));
    const session = sessionOf(await open.realm(client));
    await waitUntil(session.status$, ({ connection }) => connection.state === 'connected' || errors.length > 0);
    return { tokens, error: errors[0] };
  };

  it('is used as a whole, not character by character', async () => {
    const accessToken: AccessToken = () => 'a.whole.token';
    expect(await tokenFrom(accessToken)).toEqual({ tokens: ['a.whole.token'], error: undefined });
  });

  it.each([
    ['null', null, 'accessToken gave null: no user is logged in.'],
    ['undefined', undefined, 'accessToken must give a string, received undefined.'],
    ['a number', 5, 'accessToken must give a string, received 5.'],
    ['an empty text', '', 'accessToken must give 1 to'],
  ])('means that the user is rejected, as it does in a promise: %s', async (_, token, message) => {
    for (const answer of [() => token, () => Promise.resolve(token)]) {
      const { tokens, error } = await tokenFrom(answer);
      expect([tokens, error?.code]).toEqual([[], 'token-refused']);
      expect(error?.message).toContain(message);
    }
  });

  it('is taken from a log-in, too', async () => {
    const tokens: string[] = [];
    const server = open.server({ authenticate: (token: string) => (tokens.push(token), { id: 'ann' }) });
    const client = open.client({ dial: of(server.wire), accessToken: () => null });
    const session = sessionOf(await open.realm(client));
    await waitUntil(session.status$, ({ sync }) => sync === 'inactive' || sync === 'waitingForAccessToken');
    client.logIn(() => 'next');
    await firstValueFrom(session.downloadComplete$);
    expect(tokens).toEqual(['next']);
  });
});
